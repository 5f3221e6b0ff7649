# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/lxc/lxc.conf and default.conf."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import hostconf


def test_values() -> None:
    text = '# lxc.lxcpath = /no\nlxc.lxcpath = /srv/lxc\nlxc.bdev.lvm.vg = "vg0"\nnonsense\nother = 1\n'
    assert hostconf.values(text) == {"lxc.lxcpath": "/srv/lxc", "lxc.bdev.lvm.vg": "vg0"}
    assert hostconf.values("lxcpath = /old") == {"lxc.lxcpath": "/old"}


def test_where_nothing_is_said(host: Path) -> None:
    assert hostconf.lxc_path() == "/var/lib/lxc" and hostconf.default_config() is None and hostconf.storage_defaults("lvm", {}) == {}


def test_what_is_said_is_obeyed(host: Path) -> None:
    (host / "lxc.conf").write_text(
        f"lxc.lxcpath = /srv//lxc/\nlxc.default_config = {host}/mine\nlxc.bdev.lvm.vg = vg0\nlxc.bdev.zfs.root = pool/lxc\n"
    )
    (host / "mine").write_text("lxc.start.auto = 1\n")
    assert hostconf.lxc_path() == "/srv/lxc" and hostconf.default_config() == "lxc.start.auto = 1\n"
    assert hostconf.storage_defaults("lvm", {"lv_name": "x"}) == {"vg_name": "vg0", "lv_name": "x"}
    assert hostconf.storage_defaults("lvm", {"vg_name": "mine"}) == {"vg_name": "mine"}
    assert hostconf.storage_defaults("dir", {}) == {}
