# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo

LINES = rb"""36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
31 23 0:28 / /a\040b\011c\012d\134e\043f rw - tmpfs  rw,size=10k
32 31 0:29 /../x /caf\303\251 rw - fuse.x a\040b rw
nonsense
""".splitlines()


def test_fields() -> None:
    first = mountinfo.parse(LINES)[0]
    assert first == (36, 35, "98:0", "/mnt1", "/mnt2", "rw,noatime", ("master:1", "shared:7"), "ext3", "/dev/root", "rw,errors=continue")


def test_octal_escapes_and_an_empty_source() -> None:
    _first, second, third = mountinfo.parse(LINES)
    assert (second.target, second.source, second.super_options) == ("/a b\tc\nd\\e#f", "", "rw,size=10k")
    assert (third.root, third.target, third.source) == ("/../x", "/café", "a b")


def test_the_real_one() -> None:
    every = mountinfo.read()
    assert "/proc" in [found.target for found in every]
    assert mountinfo.of_type(mountinfo.text(), "pro") == [found for found in every if found.fstype.startswith("pro")] != []


def test_what_a_path_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = rb"""20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /srv rw - xfs /dev/sda2 rw
22 20 8:3 / /srv rw - btrfs /dev/sda3 rw
""".splitlines()
    monkeypatch.setattr(mountinfo, "read", lambda: mountinfo.parse(lines))
    seen = {path: mountinfo.of_path(path).fstype for path in ("/", "/srv", "/srv/not/there", "/srvx", "/srv/../nowhere")}
    assert seen == {"/": "ext4", "/srv": "btrfs", "/srv/not/there": "btrfs", "/srvx": "ext4", "/srv/../nowhere": "ext4"}
    monkeypatch.setattr(mountinfo, "read", list)
    assert mountinfo.of_path("/srv").fstype == "unknown"
