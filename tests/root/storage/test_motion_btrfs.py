# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another name, another storage, an archive and a clone for once, where the root is a subvolume."""

from __future__ import annotations

import os
from pathlib import Path

import cloned
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import btrfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from motions import apply, job, left, ritual, text


def make(lxc_path: Path) -> Container:
    one = cloned.make(lxc_path, "old")
    apply(lxc_path, state="present", backing_store="btrfs", migrate=True)
    assert btrfs.is_subvolume(one.rootfs) and f"lxc.rootfs.path = btrfs:{one.rootfs}" in text(lxc_path, "old")
    return one


def test_there_and_back(btrfs_path: Path) -> None:
    lxc_path = btrfs_path / "lxc"
    one = make(lxc_path)
    tree = snapshots.tree(one)
    ritual(lxc_path, state="present", new_name="new")
    ritual(lxc_path, "new", state="present", new_name="old")
    assert btrfs.is_subvolume(one.rootfs) and snapshots.tree(one) == tree
    for store in ("dir", "btrfs", "overlayfs", "btrfs", "loop", "btrfs"):
        more = {"size": "128M"} if store == "loop" else {}
        ritual(lxc_path, state="present", backing_store=store, migrate=True, **more)
        now = snapshots.tree(one)
        assert {path for path in {*now, *tree} if now.get(path) != tree.get(path)} <= {"lost+found"}
    assert not left(lxc_path) and os.listdir(lxc_path) == ["old"]
    apply(lxc_path)
    apply(lxc_path, state="absent")


def test_an_archive_of_one_that_runs_is_one_moment_of_it(btrfs_path: Path) -> None:
    lxc_path = btrfs_path / "lxc"
    make(lxc_path)
    apply(lxc_path)
    path = btrfs_path / "old.tar.gz"
    ritual(lxc_path, archive=str(path))
    said = {"fstree": str(path), "devices": True}
    apply(lxc_path, "again", template="local", template_options=said, network=[], state="present")
    assert (lxc_path / "again/rootfs/su").stat().st_mode & 0o7777 == 0o6755
    assert sorted(os.listdir(lxc_path)) == ["again", "old"]
    for name in ("old", "again"):
        apply(lxc_path, name, state="absent")


def test_a_clone_for_once(btrfs_path: Path) -> None:
    lxc_path = btrfs_path / "lxc"
    make(lxc_path)
    apply(lxc_path, "once", clone_from="old", ephemeral=True)
    assert btrfs.is_subvolume(f"{lxc_path}/once/rootfs")
    apply(lxc_path, "once", state="stopped")
    assert os.listdir(lxc_path) == ["old"]
    refused = job(lxc_path, "once", clone_from="old", ephemeral=True, ephemeral_tmpfs=True).predict().failed
    assert "a clone that is an overlay" in refused and "not btrfs" in refused
    apply(lxc_path, state="absent")
