# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's loop: descriptors, timers and children, one short turn for each that is ready. Nothing in it may block."""

from __future__ import annotations

import gc
import heapq
import itertools
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial

from ..kernel import process

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
EDGE = select.EPOLLET
SAID_ALL = select.EPOLLRDHUP  # the other end says no more
CLOSED = select.EPOLLHUP | select.EPOLLERR
_KEPT_STATUSES = 1024
_MAX_FAILURES = 8
_CROWD = 256
_LONGEST_WAIT = 3600.0  # epoll_wait(2) counts milliseconds in an int

Handler = Callable[[int], object]


class Timer:
    """What `Loop.later` gives back, to call it off."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Loop:
    """Watches descriptors with epoll(7) and reaps every child that ends, known or not."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, tuple[int, Handler]] = {}
        self._round = 0
        self._timers: list[tuple[float, int, Timer]] = []
        self._crowd = _CROWD
        self._order = itertools.count()
        self._children: dict[int, Callable[[int], None]] = {}
        self._statuses: dict[int, int] = {}
        self._failures: dict[int, int] = {}
        self._at_end: list[Callable[[], None]] = []
        self.stopping = False
        self._wake_on_signals()

    def _wake_on_signals(self) -> None:
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        self.watch(read_fd, READ, lambda _events: self._on_signal(read_fd))

    def _on_signal(self, read_fd: int) -> None:
        if signal.SIGTERM in os.read(read_fd, 4096):
            self.stopping = True
        self.reap()

    def watch(self, fd: int, events: int, handler: Handler) -> None:
        """Call `handler(events)` whenever one of them holds; a second call for the same descriptor replaces the first."""
        if fd in self._handlers:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._handlers[fd] = self._round, handler

    def forget(self, fd: int) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._failures.pop(fd, None)
            self._epoll.unregister(fd)

    def at_end_of_turn(self, act: Callable[[], None]) -> None:
        """Call it whenever a round is over and nothing is left to do but wait."""
        self._at_end.append(act)

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Call `act` once, when so many seconds have gone by."""
        timer = Timer(act)
        if len(self._timers) >= self._crowd:  # most are deadlines that were called off long before they are due
            self._timers = [entry for entry in self._timers if entry[2].act is not None]
            heapq.heapify(self._timers)
            self._crowd = max(_CROWD, 2 * len(self._timers))
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def on_exit(self, pid: int, act: Callable[[int], None], is_new: bool = False) -> None:
        """Call `act(wait status)` when this child has ended, also when it had ended before it was known.

        One that we have just forked cannot have: a status of that number is somebody's before it.
        """
        if is_new:
            self._statuses.pop(pid, None)
        if pid in self._statuses:
            status = self._statuses.pop(pid)
            self.later(0, lambda: act(status))
        else:
            self._children[pid] = act

    def awaits(self, pid: int) -> bool:
        """Whether its end is still to come."""
        return pid in self._children

    def give_up(self, pid: int, status: int) -> None:
        """Nobody will tell how it ended: act as if with this status, if its end is still awaited."""
        if pid in self._children:
            self.ended(pid, status)

    def status_of(self, pid: int, default: int) -> int:
        """What is known of one that had ended before anybody asked."""
        return self._statuses.pop(pid, default)

    def reap(self) -> None:
        """Collect every child that has ended."""
        for pid, status in process.reap():
            self.ended(pid, status)

    def ended(self, pid: int, status: int) -> None:
        """A child has ended: one of ours, or one that the keeper has reaped."""
        act = self._children.pop(pid, None)
        if act is not None:
            self._guard(-1, partial(act, status))
        else:
            self._statuses[pid] = status
            if len(self._statuses) > _KEPT_STATUSES:
                self._statuses.pop(next(iter(self._statuses)))

    def run(self) -> None:
        """Until `stopping`."""
        while not self.stopping:
            self.turn()

    def turn(self) -> None:
        """One wait and one round over what is ready."""
        timeout = min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_WAIT) if self._timers else None
        ready = self._epoll.poll(timeout)
        self._round += 1
        for fd, events in ready:
            registered, handler = self._handlers.get(fd, (self._round, None))
            # What was registered in this round may be another's descriptor of the same number: the event is not for it.
            if handler is not None and registered < self._round:
                self._guard(fd, partial(handler, events))
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.act is not None:
                self._guard(-1, timer.act)
        for act in self._at_end:
            self._guard(-1, act)

    def _guard(self, fd: int, act: Callable[[], object]) -> None:
        """One that fails must not take all containers' monitor along; one that fails again and again is no longer watched."""
        try:
            act()
            self._failures.pop(fd, None)
        except Exception as error:
            say(_told(error))
            self._failures[fd] = self._failures.get(fd, 0) + 1
            if self._failures[fd] >= _MAX_FAILURES:
                self.forget(fd)


def _told(error: Exception) -> str:
    try:
        import traceback  # 0.3 MiB that a monitor without a fault does without

        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except (ImportError, OSError):  # nor is there a descriptor to read it by, where that is the fault
        return f"{type(error).__name__}: {error}\n"


def say(text: str) -> None:
    """Into the monitor's log; a full disk must not end it."""
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        return


def fork(run: Callable[[], None], keep: Iterable[int], limits: Callable[[], None]) -> int:
    """Fork a child that closes every descriptor but its own, runs `run` and ends. Returns its pid.

    What the monitor's objects hold is only forgotten, never closed a second time: the collector stays off in the child, which
    also leaves the pages alone that it shares with the monitor. What the monitor began with is frozen (`main.py`); to freeze and
    unfreeze it at each fork would keep its own collector from ever looking at what has become old since.
    It leads a process group of its own, so that it can be ended with the programs that it runs.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        gc.disable()
        signal.set_wakeup_fd(-1)
        process.reset_signals()
        os.setsid()
        process.close_all_but([0, 1, 2, *keep])
        limits()
        run()
        status = 0
    except BaseException as error:  # nothing may return into the monitor's loop
        say(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(status)
