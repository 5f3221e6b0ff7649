# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and restores that are killed wherever they stand, that find no space, and that meet another: nothing of the container is lost,
and the next run of the same task does what it should."""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import random
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, LxcError, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mount_old, rename
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy, recovery, replacing, snapshot_list, wholefile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import partial as markers
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet, snapshot, snapshot_plan
from snapshots import make, state, stock, task, tree, write

SOAK = os.environ.get("HOSTKIT_SOAK") == "1"
ROUNDS = 20 if SOAK else 3
FORK = multiprocessing.get_context("fork")
# What changes the disk or begins a program: between two of these there is nothing to be found half-done.
ACTS = ("open", "subprocess.Popen", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")


@pytest.fixture(params=snapshots.STORES)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    (tmp_path / "lxc").mkdir()
    container = make(tmp_path / "lxc", "web", request.param)
    write(container, "first")
    return container


@pytest.fixture(params=["exchange", "three renames"])
def exchanges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A file system that cannot, too."""
    if request.param != "exchange":
        monkeypatch.setattr(rename, "exchange", lambda _one, _other: False)
    return bool(request.param == "exchange")


def child(act: Callable[[], object], watch: Callable[[str], object] | None = None) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            if watch:
                sys.addaudithook(lambda event, args: watch(event) if event in ACTS else None)
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def count(act: Callable[[], object]) -> int:
    """How many acts it takes."""
    read_fd, write_fd = os.pipe()
    pid = child(act, lambda event: os.write(write_fd, b"."))
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        acts = len(file.read())
    assert ended(pid) == 0
    return acts


def killed_before(act: Callable[[], object], number: int) -> None:
    """Killed by SIGKILL before so manieth an act, its own or one of a process that it has made."""
    shared = mmap.mmap(-1, 8)

    def watch(event: str) -> None:
        seen = struct.unpack("q", shared[:8])[0]
        shared[:8] = struct.pack("q", seen + 1)
        if seen == number:
            os.kill(main[0] or os.getpid(), signal.SIGKILL)

    main = [0]

    def run() -> None:
        main[0] = os.getpid()
        act()

    assert ended(child(run, watch)) in (0, -signal.SIGKILL)


def killed_after(act: Callable[[], object], seconds: float) -> None:
    """Killed whatever it is at."""
    pid = child(act)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) in (0, -signal.SIGKILL)


def offsets(act: Callable[[], object], renew: Callable[[], object]) -> list[int]:
    """Where to kill it, drawn anew each time; the seed is printed, and HOSTKIT_SEED takes it."""
    acts = count(act)
    renew()
    drawn = sorted(drawing().sample(range(acts), min(ROUNDS, acts)))
    print(f"{drawn} of {acts} acts")
    return drawn


def drawing() -> random.Random:
    seed = int(os.environ.get("HOSTKIT_SEED", time.time_ns() % 2**32))
    print(f"HOSTKIT_SEED={seed}")
    return random.Random(seed)


def fleet_job(one: Container, **params: Any) -> Any:
    return fleet.job({"name": [one.name], "lxc_path": one.lxc_path, **params})


def nothing_left(one: Container) -> None:
    lxc_path = Path(one.lxc_path)
    assert not any(name.startswith(".") for name in os.listdir(lxc_path))
    odd = [path for path in lxc_path.rglob("*") if path.name in ("partial", "hostkit-restoring") or path.name.endswith(wholefile.SUFFIX)]
    assert not odd and not any(path.is_symlink() for path in Path(one.directory).iterdir())


def test_a_creation_that_is_killed(one: Container) -> None:
    first = tree(one)

    def act() -> None:
        task(one, snapshot="mine", comment="whole")

    def renew() -> None:
        task(one, state="absent", all=True)

    for number in offsets(act, renew):
        killed_before(act, number)
        found = snapshot_list.find(one, "mine")
        if found:  # whole or nothing
            assert (found.comment, bool(found.timestamp)) == ("whole", True) and tree(found.container) == first
        assert tree(one) == first
        act()
        found = snapshot_list.find(one, "mine")
        assert found and found.comment == "whole" and tree(found.container) == first
        nothing_left(one)
        renew()


def test_a_removal_of_what_a_kill_left(one: Container) -> None:
    act = partial(task, one, snapshot="mine")  # it is killed, and counted
    for number in offsets(act, lambda: task(one, state="absent", all=True)):
        killed_before(act, number)
        task(one, snapshot="mine", state="absent")
        assert snapshot_list.find(one, "mine") is None
        nothing_left(one)
        assert not os.path.lexists(f"{one.directory}/snaps/mine"), number


def test_a_restoration_that_is_killed(one: Container, exchanges: bool) -> None:
    """The old one or the new one at every moment, with its snapshots; then the next run of the task."""
    task(one, comment="kept")
    first = tree(one)
    write(one, "second")
    second = tree(one)
    act = partial(task, one, snapshot="snap0", state="restored")  # it is killed, and counted
    for number in offsets(act, lambda: write(one, "second")):
        killed_before(act, number)
        parts = [f"{one.directory}/{name}" for name in ("config", "rootfs", "snaps")]
        if exchanges or all(map(os.path.exists, parts)):  # without an exchange there are moments without
            assert tree(one) in (first, second), number
            found = snapshot_list.find(one, "snap0")
            assert found and found.comment == "kept" and tree(found.container) == first
        act()
        assert tree(one) == first, number
        assert [found.comment for found in snapshot_list.snapshots(one)] == ["kept"]
        nothing_left(one)
        write(one, "second")
    stock("lxc-snapshot", one, "-d", "snap0")
    stock("lxc-destroy", one)


def test_kills_at_any_time(one: Container) -> None:
    """In the middle of a copy, too."""
    big = Path(one.directory, "overlay/delta/big") if "overlay:" in Path(one.config).read_text() else Path(one.rootfs, "big")
    big.write_bytes(os.urandom(30 << 20))
    begun = time.monotonic()
    task(one, snapshot="mine")
    taken, draw, first = time.monotonic() - begun, drawing(), tree(one)
    for _round in range(ROUNDS):
        write(one, "second")
        second = tree(one)
        killed_after(lambda: task(one, snapshot="other"), draw.uniform(0, taken))
        killed_after(lambda: task(one, snapshot="mine", state="restored"), draw.uniform(0, taken))
        assert tree(one) in (first, second)
        task(one, snapshot="mine", state="restored")
        assert tree(one) == first
        task(one, snapshot="other", state="absent")
        assert [found.name for found in snapshot_list.snapshots(one)] == ["mine"]
        nothing_left(one)


def test_what_a_kill_left_is_brought_to_an_end_by_another_task(one: Container) -> None:
    task(one)
    first = tree(one)
    write(one, "second")
    second = tree(one)
    act = partial(task, one, snapshot="snap0", state="restored")  # it is killed, and counted
    for number in offsets(act, lambda: write(one, "second")):
        killed_before(act, number)
        task(one, snapshot="snap0")
        assert tree(one) in (first, second)
        nothing_left(one)
        write(one, "second")


@pytest.mark.usefixtures("exchanges")
def test_the_container_is_removed_instead(one: Container) -> None:
    draw = drawing()
    for _round in range(ROUNDS):
        task(one)
        killed_before(lambda: task(one, snapshot="snap0", state="restored"), draw.randrange(150))
        report = fleet_job(one, state="absent", delete_snapshots=True).apply()
        assert not report.failed
        assert os.listdir(one.lxc_path) == []
        write(make(Path(one.lxc_path), "web", "dir"), "first")


def test_a_child_of_who_was_killed_is_waited_for(one: Container) -> None:
    """It ends a moment later, and has the marker until then."""
    work = replacing.work_of(one)
    os.makedirs(work.directory)
    marker_fd = markers.mark(work, "make it")
    pid = os.fork()
    if pid == 0:
        time.sleep(0.5)
        os._exit(0)
    os.close(marker_fd)
    recovery.bring_to_end(one, "try it")
    nothing_left(one)
    assert ended(pid) == 0


def test_a_snapshot_that_another_is_making_is_no_obstacle_to_the_plan(one: Container) -> None:
    """It began after this task had looked. What lies there and is none is one."""
    wanted, target = snapshot_plan.read({"name": "web", "lxc_path": one.lxc_path, "snapshot": "mine"}), Path(one.directory, "snaps/mine")
    target.mkdir(parents=True)
    marker_fd = markers.mark(Container(str(target.parent), "mine"), "make it")
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    os.close(marker_fd)
    try:
        snapshot.Effects().foresee_creation(wanted, "mine")
    finally:
        os.kill(pid, signal.SIGKILL)
        ended(pid)
    (target / "partial").unlink()
    (target / "file").touch()
    with pytest.raises(InUse, match="is in the way of mine"):
        snapshot.Effects().foresee_creation(wanted, "mine")


@pytest.fixture
def is_out_of_place(one: Container, monkeypatch: pytest.MonkeyPatch) -> Container:
    """Where there is no exchange: killed between the first rename and the second."""
    monkeypatch.setattr(rename, "exchange", lambda _one, _other: False)
    task(one)
    write(one, "second")
    work = replacing.work_of(one)

    def renamed(old: str, new: str, real: Callable[..., None] = os.rename) -> None:
        if old == work.directory:
            os.kill(os.getpid(), signal.SIGKILL)
        real(old, new)

    def act() -> None:
        os.rename = renamed  # type: ignore[assignment]
        task(one, snapshot="snap0", state="restored")

    assert ended(child(act)) == -signal.SIGKILL and not os.path.lexists(one.directory)
    return one


@pytest.mark.parametrize("wanted", [{"state": "present", "template": "none"}, {"state": "stopped"}])
def test_one_that_is_out_of_place_comes_back(is_out_of_place: Container, wanted: dict[str, str]) -> None:
    report = fleet_job(is_out_of_place, **wanted).apply()
    assert not report.failed and not report.changed
    assert state(is_out_of_place) == "first"
    nothing_left(is_out_of_place)


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        ({"state": "present", "template": "none"}, []),
        ({"state": "stopped"}, []),
        ({"state": "started"}, ["start web"]),
        ({"state": "absent", "delete_snapshots": True}, ["destroy web"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else value["state"],
)
def test_check_mode_foresees_that_one_out_of_place_comes_back(
    is_out_of_place: Container, wanted: dict[str, Any], actions: list[str]
) -> None:
    before = snapshots.everything(is_out_of_place.lxc_path)
    report = fleet_job(is_out_of_place, **wanted).predict()
    assert not report.failed and report.result["actions"] == actions and report.changed == bool(actions)
    assert bool(report.warnings) == bool(actions)
    assert snapshots.everything(is_out_of_place.lxc_path) == before


def test_one_that_is_out_of_place_is_removed(is_out_of_place: Container) -> None:
    report = fleet_job(is_out_of_place, state="absent", delete_snapshots=True).apply()
    assert report.changed and os.listdir(is_out_of_place.lxc_path) == []


def test_one_that_was_made_anew_meanwhile_is_not_touched(is_out_of_place: Container) -> None:
    one = is_out_of_place
    again = make(Path(one.lxc_path), "web")
    before = snapshots.everything(one.lxc_path)
    with pytest.raises(LxcError, match="was made anew while it was being restored"):
        task(again)
    assert snapshots.everything(one.lxc_path) == before
    shutil.rmtree(again.directory)
    task(one, snapshot="snap0", state="restored")
    assert state(one) == "first"
    nothing_left(one)


def test_a_forced_restoration_that_is_killed(tmp_path: Path) -> None:
    """Those who had to get files of their own have them or not, and what they see is what they saw."""
    lxc_path = tmp_path / "lxc"
    base = lxc_path / "before"

    def renew() -> Container:
        shutil.rmtree(lxc_path, ignore_errors=True)
        base.mkdir(parents=True)
        one = make(lxc_path, "web")
        write(one, "first")
        task(one)
        write(one, "second")
        make(lxc_path, "over", "overlayfs", lower=one)
        return one

    one = renew()
    over = Container(str(lxc_path), "over")
    act = partial(task, one, snapshot="snap0", state="restored", force=True)  # it is killed, and counted
    for number in offsets(act, renew):
        seen = tree(over)
        killed_before(act, number)
        assert tree(over) == seen and state(one) in ("first", "second"), number
        act()
        assert state(one) == "first" and tree(over) == seen, number
        task(over, state="absent", all=True)
        nothing_left(one)
        nothing_left(over)
        destroy.destroy(over)
        destroy.destroy(one, delete_snapshots=True)
        assert os.listdir(lxc_path) == ["before"]
        one = renew()


def test_no_space(tmp_path: Path, in_child: Callable[..., Any]) -> None:
    """For a snapshot and for a restored container: the error says so, nothing is left, and the container is as it was."""
    (tmp_path / "lxc").mkdir()

    def act() -> None:
        mount_old.mount("tmpfs", str(tmp_path / "lxc"), "tmpfs", 0, "size=3m")
        for store in snapshots.STORES:
            one = make(tmp_path / "lxc", "web", store)
            big = Path(one.directory, "overlay/delta/big") if store == "overlayfs" else Path(one.rootfs, "big")
            task(one)
            big.write_bytes(os.urandom(2 << 20))
            before = sorted(os.walk(tmp_path / "lxc"))
            with pytest.raises(StepError, match="No space left on device"):
                task(one)
            assert sorted(os.walk(tmp_path / "lxc")) == before
            big.unlink()
            task(one, snapshot="full")
            other = Path(one.directory, "other")
            with open(other, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            free = os.statvfs(tmp_path / "lxc").f_bfree
            with pytest.raises((StepError, OSError), match="No space left on device"):
                task(one, snapshot="full", state="restored")
            assert os.statvfs(tmp_path / "lxc").f_bfree == free and not os.path.lexists(replacing.work_of(one).lxc_path)
            other.unlink()
            assert task(one, snapshot="full", state="restored").changed
            destroy.destroy(one, delete_snapshots=True)

    in_child(act)


def together(*acts: Callable[[], Any]) -> list[Any]:
    """What they give back or raise, when they begin at the same moment."""
    barrier, pipes, processes = FORK.Barrier(len(acts)), [], []

    def run(act: Callable[[], Any], pipe: Any) -> None:
        barrier.wait(30)
        try:
            report = act()
            pipe.send((report.changed, report.result["actions"]))
        except LxcError as error:
            pipe.send(error.message)

    for act in acts:
        ours, theirs = FORK.Pipe()
        processes.append(FORK.Process(target=run, args=(act, theirs)))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    said = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(60)
    return said


def test_two_at_once(one: Container) -> None:
    for _round in range(ROUNDS):
        made = together(lambda: task(one), lambda: task(one))
        assert sorted(made, key=str) == [(True, [f"make snapshot snap{number} of web"]) for number in (0, 1)]
        named = together(lambda: task(one, snapshot="mine"), lambda: task(one, snapshot="mine"))
        assert sorted(named, key=str) == [(False, []), (True, ["make snapshot mine of web"])]
        again = [(True, ["restore web to snapshot snap0"])] * 2
        assert together(*[lambda: task(one, snapshot="snap0", state="restored")] * 2) == again
        gone = together(*[lambda: task(one, snapshot="mine", state="absent")] * 2)
        assert sorted(gone, key=str) == [(False, []), (True, ["remove snapshot mine of web"])]
        task(one, state="absent", all=True)
        nothing_left(one)


def test_a_snapshot_and_a_restoration_at_once(one: Container) -> None:
    task(one, snapshot="mine")
    for _round in range(ROUNDS):
        said = together(lambda: task(one), lambda: task(one, snapshot="mine", state="restored"))
        assert [changed for changed, _actions in said] == [True, True]
        assert {found.name for found in snapshot_list.snapshots(one)} == {"mine", "snap0"}
        task(one, snapshot="snap0", state="absent")
        nothing_left(one)


def test_a_journal_that_nobody_wrote_moves_nothing(one: Container) -> None:
    Path(one.directory, "hostkit-restoring").write_text("not ours")
    Path(replacing.work_of(one).directory).mkdir(parents=True)
    with pytest.raises(LxcError, match="hostkit-restoring"):
        task(one)
    assert state(one) == "first"
