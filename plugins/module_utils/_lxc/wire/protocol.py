# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of LXC's command protocol (LXC 1.0 to 7.0) that every request needs: numbers, frames and the socket's address.

What only some carry is in `payloads`. The structs are the C ones of a 64-bit host in its own byte order, because that is what LXC's
tools send. Nothing here does I/O.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, NamedTuple, Optional

from ..errors import LxcError


class ProtocolError(LxcError):
    """The other end said something that this protocol does not allow."""


class NotRunning(LxcError):
    """Nobody listens on the container's command socket, or whoever did went away: the container is stopped."""


class State(IntEnum):
    """LXC's states, in LXC's capitals; THAWED is only announced, what it leads to is RUNNING."""

    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    ABORTING = 4
    FREEZING = 5
    FROZEN = 6
    THAWED = 7


MAX_STATE = 8


class Command(IntEnum):
    """The requests; the numbers never changed since LXC 1.0 (0 to 9)."""

    GET_TTY_FD = 0
    TERMINAL_WINCH = 1
    STOP = 2
    GET_STATE = 3
    GET_INIT_PID = 4
    GET_CLONE_FLAGS = 5
    GET_CGROUP = 6
    GET_CONFIG_ITEM = 7
    GET_NAME = 8
    GET_LXCPATH = 9
    ADD_STATE_CLIENT = 10
    CONSOLE_LOG = 11
    SERVE_STATE_CLIENTS = 12
    SECCOMP_NOTIFY_ADD_LISTENER = 13
    ADD_BPF_DEVICE_CGROUP = 14
    FREEZE = 15
    UNFREEZE = 16
    GET_CGROUP2_FD = 17
    GET_INIT_PIDFD = 18
    GET_LIMIT_CGROUP = 19
    GET_LIMIT_CGROUP2_FD = 20
    GET_DEVPTS_FD = 21
    GET_SECCOMP_NOTIFY_FD = 22
    GET_CGROUP_CTX = 23
    GET_CGROUP_FD = 24
    GET_LIMIT_CGROUP_FD = 25
    GET_SYSTEMD_SCOPE = 26


HEADER = 16
MAX_PAYLOAD = 8192
ADDRESS_LIMIT = 106

_REQUEST = struct.Struct("@iiQ")
_RESPONSE = struct.Struct("@iiq")


def signed(data: int) -> int:
    """The int that LXC put into the low half of a pointer."""
    return ((data & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def unpack_struct(form: struct.Struct, data: bytes, what: str) -> tuple[Any, ...]:
    """The fields; ProtocolError when it is not as long as that."""
    if len(data) != form.size:
        raise ProtocolError(f"{what} has {len(data)} bytes instead of {form.size}")
    return form.unpack(data)


class Request(NamedTuple):
    """`data` is a small value when `datalen` is 0, else a pointer of the client's without meaning."""

    cmd: int
    datalen: int
    data: int

    @property
    def value(self) -> int:
        return signed(self.data)


class Response(NamedTuple):
    """`ret` is 0 or -errno; `datalen` bytes follow it."""

    ret: int
    datalen: int
    data: int

    @property
    def value(self) -> int:
        return signed(self.data)


def pack_request(cmd: int, data: int = 0, payload: bytes = b"") -> bytes:
    """The 16 bytes that announce `payload`, which the caller sends after them."""
    return _REQUEST.pack(cmd, len(payload), data & 0xFFFFFFFFFFFFFFFF)


def unpack_request(data: bytes) -> Request:
    return Request(*unpack_struct(_REQUEST, data, "A request"))


def whole_request(data: bytes) -> Optional[Request]:
    """The one that these bytes begin with; None as long as some are missing. ProtocolError for one that announces too much."""
    if len(data) < HEADER:
        return None
    request = unpack_request(data[:HEADER])
    if not 0 <= request.datalen <= MAX_PAYLOAD:
        raise ProtocolError(f"A request announces {request.datalen} bytes")
    return request if len(data) >= HEADER + request.datalen else None


def pack_response(ret: int, data: int = 0, datalen: int = 0) -> bytes:
    """The 16 bytes; descriptors travel in the same message, `datalen` bytes after it."""
    return _RESPONSE.pack(ret, datalen, data)


def unpack_response(data: bytes) -> Response:
    return Response(*unpack_struct(_RESPONSE, data, "A response"))


def pack_text(text: str) -> bytes:
    """A C string as it stands in a payload."""
    return text.encode("utf-8", "surrogateescape") + b"\0"


def unpack_text(data: bytes) -> str:
    """Back from a C string; ProtocolError when the NUL at the end is missing."""
    if not data.endswith(b"\0"):
        raise ProtocolError("A text does not end with NUL")
    return data[: data.index(b"\0")].decode("utf-8", "surrogateescape")


def _fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def address(lxc_path: str, name: str) -> bytes:
    """The abstract address, leading NUL included; LXC hashes what would not fit into sun_path."""
    plain = f"{lxc_path}/{name}/command".encode("utf-8", "surrogateescape")
    if len(plain) < ADDRESS_LIMIT:
        return b"\0" + plain
    return b"\0lxc/%016x/command" % _fnv1a(f"{lxc_path}/{name}".encode("utf-8", "surrogateescape"))
