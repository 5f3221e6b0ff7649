# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the keeper starts a monitor again: with real processes, and a clock that goes on only when it waits."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from typing import Any, Optional

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import keeper, table

STARTS, ENOUGH = 14, 77


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Polls:
    """In place of the module `select`: to wait for a time is to set the clock."""

    POLLIN, POLLOUT = select.POLLIN, select.POLLOUT

    def __init__(self, clock: Clock, on_pause: Callable[[float], None]) -> None:
        self.clock, self.on_pause = clock, on_pause

    def poll(self) -> Any:
        polls, real = self, select.poll()

        class Poll:
            register = real.register

            def poll(self, milliseconds: Optional[float]) -> None:
                if milliseconds is None:
                    real.poll(60_000)
                else:
                    polls.clock.now += milliseconds / 1000
                    polls.on_pause(milliseconds / 1000)
                    real.poll(0)

        return Poll()


def none(_start: int) -> float:
    return 0


def run(monkeypatch: pytest.MonkeyPatch, code: int, lives: Callable[[int], float] = none, up: bool = True, end_after: float = 1e9) -> Any:
    """(when each start was, the keeper's exit status); in a child, since a keeper never returns.

    Every monitor exits with `code`; the n-th lives for `lives(n)` seconds. The keeper is told to end in a pause longer than `end_after`.
    """
    clock = Clock()
    read_fd, write_fd = os.pipe()
    times: list[float] = []

    def pause(seconds: float) -> None:
        if seconds > end_after:
            os.kill(os.getpid(), signal.SIGTERM)

    def begin(bond: table.Bond, _held: object, _statuses: object) -> None:
        if up:
            bond.end.send(b'{"up": true}')
        os._exit(code)

    class Counted(keeper.Keeper):
        def _spawn(self) -> None:
            times.append(round(clock.now, 3))
            os.write(write_fd, f"{times[-1]}\n".encode())
            if len(times) > STARTS:
                os._exit(ENOUGH)
            super()._spawn()

        def _bury(self, code: int) -> None:
            clock.now += lives(len(times))
            super()._bury(code)

    monkeypatch.setattr(keeper, "time", clock)
    monkeypatch.setattr(keeper, "select", Polls(clock, pause))
    monkeypatch.setattr(keeper, "say", lambda _text: None)
    pid = os.fork()
    if pid == 0:
        try:
            Counted(begin, {"test": {"said": write_fd}}).run()
        finally:
            os._exit(99)
    os.close(write_fd)
    with open(read_fd, encoding="ascii") as file:
        said = [float(line) for line in file]
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pauses(times: list[float]) -> list[float]:
    return [round(after - before, 3) for before, after in zip(times, times[1:])]


def test_one_that_ends_again_and_again_is_started_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once the first time; at last every thirty seconds."""
    times, status = run(monkeypatch, 1)
    assert pauses(times) == [0, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30, 30, 30, 30]
    assert status == ENOUGH


def test_one_that_lived_for_a_while_is_started_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was before is forgotten."""
    times, _status = run(monkeypatch, 1, lives=lambda start: 11 if start in (5, 6) else 9 if start == 8 else 0)
    assert pauses(times)[:9] == [0, 0.4, 0.8, 1.6, 11, 11, 0, 9.4, 0.8]


def test_one_that_wants_another_in_its_place_gets_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times, status = run(monkeypatch, keeper.RESTART)
    assert pauses(times) == [0] * STARTS and status == ENOUGH


@pytest.mark.parametrize(("code", "up"), [(0, True), (1, False)])
def test_one_that_was_told_to_end_or_never_came_up_is_the_last(monkeypatch: pytest.MonkeyPatch, code: int, up: bool) -> None:
    assert run(monkeypatch, code, up=up) == ([0], code)


def test_told_to_end_while_there_is_none_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    times, status = run(monkeypatch, 1, end_after=3)
    assert (len(times), status) == (5, 0)


def test_a_child_that_ended_before_its_signal_could_be_heard_is_known_to_the_monitor() -> None:
    """Of one that had others before: they may end while it is not a keeper yet."""
    read_fd, write_fd = os.pipe()

    def begin(_bond: object, _held: object, statuses: dict[int, int]) -> None:
        os.write(write_fd, repr(list(statuses.values())).encode())
        os._exit(0)

    pid = os.fork()
    if pid == 0:
        try:
            gone = os.fork()
            if gone == 0:
                os._exit(7)
            os.waitid(os.P_PID, gone, os.WEXITED | os.WNOWAIT)
            keeper.Keeper(begin, {}).run()
        finally:
            os._exit(99)
    os.close(write_fd)
    with open(read_fd, encoding="ascii") as file:
        assert file.read() == repr([7 << 8])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
