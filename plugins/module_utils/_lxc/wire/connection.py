# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Unix socket with a deadline for everything, to whoever may be asked: what both clients of this package begin with."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Union

_TIMEVAL = struct.Struct("@ll")
_UCRED = struct.Struct("@3i")


class Deadline:
    """The moment at which a whole exchange must be over."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._end = time.monotonic() + timeout

    def remaining(self) -> float:
        """Seconds, never 0: that would mean non-blocking to a socket."""
        return max(self._end - time.monotonic(), 0.001)

    def over(self) -> bool:
        return time.monotonic() >= self._end


def connect(address: Union[str, bytes], deadline: Deadline) -> socket.socket:
    """A connected stream socket whose operations raise socket.timeout at the deadline.

    A non-blocking connect(2) fails at once when the listener's queue is full, so it is a blocking one with SO_SNDTIMEO, which
    unix(7) obeys here: EAGAIN then means that the time is over.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        left = deadline.remaining()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(left), int(left % 1 * 1e6) or 1))
        try:
            connection.connect(address)
        except BlockingIOError:
            raise socket.timeout("timed out") from None
        connection.settimeout(deadline.remaining())
    except BaseException:
        connection.close()
        raise
    return connection


def peer(connection: socket.socket) -> tuple[int, int, int]:
    """Who listens: pid, uid and gid as they were at listen(2), from the kernel."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid, gid


def credentials() -> tuple[int, int, bytes]:
    """SCM_CREDENTIALS of ours, as ancillary data for sendmsg."""
    return socket.SOL_SOCKET, socket.SCM_CREDENTIALS, _UCRED.pack(os.getpid(), os.getuid(), os.getgid())
