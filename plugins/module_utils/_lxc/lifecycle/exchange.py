# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How launcher and init talk: one JSON object a packet, with descriptors; an error at either end raises at the other."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LxcError, StepError
from ..kernel import sockets
from ..wire import host

_SIZE = 65536
_MAX_FDS = 250


class Exchange:
    """One end of a SOCK_SEQPACKET pair. Both ends close on exec: the peer's end-of-file says that exec succeeded."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        sockets.send_with_fds(self.end, json.dumps(message).encode(), list(fds))

    def send_error(self, error: LxcError) -> None:
        self.send({"error": host.describe(error)})

    def receive(self, key: str) -> tuple[Any, list[int]]:
        """The next message's value of `key`. Raises the peer's error, or StepError when the peer died."""
        data, fds = sockets.recv_with_fds(self.end, _SIZE, _MAX_FDS)
        if not data:
            raise StepError("start", "Start", "init", text=f"the process ended while {key} was waited for")
        message = json.loads(data)
        if "error" in message:
            for fd in fds:
                os.close(fd)
            raise host.restore(message["error"])
        return message[key], fds

    def pending_error(self) -> LxcError | None:
        """The error that the peer has sent and nobody has read yet."""
        self.end.setblocking(False)
        while True:
            try:
                data, fds = sockets.recv_with_fds(self.end, _SIZE, _MAX_FDS)
            except OSError:
                return None
            for fd in fds:
                os.close(fd)
            if not data:
                return None
            message = json.loads(data)
            if "error" in message:
                return host.restore(message["error"])

    def wait_for_exec(self) -> list[tuple[str, str]]:
        """The peer announces its execve(2), with what it has to log; then its end closes, or tells what failed."""
        logged, _fds = self.receive("log")
        data, _fds = sockets.recv_with_fds(self.end, _SIZE, _MAX_FDS)
        if data:
            raise host.restore(json.loads(data)["error"])
        return [(str(level), str(line)) for level, line in logged]
