# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name in a root: which files are changed, and which are let be, whatever a hostile root has in their place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import identity

ID = "0123456789abcdef0123456789abcdef\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("127.0.1.1 old\n", "127.0.1.1 new\n"),
        ("127.0.1.1\told.example.org\told # old\n", "127.0.1.1\tnew.example.org\tnew # old\n"),
        ("127.0.1.1 oldest xold old-2 my.old OLD\n", "127.0.1.1 oldest xold old-2 my.old OLD\n"),
        ("# old\n::1 old", "# old\n::1 new"),
        ("old old\n", "old new\n"),
        ("127.0.0.1 localhost\n\n10.0.0.1 a old b\r\n", "127.0.0.1 localhost\n\n10.0.0.1 a new b\r\n"),
        ("", ""),
    ],
)
def test_hosts(before: str, after: str) -> None:
    assert identity.hosts(before, "old", "new") == after


def test_a_name_that_is_a_pattern_is_none() -> None:
    assert identity.hosts("1.1.1.1 a.b axb\n", "a.b", r"\1") == "1.1.1.1 \\1 axb\n"
    assert identity.hosts("1.1.1.1 x\n", "", "new") == "1.1.1.1 x\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("NETWORKING=yes\nHOSTNAME=old\n", "NETWORKING=yes\nHOSTNAME=new\n"),
        ("HOSTNAME=\"old.example.org\"\nDHCP_HOSTNAME='old'", "HOSTNAME=\"new.example.org\"\nDHCP_HOSTNAME='new'"),
        ("HOSTNAME=older\nNAME=old\n# HOSTNAME=old\n", "HOSTNAME=older\nNAME=old\n# HOSTNAME=old\n"),
    ],
)
def test_sysconfig(before: str, after: str) -> None:
    assert identity.sysconfig(before, "old", "new") == after


def test_the_files_of_red_hat(tmp_path: Path) -> None:
    (tmp_path / "etc/sysconfig/network-scripts").mkdir(parents=True)
    for name in ("network", "network-scripts/ifcfg-eth0", "network-scripts/other"):
        (tmp_path / "etc/sysconfig" / name).write_text("HOSTNAME=old\n")
    identity.change(str(tmp_path), "old", "new")
    found = [(tmp_path / "etc/sysconfig" / name).read_text() for name in ("network", "network-scripts/ifcfg-eth0", "network-scripts/other")]
    assert found == ["HOSTNAME=new\n", "HOSTNAME=new\n", "HOSTNAME=old\n"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/etc").mkdir(parents=True)
    return tmp_path / "root"


def test_the_files_keep_what_they_are(root: Path) -> None:
    (root / "etc/hostname").write_text("old.with a longer text\n")
    (root / "etc/hostname").chmod(0o600)
    (root / "etc/hosts").write_bytes(b"127.0.1.1 old \xff\n")
    (root / "etc/machine-id").write_text(ID)
    (root / "var/lib/dbus").mkdir(parents=True)
    (root / "var/lib/dbus/machine-id").write_text(ID)
    number = os.stat(root / "etc/hostname").st_ino
    identity.change(str(root), "old", "new")
    assert (root / "etc/hostname").read_text() == "new\n" and (root / "etc/hosts").read_bytes() == b"127.0.1.1 new \xff\n"
    assert os.stat(root / "etc/hostname").st_ino == number and stat.S_IMODE(os.stat(root / "etc/hostname").st_mode) == 0o600
    assert (root / "etc/machine-id").read_bytes() == b"" == (root / "var/lib/dbus/machine-id").read_bytes()


@pytest.mark.parametrize("text", ["uninitialized\n", "", "not an id\n"])
def test_an_id_that_is_none_stays(root: Path, text: str) -> None:
    (root / "etc/machine-id").write_text(text)
    identity.change(str(root), "old", "new")
    assert os.listdir(root / "etc") == ["machine-id"] and (root / "etc/machine-id").read_text() == text


def test_nothing_is_made(root: Path) -> None:
    identity.change(str(root), "old", "new")
    assert os.listdir(root / "etc") == []
    os.rmdir(root / "etc")
    identity.change(str(root), "old", "new")
    assert os.listdir(root) == []


@pytest.mark.parametrize("name", ["etc/hostname", "etc/hosts", "etc/machine-id"])
@pytest.mark.parametrize("how", ["absolute", "relative", "fifo", "directory", "loop", "proc", "huge"])
def test_what_stands_in_a_files_place(root: Path, tmp_path: Path, name: str, how: str) -> None:
    """Nothing outside is reached, nothing blocks, and the rest is done."""
    outside = tmp_path / "outside"
    outside.write_text(ID if "machine" in name else "127.0.1.1 old\n")
    before = outside.read_text()
    place = root / name
    if how == "absolute":
        place.symlink_to(outside)
    elif how == "relative":
        place.symlink_to("../../outside")
    elif how == "fifo":
        os.mkfifo(place)
    elif how == "directory":
        place.mkdir()
    elif how == "loop":
        place.symlink_to(place.name)
    elif how == "proc":
        place.symlink_to("/proc/self/root" + str(outside))
    else:
        with open(place, "wb") as file:
            file.truncate(2 << 20)
    other = root / ("etc/hosts" if name != "etc/hosts" else "etc/hostname")
    other.write_text("127.0.1.1 old\n")
    identity.change(str(root), "old", "new")
    assert outside.read_text() == before and "new" in other.read_text()


def test_a_directory_that_is_a_link_stays_inside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("host\n")
    os.rmdir(root / "etc")
    (root / "etc").symlink_to("../etc")
    identity.change(str(root), "old", "new")
    assert (tmp_path / "etc/hostname").read_text() == "host\n"
    os.unlink(root / "etc")
    (root / "usr/etc").mkdir(parents=True)
    (root / "usr/etc/hostname").write_text("old\n")
    (root / "etc").symlink_to("/usr/etc")
    identity.change(str(root), "old", "new")
    assert (root / "usr/etc/hostname").read_text() == "new\n"


def test_a_renamed_root_is_written_as_often_as_it_takes(tmp_path):
    """After a kill a file may have the beginning of what it was to be; one that somebody else has written since is left alone."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").write_text("web\n")
    (root / "etc/hosts").write_text("1.1.1.1 web\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    root_fd = os.open(root, os.O_PATH)
    edits = identity.foresee(root_fd, "web", "web.two")
    os.close(root_fd)
    assert edits == {"etc/hostname": ["web\n", "web.two\n"], "etc/hosts": ["1.1.1.1 web\n", "1.1.1.1 web.two\n"]}
    for cut_off in ("1.1.1.1 web\n", "", "1.1.1", "1.1.1.1 web.two\n"):
        (root / "etc/hosts").write_text(cut_off)
        identity.apply(str(root), edits)
        assert (root / "etc/hosts").read_text() == "1.1.1.1 web.two\n"
    (root / "etc/hosts").write_text("2.2.2.2 else\n")
    identity.apply(str(root), edits)
    assert (root / "etc/hosts").read_text() == "2.2.2.2 else\n"
    assert (root / "etc/machine-id").read_text().startswith("0123")
