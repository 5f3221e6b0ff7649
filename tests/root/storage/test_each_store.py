# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each backing store through the whole of a container's life, by tasks: made, started, written to, cloned, brought back, removed; on a full
disk; and killed at any moment. The source of a clone is what it was, the next run of a task does what it should, and nothing is left.

What is drawn is drawn from a seed that is printed; HOSTKIT_SEED draws the same again.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import partial as markers
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import snapshot_list
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet, snapshot
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from storage_images import Images, apply, fill
from stores import SMALL, STORES, Opened, Store, content, left, syncfs, untouched

ROUNDS = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 3
FORK = multiprocessing.get_context("fork")
HOST_NAME = {"etc/hostname", "etc/hosts", "etc/machine-id", "etc"}  # what a clone has of its own
LARGE = "head -c 200M /dev/urandom >$root/big"


class World:
    """A store of its own with the containers in it."""

    def __init__(self, store: Store, lxc_path: Path) -> None:
        self.store, self.lxc_path = store, lxc_path

    def container(self, name: str) -> paths.Container:
        return paths.container(name, str(self.lxc_path))

    def task(self, name: str, **said: Any) -> dict[str, Any]:
        return apply(name=name, lxc_path=str(self.lxc_path), **said)

    def make(self, name: str, **more: Any) -> dict[str, Any]:
        said = {"template": "busybox", "network": [], "backing_store": self.store.kind, **self.store.options, "state": "present"}
        return self.task(name, **{**said, **more})

    def source(self, files: int = 0) -> paths.Container:
        """One with every kind of file in it, and so many others, so that a copy takes its time."""
        self.make("source")
        one = self.container("source")
        self.write(one, partial(fill_up, files=files))
        return one

    def write(self, one: paths.Container, act: Callable[[Path], object]) -> None:
        """To its root, as it is mounted when it runs."""
        store, place = backends.for_rootfs(snapshot_list.rootfs_path(one)), self.lxc_path.parent / "mnt"
        place.mkdir(exist_ok=True)
        store.mount(str(place), "")
        try:
            act(place)
            syncfs(place)
        finally:
            store.umount(str(place))

    def snapshot(self, one: paths.Container, **said: Any) -> Any:
        return snapshot.Job({"name": one.name, "lxc_path": one.lxc_path, **said}).apply()

    def remove(self, *names: str) -> None:
        for name in names:
            self.task(name, state="absent", stop_timeout=0, delete_snapshots=True)

    def left(self) -> list[str]:
        return left(self.store, self.lxc_path)


def fill_up(root: Path, files: int) -> None:
    (root / "all").mkdir()
    fill(root / "all")
    (root / "many").mkdir()
    for number in range(files):
        (root / f"many/{number}").write_bytes(bytes([number % 256]) * 16384)


@pytest.fixture
def make_world(images: Images) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(name: str, size: str = "400M") -> World:
        store = STORES[name]
        made.append(World(store, store.place(images, f"place{len(made)}", size)))
        return made[-1]

    yield make
    for world in made:
        every = sorted(os.listdir(world.lxc_path), reverse=True) if world.lxc_path.exists() else []
        while every:  # those that are over others first
            report = fleet.job({"name": every, "lxc_path": str(world.lxc_path), "state": "absent", "delete_snapshots": True}).apply()
            gone, every = every, sorted(os.listdir(world.lxc_path), reverse=True)
            if every == gone:
                pytest.fail(f"{every} are left: {report.failed}")


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest, make_world: Callable[..., World]) -> World:
    return make_world(request.param)


def drawing() -> random.Random:
    seed = int(os.environ.get("HOSTKIT_SEED", random.randrange(1 << 32)))
    print(f"HOSTKIT_SEED={seed}")
    return random.Random(seed)


def without_names(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {path: about for path, about in found.items() if path not in HOST_NAME}


def writes(entry: dict[str, Any], text: str) -> None:
    """As it runs."""
    assert entry["state"] == "RUNNING"
    root = Path(f"/proc/{entry['init_pid']}/root")
    (root / "etc/written").write_text(text)
    (root / "etc/passwd").write_text(f"root:x:0:0:{text}:/root:/bin/sh\n")


def says(entry: dict[str, Any]) -> str:
    return Path(f"/proc/{entry['init_pid']}/root/etc/written").read_text()


def test_it_is_made_started_written_to_and_removed(world: World) -> None:
    assert world.make("one")["state"] == "STOPPED" and not world.make("one")["changed"]
    writes(world.make("one", state="started"), "kept")
    assert world.make("one", state="stopped", stop_timeout=0)["state"] == "STOPPED"
    entry = world.make("one", state="started")
    assert says(entry) == "kept" and world.make("one", state="started")["init_pid"] == entry["init_pid"]
    world.remove("one")
    assert world.left() == [] and not world.task("one", state="absent")["changed"]


@pytest.mark.parametrize("to", STORES)
def test_a_copy(world: World, make_world: Callable[..., World], to: str) -> None:
    """Into each of the others, which start from it; what they write is theirs."""
    there = make_world(to)
    one = world.source()
    before, whole = untouched(one), without_names(content(one))
    said = {"clone_from": one.directory, "backing_store": there.store.kind, **there.store.options}
    assert there.task("copy", **said, state="present")["state"] == "STOPPED"
    assert without_names(content(there.container("copy"))) == whole
    writes(there.task("copy", **said), "the copy's")
    assert not there.task("copy", **said)["changed"]
    assert untouched(one) == before and os.listdir(one.lxc_path) == ["source"]
    world.remove("source")  # which nothing needs
    there.task("copy", state="stopped", stop_timeout=0)
    assert says(there.task("copy", state="started")) == "the copy's"
    there.remove("copy")
    assert (world.left(), there.left()) == ([], [])


def test_a_snapshot_as_a_clone(world: World) -> None:
    one = world.source()
    before, whole = untouched(one), without_names(content(one))
    said = {"clone_from": "source", "clone_snapshot": True}
    if not world.store.shares:
        with pytest.raises((LxcError, AssertionError), match="makes no snapshots"):
            world.task("over", **said)
        assert os.listdir(world.lxc_path) == ["source"] and untouched(one) == before
        return
    world.task("over", **said, state="present")
    assert without_names(content(world.container("over"))) == whole
    writes(world.task("over", **said), "the clone's")
    assert not world.task("over", **said)["changed"] and untouched(one) == before
    world.task("over", state="stopped", stop_timeout=0)
    world.task("again", clone_from="over", clone_snapshot=True, state="present")
    assert says(world.task("again", state="started")) == "the clone's" and untouched(one) == before
    world.remove("again", "over")
    assert not os.path.exists(f"{one.directory}/lxc_snapshots")
    world.remove("source")
    assert world.left() == []


def test_snapshots_and_the_way_back(world: World) -> None:
    one = world.source()
    first = content(one)
    assert world.snapshot(one, comment="before").changed and content(one) == first
    writes(world.task("source", state="started"), "second")
    world.task("source", state="stopped", stop_timeout=0)
    second = content(one)
    world.snapshot(one, snapshot="late")
    kept = {found.name: found.container for found in snapshot_list.snapshots(one)}
    assert {name: content(found) for name, found in kept.items()} == {"snap0": first, "late": second}
    if world.store.in_place:
        assert world.snapshot(one, snapshot="snap0", state="restored").changed and content(one) == first
        assert world.snapshot(one, snapshot="late", state="restored").changed and content(one) == second
        assert {name: content(found) for name, found in kept.items()} == {"snap0": first, "late": second}
        assert says(world.task("source", state="started")) == "second"
        world.task("source", state="stopped", stop_timeout=0)
    else:
        with pytest.raises(LxcError, match="cannot be replaced in place"):
            world.snapshot(one, snapshot="snap0", state="restored")
    world.snapshot(one, snapshot="snap0", state="restored", restore_as="other")
    assert without_names(content(world.container("other"))) == without_names(first)
    assert world.task("other", state="started")["state"] == "RUNNING"
    world.remove("other")
    world.snapshot(one, state="absent", all=True)
    world.remove("source")
    assert world.left() == []


def template(path: Path, command: str) -> str:
    """A script that makes a root."""
    find = 'for a in "$@"; do case $a in --rootfs=*) root=${a#--rootfs=};; esac; done'
    path.write_text(f"#!/bin/sh\n{find}\nmkdir -p $root/etc\n{command}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", STORES)
def test_no_space_to_make_it(make_world: Callable[..., World], tmp_path: Path, name: str) -> None:
    """The next run of the same task, when there is some, makes it."""
    world = make_world(name, SMALL)
    script = template(tmp_path / "lxc-large", f"[ -e {tmp_path}/small ] || {LARGE}")
    # The place is to be full before an image is in its own measure.
    options = {"size": "512M"} if "size" in world.store.options else {}
    said = {"template": script, **options}
    with pytest.raises((LxcError, AssertionError), match=r"No space left on device|ended with status 1"):
        world.make("full", **said)
    assert world.left() == []
    (tmp_path / "small").touch()
    assert world.make("full", **said)["changed"]
    world.remove("full")
    assert world.left() == []


def ballast(world: World, free: int) -> Path:
    """Leaves that much to write in the place."""
    path = world.lxc_path.parent / "ballast"
    about = os.statvfs(path.parent)
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(about.f_bavail * about.f_frsize - free, 4096))
    syncfs(path.parent)
    return path


@pytest.mark.parametrize("act", ["clone", "snapshot", "restore"])
@pytest.mark.parametrize("name", STORES)
def test_no_space_for_another(make_world: Callable[..., World], name: str, act: str) -> None:
    """Nothing is left of it, nothing of the container is touched, and with some space the same task does it."""
    world = make_world(name, "300M")
    one = world.source()
    world.write(one, lambda root: (root / "big").write_bytes(os.urandom(40 << 20)))
    there = make_world(name, "300M") if act == "clone" else world  # in one place a btrfs shares the blocks
    tasks = {
        "clone": lambda: there.task("copy", clone_from=one.directory, state="present"),
        "snapshot": lambda: world.snapshot(one, snapshot="mine"),
        "restore": lambda: world.snapshot(one, snapshot="old", state="restored"),
    }
    if act == "restore":
        world.snapshot(one, snapshot="old")
    there.lxc_path.mkdir(exist_ok=True)
    before, listed = untouched(one), os.listdir(there.lxc_path)
    heavy = ballast(there, 10 << 20)
    if act == "clone" or name != "btrfs":
        with pytest.raises((LxcError, OSError, AssertionError), match="No space left on device"):
            tasks[act]()
        assert untouched(one) == before and os.listdir(there.lxc_path) == listed
        assert not [found.target for found in mountinfo.read() if found.target.startswith(f"{there.lxc_path}/")]
    heavy.unlink()
    syncfs(heavy.parent)
    tasks[act]()
    for place in (world,) if there is world else (there, world):
        place.remove(*os.listdir(place.lxc_path))
        assert place.left() == []


def begun(act: Callable[[], object]) -> Any:
    """In a process with a session of its own, as the module is."""

    def run() -> None:
        os.setsid()
        act()

    child = FORK.Process(target=run)
    child.start()
    return child


def killed_at(act: Callable[[], object], seconds: float) -> None:
    """And nothing but that process: what it has started must end by itself."""
    child = begun(act)
    child.join(seconds)
    child.kill()
    child.join(60)


def took(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def until_free(one: paths.Container) -> None:
    """What a killed process had open is closed a moment later."""
    deadline = time.monotonic() + 20
    while os.path.isdir(one.directory) and markers.state(one) == "busy":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("shares", [False, True], ids=["copy", "snapshot"])
def test_a_module_that_is_killed_while_it_clones(world: World, shares: bool) -> None:
    """Every other time it is removed and not made again."""
    if shares and not world.store.shares:
        return
    one, target = world.source(files=200), world.container("target")
    before, whole = untouched(one), without_names(content(one))
    act = partial(world.task, "target", clone_from="source", clone_snapshot=shares, state="present")
    takes, draw, seen = took(act), drawing(), set()
    config = Path(target.config).read_text()
    for number in range(ROUNDS):
        world.remove("target")
        killed_at(act, draw.uniform(0, takes))
        until_free(target)
        seen.add(markers.state(target) if os.path.isdir(target.directory) else "nothing")
        assert untouched(one) == before
        if number % 2:
            continue
        assert act()["state"] == "STOPPED"
        assert without_names(content(target)) == whole and Path(target.config).read_text() == config
        assert not act()["changed"] and not os.path.exists(target.partial)
        assert not [found.target for found in mountinfo.read() if found.target.startswith(f"{world.lxc_path}/")]
    print(seen)
    world.remove("target")
    assert untouched(one) == before and not os.path.exists(f"{one.directory}/lxc_snapshots")
    world.remove("source")
    assert world.left() == []


def test_a_monitor_that_is_killed_while_a_clone_is_made_and_started(world: World) -> None:
    one = world.source(files=50)
    before = untouched(one)
    act = partial(world.task, "target", clone_from="source")
    act()  # the first has a monitor to bring up
    world.remove("target")
    takes, draw = took(act), drawing()
    for _round in range(ROUNDS):
        world.remove("target")
        runtime.stop_monitor()  # one whose last ones have died young is kept waiting longer and longer
        monitor = runtime.ensure_monitor()["pid"]
        child = begun(act)
        child.join(draw.uniform(0, takes))
        os.kill(monitor, signal.SIGKILL)
        child.join(120)
        assert child.exitcode in (0, 1)
        entry = act()
        assert entry["state"] == "RUNNING" and not act()["changed"]
        assert Path(f"/proc/{entry['init_pid']}/root/all/etc/issue").read_text() == "issue\n" and untouched(one) == before
    world.remove("target", "source")
    assert world.left() == []


def test_a_snapshot_that_is_killed(world: World) -> None:
    one = world.source(files=100)
    before = content(one)
    act = partial(world.snapshot, one, snapshot="mine", comment="whole")
    takes, draw = took(act), drawing()
    for number in range(ROUNDS):
        world.snapshot(one, state="absent", all=True)
        killed_at(act, draw.uniform(0, takes))
        assert content(one) == before
        if number % 2 == 0:
            act()
            found = snapshot_list.find(one, "mine")
            assert found and found.comment == "whole" and content(found.container) == before
            assert not act().changed
    world.snapshot(one, state="absent", all=True)
    world.remove("source")
    assert world.left() == []


def test_a_restoration_that_is_killed(world: World) -> None:
    if not world.store.in_place:
        return
    one = world.source(files=100)
    first = content(one)
    world.snapshot(one, snapshot="old")
    act = partial(world.snapshot, one, snapshot="old", state="restored")
    takes, draw = took(act), drawing()
    for _round in range(ROUNDS):
        world.write(one, lambda root: (root / "etc/written").write_text("second"))
        second = content(one)
        killed_at(act, draw.uniform(0, takes))
        assert content(one) in (first, second)
        act()
        assert content(one) == first
        found = snapshot_list.find(one, "old")
        assert found and content(found.container) == first
        assert os.listdir(world.lxc_path) == ["source"]
    world.remove("source")
    assert world.left() == []


def test_a_root_can_be_looked_at_without_a_trace(world: World) -> None:
    """What all of this stands on: the digest of a container changes nothing, and changes with each byte."""
    one = world.source()
    before = untouched(one)
    assert untouched(one) == before
    with Opened(one) as root:
        assert (root / "all/etc/issue").read_text() == "issue\n"
    assert untouched(one) == before
    world.write(one, lambda root: os.setxattr(root / "all/su", "user.note", b"mine!"))
    assert untouched(one) != before
