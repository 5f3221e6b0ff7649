# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical volumes beside other stores, other file systems and LXC itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import named
from lvm_hosts import GROUP, is_thin
from snapshots import stock
from snapshots import task as snapshot_task
from storage_images import apply, run
from volume_hosts import Host, pid_root


def test_to_and_from_other_stores(thick: Host) -> None:
    thick.made("web", backing_store="dir", **dict.fromkeys(("vg_name", "size")))
    thick.write(thick.one("web"), "a directory's")
    thick.cloned("web", "one", backing_store="lvm", vg_name=GROUP, lv_name="other", size="40M", fs_type="ext3")
    assert thick.root("one") == f"lvm:/dev/{GROUP}/other" and thick.read(thick.one("one")) == "a directory's"
    thick.cloned("one", "two", backing_store="overlayfs")
    thick.cloned("two", "three", backing_store="lvm", vg_name=GROUP, thinpool="pool", size="30M")
    assert thick.read(thick.one("three")) == "a directory's"
    thick.cloned("three", "four", backing_store="dir")
    assert thick.read(thick.one("four")) == "a directory's"


def test_stock_on_ours_and_ours_on_stock(lvm_host: Host, tmp_path: Path) -> None:
    """LXC 5.0 makes no snapshot of a volume (lxc-snapshot), and of a thin one no copy that shares it: it finds no device."""
    lvm_host.made("web")
    lvm_host.write(lvm_host.one("web"), "ours")
    stock("lxc-copy", lvm_host.one("web"), "-N", "theirs")
    assert lvm_host.read(lvm_host.one("theirs")) == "ours" and lvm_host.root("theirs") == f"lvm:/dev/{GROUP}/theirs"
    if not is_thin(lvm_host):
        stock("lxc-copy", lvm_host.one("web"), "-s", "-N", "shared")
        assert "its clones: shared" in lvm_host.refused("web", state="absent")
        entry = lvm_host.state("shared", "started")
        assert (pid_root(entry) / "etc/state").read_text() == "ours"
        lvm_host.state("shared", "absent", stop_timeout=0)
    stock("lxc-start", lvm_host.one("web"))
    stock("lxc-stop", lvm_host.one("web"), "-k")
    stock("lxc-destroy", lvm_host.one("web"))
    config = tmp_path / "config"
    config.write_text("lxc.net.0.type = empty\n")
    words = ["--thinpool", "pool"] if is_thin(lvm_host) else []
    stock("lxc-create", lvm_host.one("old"), "-f", str(config), "-B", "lvm", "--vgname", GROUP, "--fssize", "32M", *words, "-t", "busybox")
    text = Path(lvm_host.one("old").config).read_text()
    Path(lvm_host.one("old").config).write_text(text.replace("lxc.rootfs.path = lvm:", "lxc.rootfs = "))  # as LXC 1.0
    assert lvm_host.state("old", "started", backing_store="lvm", vg_name=GROUP)["state"] == "RUNNING"
    lvm_host.state("old", "stopped", stop_timeout=0, size="40M")
    snapshot_task(lvm_host.one("old"))
    lvm_host.cloned("old", "new", clone_snapshot=True)
    for name in ("new", "old"):
        lvm_host.state(name, "absent", delete_snapshots=True)
    assert lvm_host.left() == ["theirs"]


def test_xfs_with_its_snapshot(thick: Host) -> None:
    """Both have one UUID, and both run."""
    thick.made("web", fs_type="xfs", size="300M", state="started")
    thick.cloned("web", "two", clone_snapshot=True)
    assert thick.state("two", "started", size="300M")["state"] == "RUNNING"
    assert thick.state("two", "absent", stop_timeout=0)["state"] == "ABSENT"
    entry = thick.state("web", "started", size="400M")
    fs = os.statvfs(pid_root(entry))
    assert fs.f_blocks * fs.f_frsize > 320 << 20  # without its log of 64 MiB


def test_a_device_that_a_boot_has_left_out(thick: Host) -> None:
    thick.made("web")
    run("lvchange", "-an", f"{GROUP}/web")
    assert thick.state("web", "started")["state"] == "RUNNING"
    thick.state("web", "stopped", stop_timeout=0)
    run("lvremove", "-q", "-f", "-y", f"{GROUP}/web")
    thick.state("web", "absent")


def test_names(thick: Host) -> None:
    said: dict[str, Any] = {**thick.options, "template": "busybox", "network": []}
    assert "for lv_name" in thick.refused("a@b", **said)
    apply(**{**thick.said("a@b"), **said, "lv_name": "a-b", "state": "present"})
    assert thick.left() == ["a-b"] and os.path.exists(f"/dev/mapper/{GROUP}-a--b")
    for text in (f"/dev/mapper/{GROUP}-a--b", os.path.realpath(f"/dev/{GROUP}/a-b")):
        store = named.of(f"lvm:{text}")
        assert store is not None and store.place_options() == {"vg_name": GROUP, "lv_name": "a-b"}
