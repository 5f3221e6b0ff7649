# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of LXC's command protocol (LXC 1.0 to 7.0): numbers, structs and the socket's address, as values and bytes.

The structs are the C ones of a 64-bit host in its own byte order, because that is what LXC's tools send. Nothing here does I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple

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

LAYOUT_LEGACY = 0
LAYOUT_HYBRID = 1
LAYOUT_UNIFIED = 2
LAYOUT_UNKNOWN = -1
CGROUP1_MAGIC = 0x27E0EB
CGROUP2_MAGIC = 0x63677270
CGROUP_MAX_FDS = 20

_REQUEST = struct.Struct("@iiQ")
_RESPONSE = struct.Struct("@iiq")
_INTEREST = struct.Struct("@8i")
_STATE_MESSAGE = struct.Struct("@i256si")
_CGROUP_CTX = struct.Struct("@iII20i4x")
_CGROUP_FD = struct.Struct("@iIii64s")
_CONSOLE_LOG = struct.Struct("@??6xQ?7x")
_BPF_DEVICE = struct.Struct("@c3xii4si4x16x")

STATE_MESSAGE_SIZE = _STATE_MESSAGE.size
CGROUP_CTX_SIZE = _CGROUP_CTX.size
CGROUP_FD_SIZE = _CGROUP_FD.size
CONSOLE_LOG_SIZE = _CONSOLE_LOG.size
BPF_DEVICE_SIZE = _BPF_DEVICE.size
INTEREST_SIZE = _INTEREST.size


def signed(data: int) -> int:
    """The int that LXC put into the low half of a pointer."""
    return ((data & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _unpack(form: struct.Struct, data: bytes, what: str) -> tuple[Any, ...]:
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
    """The 16 bytes that announce `payload`, which the caller sends after them, in a message of its own."""
    return _REQUEST.pack(cmd, len(payload), data & 0xFFFFFFFFFFFFFFFF)


def unpack_request(data: bytes) -> Request:
    return Request(*_unpack(_REQUEST, data, "A request"))


def pack_response(ret: int, data: int = 0, datalen: int = 0) -> bytes:
    """The 16 bytes; descriptors travel in the same message, `datalen` bytes after it."""
    return _RESPONSE.pack(ret, datalen, data)


def unpack_response(data: bytes) -> Response:
    return Response(*_unpack(_RESPONSE, data, "A response"))


def pack_text(text: str) -> bytes:
    """A C string as it stands in a payload."""
    return text.encode("utf-8", "surrogateescape") + b"\0"


def unpack_text(data: bytes) -> str:
    """Back from a C string; ProtocolError when the NUL at the end is missing."""
    if not data.endswith(b"\0"):
        raise ProtocolError("A text does not end with NUL")
    return data[: data.index(b"\0")].decode("utf-8", "surrogateescape")


def pack_interest(states: Iterable[State], survive_reboot: bool = False) -> bytes:
    """The payload of ADD_STATE_CLIENT; 2 instead of 1 keeps the client over a reboot."""
    wanted = set(states)
    mark = 2 if survive_reboot else 1
    return _INTEREST.pack(*(mark if number in wanted else 0 for number in range(MAX_STATE)))


def unpack_interest(data: bytes) -> tuple[int, ...]:
    """Eight numbers, one a state: 0 not interested, 1 interested, 2 also after a reboot."""
    return _unpack(_INTEREST, data, "An interest in states")


class StateMessage(NamedTuple):
    """What state clients and the monitor's fifo receive: type 0 state, 1 priority, 2 the raw wait status of init."""

    type: int
    name: str
    value: int

    def pack(self) -> bytes:
        return _STATE_MESSAGE.pack(self.type, pack_text(self.name)[:255], self.value)

    @classmethod
    def unpack(cls, data: bytes) -> StateMessage:
        kind, name, value = _unpack(_STATE_MESSAGE, data, "A state message")
        return cls(kind, name.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"), value)


class CgroupCtx(NamedTuple):
    """GET_CGROUP_CTX: in the reply `fd_len` is the number of directories that travel beside it. The receiver's `fd` mean nothing."""

    layout: int = LAYOUT_UNKNOWN
    utilities: int = 0
    fd_len: int = 0

    def pack(self) -> bytes:
        return _CGROUP_CTX.pack(self.layout, self.utilities, self.fd_len, *([-9] * CGROUP_MAX_FDS))

    @classmethod
    def unpack(cls, data: bytes) -> CgroupCtx:
        return cls(*_unpack(_CGROUP_CTX, data, "A cgroup context")[:3])


class CgroupFd(NamedTuple):
    """GET_CGROUP_FD: the directory of one controller; `type` is the filesystem's magic, 0 for any."""

    layout: int = 0
    utilities: int = 0
    type: int = 0
    controller: str = ""

    def pack(self) -> bytes:
        return _CGROUP_FD.pack(self.layout, self.utilities, self.type, -9, pack_text(self.controller)[:63])

    @classmethod
    def unpack(cls, data: bytes) -> CgroupFd:
        layout, utilities, kind, _fd, controller = _unpack(_CGROUP_FD, data, "A cgroup descriptor")
        return cls(layout, utilities, kind, unpack_text(controller))


class ConsoleLog(NamedTuple):
    """CONSOLE_LOG: what to do with the ring buffer; `read_max` 0 reads all of it."""

    clear: bool = False
    read: bool = True
    read_max: int = 0
    write_logfile: bool = False

    def pack(self) -> bytes:
        return _CONSOLE_LOG.pack(self.clear, self.read, self.read_max, self.write_logfile)

    @classmethod
    def unpack(cls, data: bytes) -> ConsoleLog:
        return cls(*_unpack(_CONSOLE_LOG, data, "A console request"))


class BpfDevice(NamedTuple):
    """ADD_BPF_DEVICE_CGROUP: one rule; -1 in `major` and `minor` is every device, type `a` every kind."""

    type: str
    major: int
    minor: int
    access: str
    allow: bool

    def pack(self) -> bytes:
        return _BPF_DEVICE.pack(self.type.encode("ascii"), self.major, self.minor, self.access.encode("ascii")[:3], self.allow)

    @classmethod
    def unpack(cls, data: bytes) -> BpfDevice:
        kind, major, minor, access, allow = _unpack(_BPF_DEVICE, data, "A device rule")
        letters = access.split(b"\0", 1)[0]
        if kind not in (b"a", b"b", b"c") or letters.strip(b"rwm"):
            raise ProtocolError("A device rule is of no known type or access")
        return cls(kind.decode("ascii"), major, minor, letters.decode("ascii"), bool(allow))


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
