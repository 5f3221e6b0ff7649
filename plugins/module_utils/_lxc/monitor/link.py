# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's end of its talk with the keeper (`keeper.py` has the messages). Nothing here blocks."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..kernel import sockets
from .loop import READ, WRITE, Loop

_SIZE = 4096
_CHUNK = 250  # descriptors in one message, below SCM_MAX_FD


class Link:
    """`on_lost` is called once when the keeper has died; `on_word(message)` for what is no wait status."""

    def __init__(self, loop: Loop, end: socket.socket, on_lost: Callable[[], None]) -> None:
        self.loop = loop
        self.on_lost = on_lost
        self.on_word: Callable[[dict[str, Any]], None] = lambda _message: None
        self._unsent: list[tuple[bytes, list[int]]] = []
        self._releasing: dict[str, Callable[[], None]] = {}
        self.renew(end)

    def renew(self, end: socket.socket) -> None:
        """Talk to this keeper from now on. What an old one was to let go of, this one does not have."""
        end.setblocking(False)
        self.end = end
        self._drop_unsent()
        self.loop.watch(end.fileno(), READ, self._turn)
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
            self._send({"hold": key, "names": chunk, "more": at > 0}, [fds[name] for name in chunk])

    def drop(self, key: str) -> None:
        self._send({"drop": key})

    def release(self, key: str, name: str, act: Callable[[], None]) -> None:
        """Let go of one of them, and call `act` when that is done."""
        self._releasing[key] = act
        self._send({"release": key, "name": name})

    def reap(self) -> None:
        """A process that is no child of ours has ended: see whether it is one of the keeper's."""
        self._send({"reap": True})

    def execute(self, command: Sequence[str]) -> None:
        """Let the keeper become that program; it answers {"ready"} or {"failed"}."""
        self._send({"exec": list(command)})

    def _send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        data = json.dumps(message).encode()
        try:
            if not self._unsent:
                sockets.send_with_fds(self.end, data, fds)
                return
        except BlockingIOError:
            self.loop.watch(self.end.fileno(), READ | WRITE, self._turn)
        except OSError:  # it has died, which is told by its end of the socket
            return
        self._unsent.append((data, [os.dup(fd) for fd in fds]))

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            self._read()

    def _flush(self) -> None:
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                sockets.send_with_fds(self.end, data, fds)
            except BlockingIOError:
                return
            except OSError:
                break
            self._unsent.pop(0)
            for fd in fds:
                os.close(fd)
        self.loop.watch(self.end.fileno(), READ, self._turn)

    def _drop_unsent(self) -> None:
        for _data, fds in self._unsent:
            for fd in fds:
                os.close(fd)
        self._unsent = []

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
        if not data:
            self.loop.forget(self.end.fileno())
            self.end.close()
            self.on_lost()
            return
        message = json.loads(data)
        if "ended" in message:
            pid, status = message["ended"]
            self.loop.ended(pid, status)
        elif "released" in message:
            self._released(message["released"])
        else:
            self.on_word(message)
