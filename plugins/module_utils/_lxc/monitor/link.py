# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's end of its talk with the keeper (`keeper.py` has the messages). Nothing here blocks."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..kernel import sockets
from .loop import READ, WRITE, Loop
from .table import Bond

_SIZE = 4096
_CHUNK = 250  # descriptors in one message, below SCM_MAX_FD


class _Unsent(NamedTuple):
    """What waits until the keeper reads: a message with its descriptors; or b"", and descriptors to be closed when its turn has come."""

    data: bytes
    fds: list[int]


class Link:
    """`on_lost` is called once when the keeper has died; `on_word(message)` for what is no wait status."""

    def __init__(self, loop: Loop, bond: Bond, on_lost: Callable[[], None]) -> None:
        self.loop = loop
        self.on_lost = on_lost
        self.on_word: Callable[[dict[str, Any]], None] = lambda _message: None
        self._unsent: list[_Unsent] = []
        self._unclosed: list[int] = []
        self._releasing: dict[str, Callable[[], None]] = {}
        self._reaping: list[Callable[[], None]] = []
        self.renew(bond)

    def renew(self, bond: Bond) -> None:
        """Talk to this keeper from now on, which shares our table. What an old one was to let go of, this one does not have."""
        bond.end.setblocking(False)
        self.end, self.bond = bond.end, bond
        self._shares, self._is_parting, self._reaping = True, False, []
        self.loop.watch(bond.end.fileno(), READ, self._turn)
        self.loop.watch(bond.pidfd, READ, self._lost)
        for key in list(self._releasing):
            self._released(key)

    def _released(self, key: str) -> None:
        act = self._releasing.pop(key, None)
        if act is not None:
            act()

    @property
    def is_idle(self) -> bool:
        """Whether the keeper has got everything."""
        return not self._unsent

    def up(self) -> None:
        """From now on this monitor is worth being started again."""
        self._send({"up": True})

    def hold(self, key: str, fds: Mapping[str, int]) -> None:
        """Keep these for whoever comes after this monitor, in place of what was held under that key."""
        names = list(fds)
        for at in range(0, max(len(names), 1), _CHUNK):
            chunk = names[at : at + _CHUNK]
            message, numbers = {"hold": key, "names": chunk, "more": at > 0}, [fds[name] for name in chunk]
            if self._shares:
                self._send({**message, "fds": numbers})
            else:
                self._send(message, numbers)

    def drop(self, key: str) -> None:
        self._send({"drop": key})

    def release(self, key: str, name: str, fd: int, act: Callable[[], None]) -> None:
        """Let go of one of them, which is closed, and call `act` when nobody has it any more."""
        self._releasing[key] = act
        self._send({"release": key, "name": name})
        self.close([fd])

    def close(self, fds: Sequence[int]) -> None:
        """Close what is held no more as soon as the keeper has been told so: until then it takes these numbers for what they were."""
        if self._unsent:
            self._unsent.append(_Unsent(b"", list(fds)))
        elif self._is_parting:
            self._unclosed += fds
        else:
            _close(fds)

    def reap(self, act: Callable[[], None]) -> None:
        """A process that is no child of ours has ended: see whether it is one of the keeper's. By `act` it has told how, if it is."""
        self._reaping.append(act)
        self._send({"reap": True})

    def execute(self, command: Sequence[str]) -> None:
        """Let the keeper become that program; it answers {"ready"} or {"failed"}, and has a table of its own by then, but not yet."""
        self._shares, self._is_parting = False, True
        self._send({"exec": list(command)})

    def _send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        data = json.dumps(message).encode()
        try:
            if not self._unsent:
                sockets.send_with_fds(self.end, data, fds)
                return
        except BlockingIOError:
            self.loop.watch(self.end.fileno(), READ | WRITE, self._turn)
        except OSError:  # it has died, which is told by its pidfd
            return
        self._unsent.append(_Unsent(data, [os.dup(fd) for fd in fds]))

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            self._read()

    def _flush(self) -> None:
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                if data:
                    sockets.send_with_fds(self.end, data, fds)
            except BlockingIOError:
                return
            except OSError:
                break
            self._unsent.pop(0)
            if self._is_parting and not data:
                self._unclosed += fds
            else:
                _close(fds)
        self.loop.watch(self.end.fileno(), READ, self._turn)

    def _part(self) -> None:
        """The keeper has a table of its own, or is gone: what it had in ours is to be closed, too."""
        _close([*self.bond.others, *self._unclosed])
        self.bond, self._unclosed, self._is_parting = self.bond._replace(others=()), [], False

    def _lost(self, _events: int) -> None:
        """What it said last is heard first."""
        self.hear()
        if self.end.fileno() >= 0:
            self.loop.forget(self.end.fileno())
            self.end.close()
        self.loop.forget(self.bond.pidfd)
        for unsent in self._unsent:
            _close(unsent.fds)
        self._unsent = []
        self._part()
        _close([self.bond.pidfd])
        self.on_lost()

    def hear(self) -> None:
        """All that the keeper has said by now: a loop that was busy comes to its timers first."""
        while self.end.fileno() >= 0:
            try:
                data = self.end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                return
            self._read()
            if not data:
                return

    def _read(self) -> None:
        try:
            data = self.end.recv(_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # its pidfd says the rest
            self.loop.forget(self.end.fileno())
            self.end.close()
            return
        message = json.loads(data)
        if "ended" in message:
            pid, status = message["ended"]
            self.loop.ended(pid, status)
        elif "released" in message:
            self._released(message["released"])
        elif "reaped" in message:
            self._reaping.pop(0)()
        else:
            if "ready" in message or "failed" in message:
                self._part()
            self.on_word(message)


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
