# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of what is kept in subvolumes and in images: made, gone back to, made a container of, removed, with nothing left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, snapshot_list
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from snapshots import task, tree
from storage_images import fill


def quiet(line: str) -> None:
    pass


def made(lxc_path: Path, store: str) -> Container:
    lxc_path.mkdir()
    one = Container(str(lxc_path), "web")
    options = {"size": "60M"} if store == "loop" else {}
    create.create(create.CreateRequest(one, "busybox", {}, store, options, config={"lxc.net.0.type": "empty"}), quiet)
    return one


def inside(one: Container, text: str) -> None:
    """A file in its root."""
    from forked import run as in_child

    store = backends.for_rootfs(snapshot_list.rootfs_path(one))

    def act() -> None:
        snapshots.mount_old.mount("none", "/", "", snapshots.libc.MS_REC | snapshots.libc.MS_PRIVATE, "")
        snapshots.mount_old.mount("tmpfs", "/mnt", "tmpfs", 0, "")
        os.mkdir("/mnt/root")
        place = Path(store.mount_host("/mnt/root"))
        (place / "etc/state").write_text(text)
        if not (place / "all").exists():
            (place / "all").mkdir()
            fill(place / "all")
        store.umount(str(place))

    in_child(act, snapshots.libc.CLONE_NEWNS)


@pytest.mark.parametrize("store", ["btrfs", "loop"])
def test_a_whole_life(btrfs_path: Path, store: str) -> None:
    lxc_path = btrfs_path / "lxc"
    one = made(lxc_path, store)
    inside(one, "first")
    first = tree(one)
    task(one, comment="kept")
    snap = snapshot_list.find(one, "snap0")
    assert snap is not None and tree(snap.container) == first
    inside(one, "second")
    second = tree(one)
    assert second != first
    task(one, snapshot="snap0", state="restored")
    assert tree(one) == first
    inside(one, "second")
    task(one, snapshot="late")
    task(one, snapshot="snap0", state="restored", restore_as="other")
    other = Container(str(lxc_path), "other")
    assert tree(other)["etc/state"] == first["etc/state"] and task(one, snapshot="late").result["snapshot"]["backing_store"] == store
    task(one, snapshot="late", state="restored")
    assert tree(one)["etc/state"] == second["etc/state"]
    task(one, state="absent", all=True)
    for left in (one, other):
        destroy.destroy(left)
    assert os.listdir(lxc_path) == [] and not loop.attached(f"{other.directory}/rootdev")
