# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config of a clone, from its source's text."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import lines, parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import cloneconfig

SOURCE = """\
# Template used to create this container: busybox
lxc.rootfs.path = dir:/lxc/p1/rootfs

# the name
lxc.uts.name=p1
lxc.net.0.type = veth
lxc.net.0.hwaddr = 02:aa:bb:cc:dd:ee
lxc.net.0.ipv4.address = 10.0.3.7/24
lxc.log.file = /lxc/p1/p1.log
lxc.start.auto = 1
"""
LEGACY = """\
# old
lxc.utsname = p1
lxc.rootfs = /lxc/p1/rootfs
lxc.network.type = veth
lxc.network.hwaddr = 02:aa:bb:cc:dd:ee
lxc.network.type = veth
lxc.network.hwaddr = 02:aa:bb:cc:dd:ff
lxc.mount = /lxc/p1/fstab
lxc.hook.start = /lxc/p10/x
"""


def made(source: str, changes: Any = None, networks: Any = None, **more: Any) -> str:
    said = {"moves": [("/lxc/p1", "/lxc/p2")], "rootfs_path": "dir:/lxc/p2/rootfs", "name": "p2", "keep_mac": False, **more}
    return cloneconfig.text(source, cloneconfig.Renaming(**said), changes or {}, networks, lambda: "x")


def test_lines_keep_their_order() -> None:
    renamed = SOURCE.replace("/p1/", "/p2/").replace("=p1\n", "=p2\n")
    assert made(SOURCE) == renamed.replace("02:aa:bb:cc:dd:ee", "00:16:3e:xx:xx:xx")


def test_addresses_are_drawn_one_by_one() -> None:
    digits = itertools.cycle("0123456789ab")
    renaming = cloneconfig.Renaming([], "dir:/r", "p2", False)
    text = cloneconfig.text(LEGACY, renaming, {}, None, lambda: next(digits))
    found = parser.loads(text).networks
    assert [one.hwaddr for one in found] == ["00:16:3e:01:23:45", "00:16:3e:67:89:ab"]


def test_the_old_spelling_becomes_the_new_one() -> None:
    text = made(LEGACY)
    assert lines.values(text) == {
        "lxc.uts.name": ["p2"],
        "lxc.rootfs.path": ["dir:/lxc/p2/rootfs"],
        "lxc.net.0.type": ["veth"],
        "lxc.net.0.hwaddr": ["00:16:3e:xx:xx:xx"],
        "lxc.net.1.type": ["veth"],
        "lxc.net.1.hwaddr": ["00:16:3e:xx:xx:xx"],
        "lxc.mount.fstab": ["/lxc/p2/fstab"],
        "lxc.hook.start": ["/lxc/p10/x"],
    }
    assert text.startswith("# old\nlxc.uts.name = p2\n")


def test_a_snapshot_keeps_name_and_addresses() -> None:
    assert made(SOURCE, name="", keep_mac=True) == SOURCE.replace("/p1/", "/p2/")
    bare = SOURCE.replace("lxc.net.0.hwaddr = 02:aa:bb:cc:dd:ee\n", "")
    assert "hwaddr" not in made(bare, name="", keep_mac=True)
    assert "lxc.net.0.hwaddr = 00:16:3e:xx:xx:xx" in made(bare)


def test_an_address_of_an_included_file_gets_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "net.conf").write_text("lxc.net.0.type = veth\nlxc.net.0.hwaddr = 02:aa:bb:cc:dd:ee\n")
    text = made(f"lxc.rootfs.path = dir:/r\nlxc.include = {tmp_path}/net.conf\nlxc.uts.name = p1\n")
    assert parser.loads(text).networks[0].hwaddr == "00:16:3e:xx:xx:xx" and text.count("hwaddr") == 1
    assert (tmp_path / "net.conf").read_text().endswith("02:aa:bb:cc:dd:ee\n")


def test_a_name_and_a_root_of_an_included_file_are_overridden(tmp_path: Path) -> None:
    (tmp_path / "all.conf").write_text("lxc.uts.name = p1\nlxc.rootfs.path = dir:/lxc/p1/rootfs\n")
    config = parser.loads(made(f"# first\nlxc.include = {tmp_path}/all.conf\n"))
    assert (config.uts_name, config.rootfs_path) == ("p2", "dir:/lxc/p2/rootfs")


def test_what_is_said_lies_over_it() -> None:
    said = lines.values(made(SOURCE, {"lxc.start.auto": None, "lxc.uts.name": "other", "lxc.net.0.ipv4.address": ["10.0.3.8/24"]}))
    assert "lxc.start.auto" not in said and said["lxc.uts.name"] == ["other"]
    assert said["lxc.net.0.ipv4.address"] == ["10.0.3.8/24"] and said["lxc.net.0.hwaddr"] == ["00:16:3e:xx:xx:xx"]


def test_networks_that_are_said_are_all_networks() -> None:
    said = lines.values(made(SOURCE, networks=[{"type": "veth", "link": "br0"}, {"type": "empty"}]))
    assert {key: value for key, value in said.items() if key.startswith("lxc.net")} == {
        "lxc.net.0.type": ["veth"],
        "lxc.net.0.link": ["br0"],
        "lxc.net.0.hwaddr": ["00:16:3e:xx:xx:xx"],
        "lxc.net.1.type": ["empty"],
    }
    assert "02:00:00:00:00:01" in made(SOURCE, networks=[{"type": "veth", "hwaddr": "02:00:00:00:00:01"}])


def test_storage_of_ours_is_ours_to_remove() -> None:
    assert "managed" not in made(SOURCE + "lxc.rootfs.managed = 0\n")
    assert "lxc.rootfs.managed = 0" in made(SOURCE + "lxc.rootfs.managed = 0\n", rootfs_path="")


def test_a_line_that_lxc_does_not_take_is_named_in_the_source() -> None:
    with pytest.raises(ConfigError, match=r"/lxc/p1/config:2: lxc\.nonsense"):
        made("lxc.uts.name = p1\nlxc.nonsense = 1\n", file="/lxc/p1/config")


def test_what_the_two_have_in_common(tmp_path: Path) -> None:
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1/more.conf").write_text("lxc.net.1.type = veth\nlxc.net.1.veth.pair = vmore\n")
    text = f"lxc.include = {tmp_path}/p1/more.conf\nlxc.include = /dev/null\nlxc.net.0.type = veth\nlxc.net.0.veth.pair = vweb\n"
    found = cloneconfig.warnings(text, f"{tmp_path}/p1", "config")
    assert ["more.conf" in found[0], "vweb" in found[1], "vmore" in found[2], len(found)] == [True, True, True, 3]
    assert cloneconfig.warnings(SOURCE, "/lxc/p1", "config") == []
