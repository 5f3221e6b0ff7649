# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for: until a container has an address, its systemd is up, a port listens, a path is there. Bounded, and it says what it saw.

One poll(2) over everything that tells of a change: the condition's own sources, the monitor's word of a state, the end of init.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Sequence

from ..errors import LxcError, StepError, TimedOut
from ..kernel import process
from ..lifecycle import evidence
from ..paths import Container
from ..wire import client, query
from ..wire.protocol import NotRunning, State
from . import conditions

# Seconds between two looks: where nothing tells of a change, growing; where something does, for what escapes it all the same,
# such as a file on a network's filesystem.
_SHORTEST, _LONGEST, _TOLD = 0.02, 0.5, 2.0
_BREATH = 0.01  # after an event that changed nothing: a container can make them without end


def wait(one: Container, wanted: Sequence[str], timeout: float) -> None:
    """Until all are met, one after the other within one deadline. TimedOut says what was seen and carries the log."""
    end = time.monotonic() + timeout
    for condition in wanted:
        _until(one, condition, end, timeout)


def _until(one: Container, condition: str, end: float, timeout: float) -> None:
    wanted = conditions.find(one, condition)
    events = Events(wanted)
    try:
        while True:
            seen = _look(wanted, end)
            if not seen:
                return
            remaining = end - time.monotonic()
            if remaining <= 0:
                raise _timed_out(one, condition, timeout, seen)
            events.wait(remaining)
    finally:
        events.close()


def _look(wanted: conditions.Running, end: float) -> str:
    """What stands against it; raises when the container has stopped."""
    try:
        seen = wanted.seen(end)
    except (NotRunning, TimedOut) as error:  # between two runs of init; LXC's monitor answers nobody while it runs a start's hooks
        seen = error.message
    if seen and _has_stopped(wanted.one):
        log = evidence.log_tail(wanted.one)
        raise StepError("wait", "Wait for", f"{wanted.name} of {wanted.one.name}", text="the container has stopped", log=log)
    return seen


def _has_stopped(one: Container) -> bool:
    try:
        return query.state(one) is State.STOPPED
    except TimedOut:
        return False


class WaitTimedOut(TimedOut):
    """The same with the last lines of the log."""

    def __init__(self, message: str, log: list[str]) -> None:
        super().__init__(message, hint="Say a longer wait_timeout, or look at what the container does in its log")
        self.log = log

    def details(self) -> dict[str, object]:
        return {**super().details(), "step": "wait", "log": self.log}


def _timed_out(one: Container, condition: str, timeout: float, seen: str) -> TimedOut:
    from . import shortage

    said = "; ".join([f"not met within {timeout:g} s, {seen}", *shortage.found()])
    return WaitTimedOut(f"Wait for {condition} of {one.name}: {said}", evidence.log_tail(one))


class Events:
    """Everything that may tell of a change to one condition. It listens from the start, so nothing between two looks is missed."""

    def __init__(self, condition: conditions.Running) -> None:
        self._condition = condition
        self._pause = _SHORTEST
        self._in_vain = False
        self._link: socket.socket | None = None
        self._init_fd = -1
        self._sources: list[tuple[int, int]] = []
        self._has_sources = False
        self._listen()

    def _listen(self) -> None:
        """To this run of init; a reboot is another, in other namespaces."""
        one = self._condition.one
        try:
            self._link = client.watch_changes(one, [State.RUNNING, State.THAWED])
            self._init_fd = client.init_pidfd(one)
        except LxcError:  # it has no init yet or any more, or its monitor is too old to be listened to
            pass
        if self._init_fd >= 0 and process.pidfd_wait(self._init_fd, 0):
            os.close(self._init_fd)
            self._init_fd = -1
        self._pause = _SHORTEST
        self._open_sources()

    def _open_sources(self) -> None:
        self._has_sources = False
        if self._init_fd < 0:
            return
        try:
            self._sources = self._condition.sources(process.pidfd_pid(self._init_fd))
            self._has_sources = True
        except OSError:  # it has just ended, or there is no inotify instance left: looking again and again does it too
            return

    def wait(self, remaining: float) -> None:
        """Until something may have changed; never longer than that many seconds."""
        if self._in_vain:
            time.sleep(min(_BREATH, remaining))
        is_told = self._link is not None and self._condition.is_told and (self._has_sources or not self._condition.needs_init)
        limit = min(remaining, _TOLD if is_told else self._pause)
        self._pause = min(self._pause * 1.5, _LONGEST)
        woken = self._poll(limit)
        self._in_vain = bool(woken)
        if woken & self._life():
            self.close()
            self._listen()
        elif woken:
            self._close_sources()
            self._open_sources()

    def _life(self) -> set[int]:
        return {fd for fd in (self._link.fileno() if self._link else -1, self._init_fd) if fd >= 0}

    def _poll(self, limit: float) -> set[int]:
        poll = select.poll()
        for fd in self._life():
            poll.register(fd, select.POLLIN)
        for fd, mask in self._sources:
            poll.register(fd, mask)
        return {fd for fd, _mask in poll.poll(limit * 1000 + 1)}

    def _close_sources(self) -> None:
        for fd, _mask in self._sources:
            os.close(fd)
        self._sources = []

    def close(self) -> None:
        """Everything, once or again."""
        self._close_sources()
        if self._init_fd >= 0:
            os.close(self._init_fd)
        if self._link is not None:
            self._link.close()
        self._init_fd, self._link = -1, None
