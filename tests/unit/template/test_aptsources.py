# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""APT's sources, in both forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import aptsources

DEB822 = """# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
# in between
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://deb.nodesource.com/node_20.x
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://inline.invalid/debian
Suites: bookworm
Components: main
Trusted: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""

LINES = """deb [signed-by=/k.gpg arch=amd64 trusted=yes] http://mirror.example/debian bookworm main contrib # why
deb-src http://mirror.example/debian bookworm main
# deb http://commented.invalid/ bookworm main
deb http://security.example/debian-security bookworm-security main
deb http://mirror.example/debian bookworm-backports main
deb https://download.docker.com/linux/debian bookworm stable
deb cdrom:[Debian]/ bookworm main
"""


def test_deb822() -> None:
    found = aptsources.parse_deb822(DEB822, "debian.sources")
    assert [source.line() for source in found[:2]] == [
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm-updates main",
    ]
    assert {source.uri for source in found[2:]} == {"https://deb.nodesource.com/node_20.x", "http://inline.invalid/debian"}


def test_one_line_form_without_what_switches_signatures_off() -> None:
    first = aptsources.parse_lines(LINES, "sources.list")[0]
    assert first.line() == "deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib"


def test_only_the_distribution_goes_in_under_the_wanted_release() -> None:
    found = aptsources.select(aptsources.parse_lines(LINES, "f"), "bookworm", "trixie")
    assert [(source.uri, source.suite) for source in found] == [
        ("http://mirror.example/debian", "trixie"),
        ("http://security.example/debian-security", "trixie-security"),
    ]


def test_a_key_inside_of_a_source_is_an_error() -> None:
    with pytest.raises(LxcError, match="key in itself"):
        aptsources.select(aptsources.parse_deb822(DEB822, "f"), "bookworm", "bookworm")


@pytest.mark.parametrize("uri", ["http://user:s3cr3t@mirror.invalid/debian", "https://user@mirror.invalid/debian"])
@pytest.mark.parametrize("form", ["deb {} bookworm main", "Types: deb\nURIs: {}\nSuites: bookworm\nComponents: main\n"])
def test_a_password_is_refused_and_not_shown(uri: str, form: str) -> None:
    parse = aptsources.parse_deb822 if "Types" in form else aptsources.parse_lines
    with pytest.raises(LxcError) as caught:
        aptsources.select(parse(form.format(uri), "corp.sources"), "bookworm", "bookworm")
    assert "corp.sources" in caught.value.message and "s3cr3t" not in caught.value.message + caught.value.hint


def test_load_reads_every_place_in_order(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a/ bookworm main\n")
    (tmp_path / "sources.list.d/b.list").write_text("deb http://b/ bookworm main\n")
    (tmp_path / "sources.list.d/c.sources").write_text("Types: deb\nURIs: http://c/\nSuites: bookworm\nComponents: main\n")
    (tmp_path / "sources.list.d/d.list.save").write_text("deb http://d/ bookworm main\n")
    assert [source.uri for source in aptsources.load(str(tmp_path))] == ["http://a/", "http://b/", "http://c/"]
    assert aptsources.load(str(tmp_path / "none")) == []
