# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of the ledger is found again, or has ended, whatever happens to it between two looks; with real processes."""

from __future__ import annotations

import os
import signal
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import adopt, state
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


class Child:
    """A process that does nothing, and what a ledger would have of it."""

    def __init__(self) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            while True:
                signal.pause()
        self.start_time = process.start_time(self.pid)

    def end(self, reaped: bool = True) -> None:
        """Once; unreaped it is a zombie."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    try:
        child.end()
    except (ProcessLookupError, ChildProcessError):  # the test has
        return


@pytest.fixture(params=["before it is opened", "before it is looked at", "between two looks"])
def ends(request: pytest.FixtureRequest, child: Child, monkeypatch: pytest.MonkeyPatch) -> Child:
    """One that runs when its pidfd is asked for, and has ended then, or a moment later."""
    really, looks = process.pidfd_open, process.alive

    def pidfd_open(pid: int) -> int:
        if request.param == "before it is opened":
            child.end()
        pidfd = really(pid)
        if request.param == "before it is looked at":
            child.end()
        return pidfd

    def alive(pid: int) -> bool:
        found = looks(pid)
        if request.param == "between two looks":
            child.end()
        return found

    monkeypatch.setattr(process, "pidfd_open", pidfd_open)
    monkeypatch.setattr(process, "alive", alive)
    return child


def open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_one_that_runs_is_found(child: Child) -> None:
    pidfd = state.reopen(child.pid, child.start_time)
    inode = process.pidfd_inode(pidfd)
    again = state.reopen(child.pid, child.start_time, inode)
    assert process.pidfd_pid(pidfd) == process.pidfd_pid(again) == child.pid
    others = os.pidfd_open(os.getpid())
    assert process.pidfd_inode(again) == inode and (not inode or process.pidfd_inode(others) != inode)
    for fd in (pidfd, again, others):
        os.close(fd)


def test_another_of_the_same_number_is_not_it(child: Child) -> None:
    """That began at another time, or has another pidfd, if these tell processes apart."""
    before = open_fds()
    assert state.reopen(child.pid, child.start_time - 1) == -1
    probe = os.pidfd_open(child.pid)
    inode = process.pidfd_inode(probe)
    os.close(probe)
    assert open_fds() == before
    found = state.reopen(child.pid, child.start_time, inode + 1)
    assert (found == -1) == bool(inode)
    if found >= 0:
        os.close(found)


def test_nor_is_a_thread(child: Child) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    number = int(thread.native_id or 0)
    try:
        assert state.reopen(number, process.start_time(number)) == -1
    finally:
        over.set()
        thread.join()


def test_no_process_and_a_zombie_have_ended(child: Child) -> None:
    before = open_fds()
    assert state.reopen(0, 0) == -1
    child.end(reaped=False)
    assert state.reopen(child.pid, child.start_time) == -1
    child.end()
    assert state.reopen(child.pid, child.start_time) == -1
    assert open_fds() == before


def test_one_that_ends_meanwhile_has_ended(ends: Child) -> None:
    before = open_fds()
    assert state.reopen(ends.pid, ends.start_time) == -1
    assert open_fds() == before


def turn(loop: Loop) -> None:
    """One that has an end, whatever was put off."""
    loop.later(10, lambda: None)
    loop.turn()


class Supervisor:
    """Takes down what it is told."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.told = loop, []  # type: tuple[Loop, list[Any]]
        clean = types.SimpleNamespace(
            clean=lambda _record: self.told.append("clean"), await_cleaner=lambda _record, pid, _pidfd: self.told.append(["await", pid])
        )
        self.ending = clean

    def add(self, record: Record) -> None:
        record.server = types.SimpleNamespace(resume=lambda _clients, _fds: None)

    def init_ended(self, _record: Record, status: int) -> None:
        self.told.append(status)

    def watch_init(self, record: Record, is_new: bool = False) -> None:
        self.told.append(["watch", record.init_pid, is_new])

    def end_start(self, _record: Record, pid: int, pidfd: int) -> None:
        self.told.append(["end start", pidfd >= 0])

    def abandon(self, record: Record) -> None:
        self.told.append(record)


def entry(tmp_path: Path, child: Child, **more: object) -> dict[str, Any]:
    running = {"container": [str(tmp_path), "a1"], "state": int(State.RUNNING), "pid": child.pid, "start_time": child.start_time}
    return {**running, **more}


def test_an_init_that_runs_is_watched_from_now_on(loop: Loop, tmp_path: Path, child: Child) -> None:
    supervisor: Any = Supervisor(loop)
    adopt._adopt(supervisor, entry(tmp_path, child), {})
    assert supervisor.told == [["watch", child.pid, True]]


def test_an_init_that_ends_while_it_is_looked_for_has_ended_nobody_knows_how(loop: Loop, tmp_path: Path, ends: Child) -> None:
    """It is not abandoned: what was made for it is to be removed."""
    supervisor: Any = Supervisor(loop)
    adopt._adopt(supervisor, entry(tmp_path, ends), {})
    turn(loop)
    assert supervisor.told == [state.UNKNOWN]


def test_so_is_an_init_of_another_inode(loop: Loop, tmp_path: Path, child: Child) -> None:
    probe = os.pidfd_open(child.pid)
    inode = process.pidfd_inode(probe)
    os.close(probe)
    supervisor: Any = Supervisor(loop)
    adopt._adopt(supervisor, entry(tmp_path, child, inode=inode + 1), {})
    if not inode:
        assert supervisor.told == [["watch", child.pid, True]]
        return
    turn(loop)
    assert supervisor.told == [state.UNKNOWN]


def test_a_launcher_that_ends_meanwhile_has_ended(loop: Loop, tmp_path: Path, ends: Child) -> None:
    supervisor: Any = Supervisor(loop)
    starting = entry(tmp_path, ends, pid=0, start_time=0, state=int(State.STARTING), launcher=[ends.pid, ends.start_time])
    adopt._adopt(supervisor, starting, {})
    assert supervisor.told == [["end start", False]]


def test_after_a_cleaner_that_ends_meanwhile_is_cleaned(loop: Loop, tmp_path: Path, ends: Child) -> None:
    supervisor: Any = Supervisor(loop)
    stopping = entry(tmp_path, ends, pid=0, start_time=0, state=int(State.STOPPING), cleaner=[ends.pid, ends.start_time])
    adopt._adopt(supervisor, stopping, {})
    assert supervisor.told == ["clean"]


def test_one_that_cannot_be_taken_over_leaves_no_pidfd(loop: Loop, tmp_path: Path, child: Child) -> None:
    supervisor: Any = Supervisor(loop)
    before = open_fds()
    with pytest.raises(TypeError):
        adopt._adopt(supervisor, entry(tmp_path, child, state=int(State.STARTING), launcher=[1, 2, 3, 4]), {})
    assert supervisor.told[-1].listener.fileno() >= 0
    assert open_fds() == before + 1, "only the command socket is open, which this supervisor has not closed"


def test_what_the_ledger_has_of_an_init_is_read_again(tmp_path: Path) -> None:
    record = Record(Container(str(tmp_path), "a1"), None)
    record.init_pid, record.start_time, record.init_inode = 7, 8, 9
    read = state.restore(state.describe(record), {"init": -1})
    assert (read.init_pid, read.start_time, read.init_inode) == (7, 8, 9)
