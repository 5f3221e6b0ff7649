# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers, descriptors, children and failures of the monitor's loop."""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import sys
import time

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import loop as loops
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import READ, Loop


def test_timers_go_off_in_their_order_and_not_when_called_off(loop: Loop) -> None:
    seen: list[str] = []
    loop.later(0.02, lambda: seen.append("second"))
    loop.later(0, lambda: seen.append("first"))
    loop.later(0, lambda: seen.append("never")).cancel()
    while len(seen) < 2:
        loop.turn()
    assert seen == ["first", "second"]


def test_a_far_timer_does_not_overflow_the_wait(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.later(1e12, lambda: None)
    loop.watch(ready_pipe()[0], READ, lambda _events: None)
    loop.turn()


def ready_pipe() -> tuple[int, int]:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"x")
    return read_fd, write_fd


def test_an_event_is_not_for_who_got_the_number_in_the_same_round(loop: Loop) -> None:
    """The first handler closes the second's descriptor and opens another, which gets its number."""
    first, second = ready_pipe(), ready_pipe()
    seen: list[str] = []
    fresh: list[int] = []

    def swap(mine: int, other: int) -> None:
        loop.forget(mine)
        if fresh:
            return
        loop.forget(other)
        os.close(other)
        read_fd, write_fd = os.pipe()
        if read_fd != other:
            os.dup2(read_fd, other)
            os.close(read_fd)
        fresh.extend((other, write_fd))
        loop.watch(other, READ, lambda _events: seen.append("called"))

    loop.watch(first[0], READ, lambda _events: swap(first[0], second[0]))
    loop.watch(second[0], READ, lambda _events: swap(second[0], first[0]))
    loop.turn()
    assert fresh and seen == []
    os.write(fresh[1], b"x")
    loop.turn()
    assert seen == ["called"]


def test_a_handler_that_fails_does_not_end_the_loop_and_in_the_end_is_left_out(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, _write_fd = ready_pipe()
    calls: list[int] = []
    said: list[str] = []
    monkeypatch.setattr(loops, "say", said.append)

    def fail(_events: int) -> None:
        calls.append(1)
        raise ValueError("it always does")

    loop.watch(read_fd, READ, fail)
    for _number in range(12):
        loop.later(0, lambda: None)
        loop.turn()
    assert len(calls) == 8
    assert "it always does" in said[0]
    loop.watch(read_fd, READ, lambda _events: calls.append(2))
    loop.turn()
    assert calls[-1] == 2, "who has the number next begins anew"


def test_a_log_that_cannot_be_written_does_not_end_the_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loops.os, "write", full)
    loops.say("anything")


def child(status: int = 0) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    return pid


def wait_for_end(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_children_are_reaped_known_or_not(loop: Loop) -> None:
    seen: dict[str, int] = {}
    known, unknown = child(3), child(4)
    loop.on_exit(known, lambda status: seen.update(known=status))
    wait_for_end(known)
    wait_for_end(unknown)
    loop.reap()
    assert os.WEXITSTATUS(seen["known"]) == 3
    with pytest.raises(ChildProcessError):
        os.waitpid(unknown, 0)
    loop.on_exit(unknown, lambda status: seen.update(late=status))
    loop.turn()
    assert os.WEXITSTATUS(seen["late"]) == 4


def test_a_status_of_an_earlier_process_of_that_number_is_not_the_new_one_s(loop: Loop) -> None:
    old = child()
    wait_for_end(old)
    loop.reap()
    seen: list[int] = []
    loop.on_exit(old, seen.append, is_new=True)
    loop.later(0, lambda: None)
    loop.turn()
    assert seen == []


def test_one_who_fails_at_a_child_s_end_does_not_keep_the_others(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "say", lambda _text: None)
    seen: list[int] = []
    children = [child() for _number in range(3)]

    def fail(_status: int) -> None:
        seen.append(1)
        raise ValueError

    for pid in children:
        loop.on_exit(pid, fail)
        wait_for_end(pid)
    loop.reap()
    assert len(seen) == 3


def test_a_fault_is_said_even_where_the_module_that_shows_it_cannot_be_read(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(loops, "say", said.append)
    monkeypatch.setitem(sys.modules, "traceback", None)

    def fail(_events: int) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    loop.watch(ready_pipe()[0], READ, fail)
    loop.turn()
    assert said == ["OSError: [Errno 24] Too many open files\n"]


def test_the_end_of_a_child_and_sigterm_wake_it(loop: Loop) -> None:
    seen: list[int] = []
    loop.on_exit(child(), seen.append)
    while not seen:
        loop.turn()
    os.kill(os.getpid(), signal.SIGHUP)  # ignored
    os.kill(os.getpid(), signal.SIGTERM)
    loop.run()
    assert loop.stopping


def test_a_forked_child_has_only_the_descriptors_that_it_was_given() -> None:
    read_fd, write_fd = os.pipe()
    other = os.open("/dev/null", os.O_RDONLY)

    def report() -> None:
        opened = []
        for fd in range(3, 4096):
            try:
                os.fstat(fd)
                opened.append(fd)
            except OSError:
                continue
        os.write(write_fd, repr((opened, os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGPIPE))).encode())

    pid = loops.fork(report, [write_fd], lambda: None)
    os.close(write_fd)
    said = os.read(read_fd, 4096).decode()
    assert os.waitpid(pid, 0)[1] == 0
    assert said.startswith(f"([{write_fd}], True, <Handlers.SIG_DFL"), said
    os.close(other)


def test_a_forked_child_that_fails_says_so_by_its_status(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("no good")

    assert os.WEXITSTATUS(os.waitpid(loops.fork(fail, [], lambda: None), 0)[1]) == 1
    assert "ValueError: no good" in capfd.readouterr().err


def test_it_is_idle_when_nothing_happens(loop: Loop) -> None:
    began = time.process_time()
    loop.later(0.2, lambda: None)
    loop.turn()
    assert time.process_time() - began < 0.1
    assert select.EPOLLIN == READ


def test_timers_that_were_called_off_are_not_kept_until_they_are_due(loop):
    kept = loop.later(3600, lambda: None)
    for _number in range(5000):
        loop.later(3600, lambda: None).cancel()
    assert len(loop._timers) < 600
    kept.cancel()
    called = []
    loop.later(0, lambda: called.append(1))
    loop.turn()
    assert called == [1]


def test_the_collector_is_off_in_a_fork() -> None:
    """What the monitor's objects hold would be closed a second time."""
    pid = loops.fork(lambda: os._exit(7 if gc.isenabled() else 5), [], lambda: None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert gc.isenabled()
