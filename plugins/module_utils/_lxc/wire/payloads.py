# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What single requests of LXC's command protocol carry, there or back, as values and bytes; the frames are in `protocol`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from .protocol import MAX_STATE, ProtocolError, State, pack_text, unpack_struct, unpack_text

LAYOUT_LEGACY = 0
LAYOUT_HYBRID = 1
LAYOUT_UNIFIED = 2
LAYOUT_UNKNOWN = -1
CGROUP1_MAGIC = 0x27E0EB
CGROUP2_MAGIC = 0x63677270
CGROUP_MAX_FDS = 20
CGROUP_UTILITIES = 0x3  # devices and the freezer, which a unified hierarchy has without a controller

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


def pack_interest(states: Iterable[State], survive_reboot: bool = False) -> bytes:
    """The payload of ADD_STATE_CLIENT; 2 instead of 1 keeps the client over a reboot."""
    wanted = set(states)
    mark = 2 if survive_reboot else 1
    return _INTEREST.pack(*(mark if number in wanted else 0 for number in range(MAX_STATE)))


def unpack_interest(data: bytes) -> tuple[int, ...]:
    """Eight numbers, one a state: 0 not interested, 1 interested, 2 also after a reboot."""
    return unpack_struct(_INTEREST, data, "An interest in states")


class StateMessage(NamedTuple):
    """What state clients and the monitor's fifo receive: type 0 state, 1 priority, 2 the raw wait status of init."""

    type: int
    name: str
    value: int

    def pack(self) -> bytes:
        return _STATE_MESSAGE.pack(self.type, pack_text(self.name)[:255], self.value)

    @classmethod
    def unpack(cls, data: bytes) -> StateMessage:
        kind, name, value = unpack_struct(_STATE_MESSAGE, data, "A state message")
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
        return cls(*unpack_struct(_CGROUP_CTX, data, "A cgroup context")[:3])


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
        layout, utilities, kind, _fd, controller = unpack_struct(_CGROUP_FD, data, "A cgroup descriptor")
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
        return cls(*unpack_struct(_CONSOLE_LOG, data, "A console request"))


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
        kind, major, minor, access, allow = unpack_struct(_BPF_DEVICE, data, "A device rule")
        letters = access.split(b"\0", 1)[0]
        if kind not in (b"a", b"b", b"c") or letters.strip(b"rwm") or (kind != b"a" and not letters) or min(major, minor) < -1:
            raise ProtocolError("A device rule is of no known type, number or access")
        return cls(kind.decode("ascii"), major, minor, letters.decode("ascii"), bool(allow))
