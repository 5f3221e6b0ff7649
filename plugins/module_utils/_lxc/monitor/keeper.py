# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper: stands above the monitor, has every descriptor that must outlive it, and starts it again.

As a subreaper it inherits the containers' inits when a monitor dies, and passes their wait statuses on to the next one.
It knows nothing of containers: descriptors by name below a key. What a key is about stands in the ledger. It shares its table of
descriptors with the monitor that it forks (`table.py`), and so holds numbers; of one with a table of its own it holds duplicates.

    monitor to keeper: {"up"}; {"hold": key, "names", "more"} with "fds", numbers, or with descriptors; {"drop": key};
                       {"release": key, "name"}; {"reap"}; {"exec": command}
    keeper to monitor: {"ended": [pid, status]}; {"reaped"}, when all of these were told; {"released": key};
                       after an exec {"ready"}, or {"failed": why}
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Optional

from ..kernel import process, sockets
from . import handover, table
from .handover import Handover, Held
from .loop import say

RESTART = 75  # the exit status of a monitor that wants another in its place
_SIZE = 1 << 16
_KEPT_STATUSES = 1024
_STEADY, _LONGEST = 10.0, 30.0  # seconds: a monitor that lived so long may be started again at once; the longest pause

_SUSPECT = 5  # so many that died young in a row may have died of what they were asked: it is not asked again

Begin = Callable[[table.Bond, Held, "dict[int, int]"], None]


class Promoted(BaseException):
    """A monitor has become the keeper: it goes on as one at the bottom of the stack, which would else be deeper after each promotion."""

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self.keeper = keeper


class Keeper:
    """`begin(bond, held, statuses)` is what a forked child does as a monitor; `child` is one that runs already, talking by `end`.

    With `own`, descriptors that the child knows of, it shares its table with that child.
    """

    def __init__(
        self,
        begin: Begin,
        held: Held,
        child: int = 0,
        end: Optional[socket.socket] = None,
        on_up: Callable[[], None] = lambda: None,
        own: Optional[table.Own] = None,
    ) -> None:
        self.begin, self.held, self.child, self.end, self.on_up = begin, held, child, end, on_up
        self.statuses: dict[int, int] = {}
        self._unsent: list[dict[str, Any]] = []
        self._is_up, self._failures, self._began, self._due = bool(child), 0, time.monotonic(), 0.0
        self._is_ending = False  # told to: also a monitor that wanted another in its place has none then
        process.become_subreaper()
        process.set_name("hostkit-keeper")
        self._own, self._shares = own or table.Own.open(), own is not None
        signal.set_wakeup_fd(self._own.signal_fd, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def run(self) -> NoReturn:
        """Until a monitor ends because it was told to, or the first one never came up."""
        self._reap()
        while True:
            if not self.child and time.monotonic() >= self._due:
                self._spawn()
            poll = select.poll()
            poll.register(self._own.wake_fd, select.POLLIN)
            if self.end is not None:
                poll.register(self.end, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            poll.poll(None if self.child else max(0.0, self._due - time.monotonic()) * 1000)
            self._listen()
            self._wake()
            self._flush()

    def _spawn(self) -> None:
        ours, theirs = sockets.seqpacket_pair()
        # One that is told to end before it has a loop hears it then.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = table.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                self.begin(table.bond(theirs, self._own, ours), self.held, self.statuses)
            except Promoted:
                raise
            except BaseException as error:
                say(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        theirs.detach()
        ours.setblocking(False)
        self._shares = True
        self.child, self.end, self._unsent, self._began = pid, ours, [], time.monotonic()

    def _wake(self) -> None:
        try:
            if signal.SIGTERM in os.read(self._own.wake_fd, 4096):
                self._is_ending = True
                if not self.child:
                    os._exit(0)
                os.kill(self.child, signal.SIGTERM)
        except BlockingIOError:
            return
        self._reap()

    def _reap(self) -> None:
        for pid, status in process.reap():
            if pid == self.child:
                self._bury(os.waitstatus_to_exitcode(status))
                continue
            self.statuses[pid] = status
            self._tell({"ended": [pid, status]})
            if len(self.statuses) > _KEPT_STATUSES:
                self.statuses.pop(next(iter(self.statuses)))

    def _bury(self, code: int) -> None:
        """What the monitor said last is heard first; the next one is started at once, unless it happens again and again."""
        self._listen()
        if self.end is not None:
            self.end.close()
        self.child, self.end, self._shares = 0, None, False
        if code == 0 or self._is_ending or not self._is_up:
            os._exit(int(code != 0 and not self._is_ending))
        is_steady = code == RESTART or time.monotonic() - self._began > _STEADY
        self._failures = 0 if is_steady else self._failures + 1
        table.sweep(self.held, self._own, self._failures < _SUSPECT)
        self._due = time.monotonic() + (min(0.1 * 2**self._failures, _LONGEST) if self._failures > 1 else 0)
        if code != RESTART:
            say(f"The monitor ended with {code}; another takes its place\n")

    def _listen(self) -> None:
        while self.end is not None:
            try:
                data, fds = sockets.recv_with_fds(self.end, _SIZE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data, fds = b"", []
            if not data:  # its end comes as a signal
                self.end.close()
                self.end = None
                return
            self._do(json.loads(data), fds)

    def _do(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        if "up" in message and not self._is_up:
            self._is_up = True
            self.on_up()
        if "drop" in message or ("hold" in message and not message["more"]):
            self._let_go(self.held.pop(message.get("drop") or message["hold"], {}).values())
        if "hold" in message:
            self.held.setdefault(message["hold"], {}).update(zip(message["names"], message.get("fds", fds)))
        if "release" in message:
            fd = self.held.get(message["release"], {}).pop(message["name"], -1)
            self._let_go([fd] if fd >= 0 else [])
            self._tell({"released": message["release"]})
        if "reap" in message:
            self._reap()
            self._tell({"reaped": True})
        if "exec" in message:
            self._tell({"failed": self._execute(message["exec"])})

    def _let_go(self, fds: Iterable[int]) -> None:
        """What is in the table of both is the monitor's to close."""
        for fd in () if self._shares else fds:
            os.close(fd)

    def _execute(self, command: Sequence[str]) -> str:
        """From here on the monitor has a table of its own, whether it comes to that or not."""
        if self.end is None:
            return "the monitor has gone"
        table.leave([*self._own, self.end.fileno(), *handover.descriptors(self.held)])
        self._shares = False
        return handover.execute(Handover(self.child, self.end.fileno(), self.held, self.statuses), command)

    def _tell(self, message: dict[str, Any]) -> None:
        self._unsent.append(message)
        self._flush()

    def _flush(self) -> None:
        while self._unsent and self.end is not None:
            try:
                self.end.send(json.dumps(self._unsent[0]).encode(), socket.MSG_NOSIGNAL)
            except OSError:  # it does not read just now, or has ended: the next one gets all statuses
                return
            self._unsent.pop(0)

    def resume(self, statuses: dict[int, int]) -> None:
        """After an exec: tell the monitor that still runs that this program can take over."""
        self.statuses.update(statuses)
        self._tell({"ready": True})
