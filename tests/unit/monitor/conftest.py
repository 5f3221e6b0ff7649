# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loop of the monitor in the test's own process, and the signals as they were afterwards; a clock that the test winds."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import loop as loops
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record


@pytest.fixture
def loop() -> Iterator[Loop]:
    numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield Loop()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def save(loop: Loop) -> Callable[[Record], None]:
    """What becomes of what a record disposes of, when it is saved and at the end of each turn after that."""
    saved: list[Record] = []

    def close(record: Record) -> None:
        fds, record.disposed = record.disposed, []
        for fd in fds:
            os.close(fd)

    def save(record: Record) -> None:
        close(record)
        if record not in saved:
            saved.append(record)
            loop.at_end_of_turn(lambda: close(record))

    return save


class Clock:
    """The loop's time, which stands still until the test lets it pass: what is said of deadlines does not depend on the machine."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.now = loop, 1000.0

    def monotonic(self) -> float:
        return self.now

    def let_pass(self, seconds: float) -> None:
        """And have the loop do what is due then, and what is ready: three rounds, of which none waits."""
        self.now += seconds
        for _round in range(3):
            self.loop.later(0, lambda: None)
            self.loop.turn()


@pytest.fixture
def clock(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(loop)
    monkeypatch.setattr(loops, "time", made)
    return made


@pytest.fixture
def is_closed() -> Callable[[socket.socket], bool]:
    """Whether the other end has closed the connection; nothing is read."""

    def ask(link: socket.socket) -> bool:
        poll = select.poll()
        poll.register(link, 0)
        return any(events & select.POLLHUP for _fd, events in poll.poll(0))

    return ask


@pytest.fixture
def is_open() -> Callable[[int], bool]:
    """Whether this process has a descriptor of that number."""

    def ask(fd: int) -> bool:
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True

    return ask
