# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc-copy, lxc-snapshot and lxc-destroy on what we have made in each backing store, and ours on what they have, in turns along a chain."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import snapshot_list
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet, snapshot
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from stock import need_lxc
from storage_images import Images, apply, fill, run
from stores import STORES, Store, content, left, syncfs

HOST_NAME = ("etc", "etc/hostname", "etc/hosts", "etc/machine-id")


class World:
    """One of the stores, with both kinds of tools on it."""

    def __init__(self, store: Store, lxc_path: Path) -> None:
        self.store, self.lxc_path = store, str(lxc_path)
        self.made: list[str] = []

    def one(self, name: str) -> paths.Container:
        return paths.container(name, self.lxc_path)

    def task(self, name: str, **said: Any) -> dict[str, Any]:
        return apply(name=name, lxc_path=self.lxc_path, **said)

    def source(self) -> paths.Container:
        said = {"template": "busybox", "network": [], "backing_store": self.store.kind, **self.store.options}
        self.task("source", **said, state="present")
        self.write("source", lambda root: fill(root / "all"))
        return self.one("source")

    def write(self, name: str, act: Callable[[Path], object]) -> None:
        store, place = backends.for_rootfs(snapshot_list.rootfs_path(self.one(name))), Path(self.lxc_path).parent / "mnt"
        place.mkdir(exist_ok=True)
        store.mount(str(place), "")
        try:
            act(place)
            syncfs(place)
        finally:
            store.umount(str(place))

    def snapshot(self, name: str, **said: Any) -> Any:
        return snapshot.Job({"name": name, "lxc_path": self.lxc_path, **said}).apply()

    def stock(self, tool: str, name: str, *words: str, ok: bool = True) -> str:
        done = run(tool, "-P", self.lxc_path, "-n", name, *words, check=False)
        assert (done.returncode == 0) == ok, f"{tool} {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def root(self, name: str) -> dict[str, object]:
        return {path: about for path, about in content(self.one(name)).items() if path not in HOST_NAME}

    def left(self) -> list[str]:
        return left(self.store, Path(self.lxc_path))


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest, images: Images) -> Iterator[World]:
    need_lxc()
    store = STORES[request.param]
    made = World(store, store.place(images, "place", "600M"))
    yield made
    every = sorted(os.listdir(made.lxc_path)) if os.path.isdir(made.lxc_path) else []
    for _turn in every:  # those that others are over go last
        for name in os.listdir(made.lxc_path):
            fleet.job({"name": [name], "lxc_path": made.lxc_path, "state": "absent", "delete_snapshots": True}).apply()


def test_lxc_copy_on_ours_and_ours_on_its_copy(world: World) -> None:
    """A full copy each."""
    world.source()
    whole = world.root("source")
    # LXC copies no overlay into another.
    world.stock("lxc-copy", "source", "-N", "theirs", *(["-B", "dir"] if world.store.kind == "overlayfs" else []))
    assert timeless(world.root("theirs")) == timeless(whole)
    assert world.task("theirs", state="started")["state"] == "RUNNING"
    world.task("theirs", state="stopped", stop_timeout=0)
    seen = world.root("theirs")
    world.task("ours", clone_from="theirs", state="present")
    assert world.root("ours") == seen
    world.stock("lxc-start", "ours")
    world.stock("lxc-stop", "ours", "-k")
    world.stock("lxc-destroy", "ours")
    world.task("theirs", state="absent")
    world.stock("lxc-destroy", "source")
    assert world.left() == []


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    """Without what LXC's rsync leaves out: ACLs, flags, parts of a second, and what it changes in the top."""
    kept = {}
    for path, about in found.items():
        mode, uid, gid, size, rdev, links, time, _flags, attributes, text = about
        names = [one for one in attributes if not one[0].startswith("system.posix_acl")]
        kept[path] = (mode, uid, gid, size, rdev, links, time // 10**9, names, text)
    return {path: about for path, about in kept.items() if path != "."}


def test_a_chain_of_clones_by_both(world: World) -> None:
    """A clone of a clone of what was made from a snapshot, each by the other one's tool; removed by the one who has not made it."""
    if not world.store.shares:
        assert "makes no snapshots" in str(refusal(world))
        world.stock("lxc-copy", "source", "-N", "theirs", "-s", ok=False)
        return
    world.source()
    world.snapshot("source")
    world.write("source", lambda root: (root / "etc/late").write_text("x"))
    before = content(world.one("source"))
    world.stock("lxc-snapshot", "source", "-r", "snap0", "-N", "first")
    world.write("first", lambda root: (root / "etc/first").write_text("1"))
    world.task("second", clone_from="first", clone_snapshot=True, state="present")
    world.write("second", lambda root: (root / "etc/second").write_text("2"))
    world.stock("lxc-copy", "second", "-N", "third", "-s")
    world.write("third", lambda root: (root / "all/fifo").unlink())
    world.task("fourth", clone_from="third", clone_snapshot=True, state="present")
    world.snapshot("fourth", snapshot="kept")
    world.write("fourth", lambda root: (root / "etc/fourth").write_text("4"))
    world.stock("lxc-snapshot", "fourth")
    assert {name: sorted(seen(world, name)) for name in ("first", "second", "third", "fourth")} == {
        "first": ["all/fifo", "etc/first"],
        "second": ["all/fifo", "etc/first", "etc/second"],
        "third": ["etc/first", "etc/second"],
        "fourth": ["etc/first", "etc/fourth", "etc/second"],
    }
    assert content(world.one("source")) == before
    assert sorted(re.findall(r"^(\S+) \(", world.stock("lxc-snapshot", "fourth", "-L"), re.MULTILINE)) == ["kept", "snap0"]
    world.snapshot("fourth", snapshot="kept", state="restored")
    assert "etc/fourth" not in seen(world, "fourth")
    world.snapshot("fourth", snapshot="snap0", state="restored")
    assert "etc/fourth" in seen(world, "fourth")
    assert world.task("fourth", state="started")["state"] == "RUNNING"
    world.task("fourth", state="stopped", stop_timeout=0)
    if world.store.kind in ("dir", "overlayfs"):
        for name in ("first", "second"):
            world.stock("lxc-destroy", name, ok=False)
            report = fleet.job({"name": [name], "lxc_path": world.lxc_path, "state": "absent"}).apply()
            assert "used by its clones" in report.failed
    world.stock("lxc-destroy", "fourth", "-s")
    world.task("third", state="absent")
    world.stock("lxc-destroy", "second")
    world.task("first", state="absent")
    world.snapshot("source", state="absent", all=True)
    world.stock("lxc-destroy", "source")
    assert world.left() == []


def refusal(world: World) -> object:
    world.source()
    said = {"name": ["over"], "lxc_path": world.lxc_path, "clone_from": "source", "clone_snapshot": True, "state": "present"}
    return fleet.job(said).apply().failed


def seen(world: World, name: str) -> set[str]:
    """Of the files by which they are told apart."""
    told = {"etc/late", "etc/first", "etc/second", "etc/fourth", "all/fifo"}
    return told & set(content(world.one(name)))


def test_snapshots_by_both(world: World) -> None:
    """Listed, gone back to, made a container of and removed by the one who has not made them."""
    one = world.source()
    first = world.root("source")
    world.snapshot("source", comment="ours")
    world.write("source", lambda root: (root / "etc/state").write_text("second"))
    second = world.root("source")
    world.stock("lxc-snapshot", "source")
    assert sorted(re.findall(r"^(\S+) \(", world.stock("lxc-snapshot", "source", "-L", "-C"), re.MULTILINE)) == ["snap0", "snap1"]
    assert [found.name for found in snapshot_list.snapshots(one)] == ["snap0", "snap1"]
    world.snapshot("source", snapshot="snap0", state="restored")
    assert world.root("source") == first
    world.snapshot("source", snapshot="snap1", state="restored")
    assert timeless(world.root("source")) == timeless(second)
    world.stock("lxc-snapshot", "source", "-r", "snap0")
    assert timeless(world.root("source")) == timeless(first)
    world.stock("lxc-snapshot", "source", "-r", "snap0", "-N", "theirs")
    world.snapshot("source", snapshot="snap1", state="restored", restore_as="ours")
    assert "etc/state" in content(world.one("ours")) and "etc/state" not in content(world.one("theirs"))
    world.stock("lxc-destroy", "ours")
    world.task("theirs", state="absent")
    world.stock("lxc-snapshot", "source", "-d", "snap0")
    world.snapshot("source", snapshot="snap1", state="absent")
    world.stock("lxc-destroy", "source")
    assert world.left() == []
