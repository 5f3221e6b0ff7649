# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's own tools on what we have made in a backing store, and ours on what they have."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import facts
from stock import need_lxc, start_stock
from storage_images import apply, run, wait_for_no_device

Task = Callable[..., dict[str, Any]]
STORES = ["btrfs", "loop", "dir", "overlayfs"]


@pytest.fixture(autouse=True)
def lxc() -> None:
    need_lxc()


def stock(tool: str, one: paths.Container, *words: str) -> str:
    return run(tool, "-P", one.lxc_path, "-n", one.name, *words).stdout


def subvolumes(path: Path) -> str:
    return run("btrfs", "subvolume", "list", str(path)).stdout


@pytest.mark.parametrize("store", STORES)
def test_theirs_on_ours(btrfs_path: Path, task: Task, store: str) -> None:
    one = paths.container("c1", str(btrfs_path))
    size = {"size": "64M"} if store in ("btrfs", "loop") else {}
    said = {"name": "c1", "lxc_path": str(btrfs_path), "template": "busybox", "network": [], "backing_store": store}
    task(**said, **size, state="present")
    start_stock(one)
    assert "RUNNING" in stock("lxc-info", one, "-s")
    stock("lxc-attach", one, "--", "touch", "/written")
    entry = task(**said, **size)
    assert entry["state"] == "RUNNING" and not entry["changed"]
    assert os.path.exists(f"/proc/{entry['init_pid']}/root/written")
    stock("lxc-stop", one, "-k")
    if store == "btrfs":
        run("btrfs", "subvolume", "create", f"{one.rootfs}/nested")
    stock("lxc-destroy", one)
    assert os.listdir(btrfs_path) == [] and subvolumes(btrfs_path) == ""


@pytest.mark.parametrize("store", STORES)
def test_ours_on_theirs(btrfs_path: Path, tmp_path: Path, task: Task, store: str) -> None:
    one = paths.container("c1", str(btrfs_path))
    (tmp_path / "config").write_text("lxc.net.0.type = empty\n")
    words = ["--fssize", "64M", "--fstype", "ext4"] if store == "loop" else []
    stock("lxc-create", one, "-f", str(tmp_path / "config"), "-B", store, *words, "-t", "busybox")
    [entry] = facts.Facts({"name": ["c1"], "lxc_path": str(btrfs_path)}).apply().result["containers"]
    assert entry["backing_store"] == store
    said = {"name": "c1", "lxc_path": str(btrfs_path), "backing_store": store}
    entry = task(**said)
    assert entry["state"] == "RUNNING"
    Path(f"/proc/{entry['init_pid']}/root/written").touch()
    assert not task(**said)["changed"]
    assert task(**said, state="stopped")["state"] == "STOPPED"
    if store in ("btrfs", "loop"):
        if store == "loop":
            wait_for_no_device(f"{one.directory}/rootdev")
        assert task(**said, state="stopped", size="128M")["actions"] == ["resize c1 to 128M"]
        start_stock(one)
        stock("lxc-stop", one, "-k")
    apply(name="c1", lxc_path=str(btrfs_path), state="absent")
    assert os.listdir(btrfs_path) == [] and subvolumes(btrfs_path) == ""


@pytest.mark.parametrize("store", ["btrfs", "loop"])
def test_a_text_as_lxc_1_0_has_it(btrfs_path: Path, task: Task, store: str) -> None:
    """Without a prefix: it is what stands there, also for LXC."""
    one = paths.container("c1", str(btrfs_path))
    said = {"name": "c1", "lxc_path": str(btrfs_path), "template": "busybox", "network": [], "backing_store": store}
    task(**said, size="64M", state="present")
    config = Path(one.config)
    config.write_text(config.read_text().replace(f"lxc.rootfs.path = {store}:", "lxc.rootfs = "))
    assert task(**said)["state"] == "RUNNING"
    apply(name="c1", lxc_path=str(btrfs_path), state="absent")
    assert os.listdir(btrfs_path) == [] and subvolumes(btrfs_path) == ""
