# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones that are killed, that do not fit, that two want at once: the next one finishes, and the source is never touched."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloned
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mount_old, mountinfo, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, dependents, destroy, partial, wholefile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from cloned import KINDS, inside, make, quiet, request, tree_of

lxc_path = cloned.lxc_path

FORK = multiprocessing.get_context("fork")
SOAK = os.environ.get("HOSTKIT_SOAK") == "1"
ROUNDS = 20 if SOAK else 5


def child(act: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def filled(lxc_path: Path, store: str) -> paths.Container:
    """Enough that a copy takes its time."""
    source = make(lxc_path, "csource", store)
    place = Path(source.directory, "overlay/delta" if store == "overlayfs" else "rootfs")
    for number in range(300):
        (place / f"file{number}").write_bytes(bytes([number % 256]) * 16384)
    return source


def until_free(one: paths.Container) -> None:
    """What a process that was killed had open is closed a moment later."""
    deadline = time.monotonic() + 20
    while os.path.isdir(one.directory) and partial.state(one) == "busy":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_killed_at_any_moment(lxc_path: Path, in_child: Callable[..., Any], store: str, snapshot: bool) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    source = filled(lxc_path, store)
    before = tree_of(source.directory)
    wanted = request(source, snapshot=snapshot)
    started = time.monotonic()
    clone.clone(wanted, quiet)
    takes = time.monotonic() - started
    whole = sorted(os.listdir(wanted.target.directory))
    seen = set()
    for _round in range(ROUNDS):
        destroy.destroy(wanted.target)
        assert tree_of(source.directory) == before
        pid = child(lambda: clone.clone(wanted, quiet))
        time.sleep(moments.random() * takes)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        until_free(wanted.target)
        seen.add(partial.state(wanted.target) if os.path.isdir(wanted.target.directory) else "nothing")
        assert tree_of(source.directory, "lxc_snapshots", f"lxc_snapshots{wholefile.SUFFIX}") == before
        if partial.state(wanted.target) == "whole" and os.path.exists(wanted.target.config):
            continue
        assert [one.target for one in mountinfo.read() if str(lxc_path) in one.target] == []
        clone.clone(wanted, quiet)
        assert sorted(os.listdir(wanted.target.directory)) == whole
        assert inside(wanted.target, lambda root: len(os.listdir(root)), in_child) > 300
        assert dependents.of(source) == (["ctarget"] if snapshot else [])
    print(seen)
    destroy.destroy(wanted.target)
    assert tree_of(source.directory) == before


ACTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.fork", "os.truncate")


@pytest.mark.parametrize("snapshot", [False, True])
def test_killed_at_each_act_of_its_own(lxc_path: Path, snapshot: bool) -> None:
    """The last of them above all, when LXC's lists are written."""
    import sys

    source = make(lxc_path)
    before = tree_of(source.directory)
    wanted = request(source, snapshot=snapshot)
    clone.clone(wanted, quiet)
    destroy.destroy(wanted.target)
    number, seen = 0, set()
    while True:
        seen_so_far = itertools.count(-number)
        pid = os.getpid()

        def watch(event: str, _args: object, acts: Any = seen_so_far, parent: int = pid) -> None:
            if event in ACTS and os.getppid() == parent and next(acts) >= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def act(watch: Any = watch) -> None:
            sys.addaudithook(watch)
            clone.clone(wanted, quiet)

        status = os.waitstatus_to_exitcode(os.waitpid(child(act), 0)[1])
        if status != -signal.SIGKILL:
            assert status == 0 and number > 20
            break
        until_free(wanted.target)
        seen.add(partial.state(wanted.target) if os.path.isdir(wanted.target.directory) else "nothing")
        if "abandoned" in seen:
            clone.clone(wanted, quiet)
            assert dependents.of(source) == (["ctarget"] if snapshot else [])
            destroy.destroy(wanted.target)
        assert tree_of(source.directory) == before, f"killed at {number}"
        number += 1 if SOAK or number < 8 else 3
    assert {"nothing", "abandoned"} <= seen
    destroy.destroy(wanted.target)
    assert tree_of(source.directory) == before


@pytest.mark.parametrize(("store", "snapshot"), [("dir", False), ("overlayfs", False), ("overlayfs", True)])
def test_a_file_system_that_is_full(lxc_path: Path, tmp_path: Path, in_child: Callable[..., Any], store: str, snapshot: bool) -> None:
    source = filled(lxc_path, store)
    before = tree_of(source.directory)
    (tmp_path / "small").mkdir()
    target = paths.container("ctarget", str(tmp_path / "small"))

    def full() -> tuple[str, list[str], int]:
        mount_old.mount("tmpfs", str(tmp_path / "small"), "tmpfs", 0, "size=3m")
        used = os.statvfs(tmp_path / "small").f_bfree
        try:
            clone.clone(clone.CloneRequest(source, target, snapshot=snapshot), quiet)
        except StepError as error:
            return error.message, os.listdir(tmp_path / "small"), used - os.statvfs(tmp_path / "small").f_bfree
        return "made", [], 0

    message, left, lost = in_child(full)
    assert "No space left on device" in message and left == [] and lost == 0, message
    assert tree_of(source.directory) == before and dependents.of(source) == []


def task(barrier: Any, pipe: Any, options: dict[str, Any]) -> None:
    job = fleet.job(options)
    barrier.wait(30)
    report = job.apply()
    pipe.send((report.failed, [entry["actions"] for entry in report.result["containers"]]))


@pytest.mark.parametrize("snapshot", [False, True])
def test_two_tasks_for_the_same_names(lxc_path: Path, snapshot: bool) -> None:
    """And several names at a time, all of one source."""
    source = make(lxc_path)
    before = tree_of(source.directory)
    names = ["c1", "c2", "c3"]
    options = {"name": names, "lxc_path": str(lxc_path), "state": "present", "clone_from": "csource", "clone_snapshot": snapshot}
    for _round in range(20 if SOAK else 3):
        barrier, pipes, processes = FORK.Barrier(2), [], []
        for _number in range(2):
            ours, theirs = FORK.Pipe()
            processes.append(FORK.Process(target=task, args=(barrier, theirs, options)))
            processes[-1].start()
            pipes.append(ours)
        said = [pipe.recv() for pipe in pipes]
        for one in processes:
            one.join(60)
        assert [failed for failed, _actions in said] == ["", ""]
        done = sorted(action for _failed, actions in said for listed in actions for action in listed)
        kind = "snapshot" if snapshot else "clone"
        assert done == [f"make {name} as a {kind} of csource" for name in names]
        assert sorted(dependents.of(source)) == (names if snapshot else [])
        fleet.job({"name": names, "lxc_path": str(lxc_path), "state": "absent"}).apply()
        assert tree_of(source.directory) == before


def test_a_source_that_is_removed_while_it_is_cloned_from(lxc_path: Path) -> None:
    """Whoever comes first wins, and nothing is left in between: a snapshot without what it is made over above all."""
    for round_number in range(20 if SOAK else 4):
        source = make(lxc_path, f"csource{round_number}")
        target = paths.container("ctarget", str(lxc_path))
        pid = child(lambda source=source: destroy.destroy(source))
        try:
            clone.clone(clone.CloneRequest(source, target, snapshot=True), quiet)
        except Exception:
            assert not os.path.exists(target.directory)
        gone = os.waitpid(pid, 0)[1] == 0
        assert gone != os.path.exists(target.config), "the clone has lost its source, or neither could"
        for one in (target, source):
            if os.path.exists(one.directory):
                destroy.destroy(one)
        assert os.listdir(lxc_path) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_source_that_is_removed_just_before_it_is_told(lxc_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    """Before it has the clone in its list it may go, and the clone with it; afterwards it may not."""
    source = make(lxc_path)
    wanted = request(source, snapshot=True)
    add = dependents.add

    def then_gone(*args: Any) -> None:
        if after:
            add(*args)
            with pytest.raises(InUse, match="used by its clones: ctarget"):
                destroy.destroy(source)
            return
        destroy.destroy(source)
        add(*args)

    monkeypatch.setattr(dependents, "add", then_gone)
    if after:
        clone.clone(wanted, quiet)
        assert dependents.of(source) == ["ctarget"]
        return
    with pytest.raises(InUse, match="does not exist"):
        clone.clone(wanted, quiet)
    assert os.listdir(lxc_path) == []


def test_the_copying_ends_with_whoever_began_it(lxc_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(lxc_path)
    wanted = request(source)

    def for_ever(*_args: object) -> None:
        Path(lxc_path, "copier").write_text(str(os.getpid()))
        while True:
            time.sleep(0.05)

    monkeypatch.setattr(clone.copying, "copy", for_ever)
    pid = child(lambda: clone.clone(wanted, quiet))
    deadline = time.monotonic() + 20
    while not os.path.exists(lxc_path / "copier") or not Path(lxc_path, "copier").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    copier = int(Path(lxc_path, "copier").read_text())
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while process.alive(copier):
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(0.01)
    finally:
        if process.alive(copier):
            os.kill(copier, signal.SIGKILL)
    monkeypatch.undo()
    until_free(wanted.target)
    clone.clone(wanted, quiet)


def test_busy_says_who(lxc_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(lxc_path)
    wanted = request(source)
    pid = child(lambda: clone.clone(wanted, lambda line: signal.pause() if line.startswith("Copying") else None))
    try:
        deadline = time.monotonic() + 20
        while not os.path.isdir(wanted.target.directory) or partial.state(wanted.target) != "busy":
            assert time.monotonic() < deadline
        with pytest.raises(InUse, match=f"ctarget is being made or removed by process {pid}"):
            clone.clone(wanted, quiet)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    clone.clone(wanted, quiet)
    shown = subprocess.run(["ls", wanted.target.directory], capture_output=True, text=True, check=True).stdout.split()
    assert shown == ["config", "rootfs"]
