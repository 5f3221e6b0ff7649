# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices the processes of a version 2 cgroup may open and make: a BPF program that the kernel asks at every mknod(2) and open(2).

Version 2 has no devices controller (kernel document cgroup-v2.rst, "Device controller"). The program is attached beside those
of others, and the kernel allows what all of them allow; see bpf(2), and linux/bpf.h for the numbers.
"""

from __future__ import annotations

import errno
import os
import resource
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Optional

from . import libc

if TYPE_CHECKING:
    # What the kernel reads or writes. With ctypes every length would be a type of its own, which costs more than the call.
    Bytes = array[int]

_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _GET_FD_BY_ID, _GET_INFO_BY_FD, _PROG_QUERY = 5, 8, 9, 13, 15, 16
_TYPE_CGROUP_DEVICE, _ATTACH_DEVICE, _ALLOW_MULTI = 15, 6, 2
_MAX_PROGRAMS = 64  # that one cgroup can have
_NAME = b"hostkit_devices"  # 15 bytes at most: by it ours is known among others, also by a monitor that has not attached it
_INFO_NAME = slice(64, 80)  # in struct bpf_prog_info
_LOG_SIZE = 1 << 16

_KINDS = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ANY = 7
# Registers: the verdict, and what differs until it is known; the context, and what is worked with; the request.
_R0, _R1, _HOW, _MAJOR, _MINOR = 0, 1, 2, 3, 4
_LOAD, _SET, _MOVE, _AND, _OR, _XOR, _UNLESS, _IF, _EXIT = 0x61, 0xB7, 0xBC, 0x54, 0x4C, 0xA4, 0x15, 0x55, 0x95


class Device(NamedTuple):
    """Devices with what is done to them: `kind` b, c or a (both), -1 for every number, and of the letters rwm."""

    kind: str
    major: int
    minor: int
    access: str


def instructions(allow: bool, exceptions: Iterable[Device]) -> bytes:
    """The program that allows everything but the exceptions, or nothing else, as version 1's controller decides it.

    What is allowed must be so by one exception alone; any access that one denies is enough to be denied (cgroup-v1/devices.rst).
    """
    code = [_instruction(_LOAD, register, _R1, place) for place, register in ((0, _HOW), (4, _MAJOR), (8, _MINOR))]
    return b"".join([*code, *[_exception(one, allow) for one in exceptions], *_verdict(allow)])


@lru_cache(maxsize=64)  # most containers of a host have the same ones
def _exception(one: Device, allow: bool) -> bytes:
    """The opposite verdict where all holds; where not, on to what follows.

    What differs is gathered in one register: a jump for each comparison would have the verifier follow every way through the
    program with what it knows by then, and 100 exceptions would take it 0.1 s.
    """
    mask = sum(_ACCESS[letter] for letter in set(one.access))
    kind = _KINDS.get(one.kind, 0)
    # `_HOW` is the kind in the lower half, the access in the upper: what is asked for and not allowed differs too.
    relevant = (0xFFFF if kind else 0) | (0 if allow else (_ANY & ~mask) << 16)
    code = [_instruction(_MOVE, _R0, _HOW), _instruction(_XOR, _R0, value=kind), _instruction(_AND, _R0, value=relevant)]
    for register, value in ((_MAJOR, one.major), (_MINOR, one.minor)):
        if value >= 0:
            code += [_instruction(_MOVE, _R1, register), _instruction(_XOR, _R1, value=value), _instruction(_OR, _R0, _R1)]
    if allow:  # what the exception denies must be among what is asked for
        code += [_instruction(_MOVE, _R1, _HOW), _instruction(_AND, _R1, value=mask << 16)]
        code += [_instruction(_UNLESS, _R1, jump=3), _instruction(_IF, _R0, jump=2)]
    else:
        code.append(_instruction(_IF, _R0, jump=2))
    return b"".join(code + _verdict(not allow))


def _verdict(allow: bool) -> list[bytes]:
    return [_instruction(_SET, _R0, value=int(allow)), _instruction(_EXIT)]


def _instruction(code: int, to: int = 0, source: int = 0, jump: int = 0, value: int = 0) -> bytes:
    """struct bpf_insn, whose registers are two fields of four bits. Of the jumps `_UNLESS` compares with 0, and `_IF` with not 0."""
    registers = to | source << 4 if sys.byteorder == "little" else to << 4 | source
    return struct.pack("=BBhI", code, registers, jump, value)


def rehearse(program: bytes) -> None:
    """Have the kernel look at it, and let go of it. Raises OSError."""
    os.close(_load(program))


def attach(directory: str, program: bytes) -> None:
    """To a cgroup that has none of ours. Raises OSError with what the kernel's verifier said."""
    cgroup_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _attach(cgroup_fd, program)
    finally:
        os.close(cgroup_fd)


def replace(directory: str, program: bytes) -> None:
    """In the place of ours that are there. For a moment both hold; at none does neither."""
    cgroup_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    old_fds: list[int] = []
    try:
        old_fds += _ours(cgroup_fd)
        _attach(cgroup_fd, program)
        for fd in old_fds:
            _bpf(directory, _PROG_DETACH, array("I", (cgroup_fd, fd, _ATTACH_DEVICE, 0)))
    finally:
        for fd in (cgroup_fd, *old_fds):
            os.close(fd)


def _attach(cgroup_fd: int, program: bytes) -> None:
    program_fd = _load(program)
    try:
        _bpf(cgroup_fd, _PROG_ATTACH, array("I", (cgroup_fd, program_fd, _ATTACH_DEVICE, _ALLOW_MULTI)))
    finally:
        os.close(program_fd)


def _load(program: bytes) -> int:
    """The descriptor of the program. One that is refused is shown to the verifier again, to hear why."""
    try:
        return _load_once(program)
    except OSError as error:
        if error.errno == errno.EPERM:
            with _unlimited_memory():
                return _load_once(program)
        log = array("B", bytes(_LOG_SIZE))
        try:
            return _load_once(program, log)
        except OSError:
            text = log.tobytes().partition(b"\0")[0].decode("ascii", "replace")
            said = [line for line in text.splitlines() if not line.startswith("processed ")]
            raise OSError(error.errno, ": ".join([str(error.strerror), *said[-1:]]), error.filename) from None


def _load_once(program: bytes, log: Optional[Bytes] = None) -> int:
    code, licence = array("B", program), array("B", b"GPL\0")
    heard = (1, _LOG_SIZE, _address(log)) if log is not None else (0, 0, 0)
    places = (_address(code), _address(licence))
    attributes = struct.pack("=2I2Q2IQ2I16s", _TYPE_CGROUP_DEVICE, len(program) // 8, *places, *heard, 0, 0, _NAME)
    return _bpf("the device program", _PROG_LOAD, array("B", attributes))


@contextmanager
def _unlimited_memory() -> Iterator[None]:
    """Before Linux 5.11 every program of a user counts as memory that he has locked; too much of it is EPERM."""
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    with suppress(ValueError, OSError):  # who may not raise it hears EPERM again
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def _ours(cgroup_fd: int) -> list[int]:
    """Descriptors of the programs of our name that are attached to this very cgroup."""
    ids = array("I", bytes(4 * _MAX_PROGRAMS))
    query = array("B", struct.pack("=4IQ2I", cgroup_fd, _ATTACH_DEVICE, 0, 0, _address(ids), _MAX_PROGRAMS, 0))
    _bpf(cgroup_fd, _PROG_QUERY, query)
    (count,) = struct.unpack_from("=I", query, 24)
    found = []
    for number in ids[:count]:
        try:
            fd = _bpf(f"program {number}", _GET_FD_BY_ID, array("I", (number, 0, 0)))
        except FileNotFoundError:  # it has gone meanwhile
            continue
        if _name(fd) == _NAME:
            found.append(fd)
        else:
            os.close(fd)
    return found


def _name(fd: int) -> bytes:
    info = array("B", bytes(_INFO_NAME.stop))
    _bpf(fd, _GET_INFO_BY_FD, array("B", struct.pack("=2IQ", fd, len(info), _address(info))))
    return info[_INFO_NAME].tobytes().rstrip(b"\0")


def _address(data: Bytes) -> int:
    return data.buffer_info()[0]


def _bpf(subject: object, command: int, attributes: Bytes) -> int:
    """bpf(2). Descriptors that it makes are closed at execve(2); into some attributes the kernel writes."""
    try:
        return libc.syscall(subject, "bpf", command, _address(attributes), len(attributes) * attributes.itemsize)
    except NotImplementedError as error:
        raise OSError(errno.ENOSYS, str(error)) from None
