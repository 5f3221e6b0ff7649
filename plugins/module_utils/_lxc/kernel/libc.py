# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The C library and the bare syscalls: one function each, under its C name, and one way to fail.

A call that fails raises OSError with the errno and, as `filename`, the object it was about. Nothing is looked up in the
library before its first use, so importing this costs next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

CLONE_NEWTIME = 0x00000080
CLONE_VM = 0x00000100
CLONE_FILES = 0x00000400
CLONE_PIDFD = 0x00001000
CLONE_VFORK = 0x00004000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_CLEAR_SIGHAND = 0x100000000
CLONE_INTO_CGROUP = 0x200000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25

MNT_FORCE = 1
MNT_DETACH = 2
MNT_EXPIRE = 4
UMOUNT_NOFOLLOW = 8

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
PR_SET_TIMERSLACK = 29
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# From 424 on, every architecture but alpha counts alike (the kernel's scripts/syscall.tbl).
_NUMBERS = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_OWN_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "keyctl": 250, "rt_sigaction": 13, "ioprio_set": 251, "ioprio_get": 252, "bpf": 321},
    "aarch64": {"clone": 220, "pivot_root": 41, "keyctl": 219, "rt_sigaction": 134, "ioprio_set": 30, "ioprio_get": 31, "bpf": 280},
    "riscv64": {"clone": 220, "pivot_root": 41, "keyctl": 219, "rt_sigaction": 134, "ioprio_set": 30, "ioprio_get": 31, "bpf": 280},
    "loongarch64": {"clone": 220, "pivot_root": 41, "keyctl": 219, "rt_sigaction": 134, "ioprio_set": 30, "ioprio_get": 31, "bpf": 280},
    "ppc64le": {"clone": 120, "pivot_root": 203, "keyctl": 271, "rt_sigaction": 173, "ioprio_set": 273, "ioprio_get": 274, "bpf": 361},
    "ppc64": {"clone": 120, "pivot_root": 203, "keyctl": 271, "rt_sigaction": 173, "ioprio_set": 273, "ioprio_get": 274, "bpf": 361},
    "s390x": {"clone": 120, "pivot_root": 217, "keyctl": 280, "rt_sigaction": 174, "ioprio_set": 282, "ioprio_get": 283, "bpf": 351},
    "armv7l": {"clone": 120, "pivot_root": 218, "keyctl": 311, "rt_sigaction": 174, "ioprio_set": 314, "ioprio_get": 315, "bpf": 386},
    "armv6l": {"clone": 120, "pivot_root": 218, "keyctl": 311, "rt_sigaction": 174, "ioprio_set": 314, "ioprio_get": 315, "bpf": 386},
    "i686": {"clone": 120, "pivot_root": 217, "keyctl": 288, "rt_sigaction": 174, "ioprio_set": 289, "ioprio_get": 290, "bpf": 357},
}
_RENAMEAT2 = {"x86_64": 316, "ppc64le": 357, "ppc64": 357, "s390x": 347, "armv7l": 382, "armv6l": 382, "i686": 353}  # else 276
for _machine, _calls in _OWN_NUMBERS.items():
    _calls["renameat2"] = _RENAMEAT2.get(_machine, 276)
_NARROW = {"x86_64": "i686", "i386": "i686", "i586": "i686", "aarch64": "armv7l", "armv8l": "armv7l"}
# What uname(2) says to a 64-bit process of personality PER_LINUX32.
_WIDE = {"i686": "x86_64", "i586": "x86_64", "i386": "x86_64", "armv8l": "aarch64", "armv7l": "aarch64", "ppcle": "ppc64le", "ppc": "ppc64"}

_INT, _LONG, _ULONG, _TEXT = ctypes.c_int, ctypes.c_long, ctypes.c_ulong, ctypes.c_char_p
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "unshare": (_INT,),
    "setns": (_INT, _INT),
    "prctl": (_INT, _ULONG, _ULONG, _ULONG, _ULONG),
    "personality": (_ULONG,),
    "mount": (_TEXT, _TEXT, _TEXT, _ULONG, _TEXT),
    "umount2": (_TEXT, _INT),
    "capget": (ctypes.c_void_p, ctypes.c_void_p),
    "capset": (ctypes.c_void_p, ctypes.c_void_p),
    "inotify_init1": (_INT,),
    "inotify_add_watch": (_INT, _TEXT, ctypes.c_uint32),
    "syncfs": (_INT,),
    "fstatfs": (_INT, ctypes.c_void_p),
}

_bound: dict[str, Any] = {}
_syscalls: dict[int, Any] = {}


def machine() -> str:
    """The architecture of this process, which on a 64-bit kernel may be a 32-bit one."""
    name = os.uname().machine
    return (_NARROW if sys.maxsize < 2**32 else _WIDE).get(name, name)


def number(name: str) -> int:
    """A syscall's number here. Raises NotImplementedError for an architecture whose numbers are not known."""
    found = _NUMBERS.get(name) or _OWN_NUMBERS.get(machine(), {}).get(name)
    if found is None:
        raise NotImplementedError(f"the number of {name}(2) on {machine()} is not known")
    return found


def _function(name: str) -> Any:
    """The library's function with its argument types, bound once."""
    function = _bound.get(name)
    if function is None:
        function = _bound[name] = getattr(_library(ctypes.CDLL), name)
        function.argtypes = _ARGUMENTS[name]
    return function


def _syscall(arguments: int) -> Any:
    """syscall(2) for a call of so many arguments; as a pointer each fills a register, whatever it is."""
    function = _syscalls.get(arguments)
    if function is None:
        function = _syscalls[arguments] = _library(ctypes.CDLL)["syscall"]
        function.restype, function.argtypes = _LONG, (_LONG, *[ctypes.c_void_p] * arguments)
    return function


def _library(kind: Any) -> Any:
    """The C library (or, for PyDLL, the same without ever letting go of the interpreter's lock)."""
    key = kind.__name__
    if key not in _bound:
        _bound[key] = kind(None, use_errno=True)
    return _bound[key]


def bare_syscall(name: str, *args: Any) -> int:
    """syscall(2) with the interpreter's lock held all the while, which a call that makes a process needs. -1 for an error."""
    function = _bound.get("bare_syscall")
    if function is None:
        function = _bound["bare_syscall"] = _library(ctypes.PyDLL).syscall
        function.restype = _LONG
    return int(function(*_wide(number(name), *args)))


def _wide(*args: Any) -> list[Any]:
    """For a variadic function: an int must fill a register."""
    return [_LONG(arg) if isinstance(arg, int) else arg for arg in args]


def error(subject: object = None) -> OSError:
    """What errno says now, about this object; a number is a descriptor, and the object what it is open on."""
    code = ctypes.get_errno()
    if isinstance(subject, int):
        subject = describe(subject)
    text = os.fsdecode(subject) if isinstance(subject, (bytes, os.PathLike)) else subject
    return OSError(code, os.strerror(code), text if text is None or isinstance(text, str) else str(text))


def call(subject: object, name: str, *args: Any) -> int:
    """A function of the library; -1 raises OSError about `subject`."""
    result = int(_function(name)(*args))
    if result == -1:
        raise error(subject)
    return result


def syscall(subject: object, name: str, *args: Any) -> int:
    """A syscall that the library may have no function for; -1 raises OSError about `subject`."""
    result = int(_syscall(len(args))(number(name), *args))
    if result == -1:
        raise error(subject)
    return result


def ioctl_number(direction: str, group: int, number: int, size: int) -> int:
    """_IOR ("r"), _IOW ("w"), _IOWR ("rw") of asm/ioctl.h; PowerPC has its own."""
    reads, writes, shift = (2, 4, 29) if machine().startswith("ppc") else (2, 1, 30)
    bits = (reads if "r" in direction else 0) | (writes if "w" in direction else 0)
    return bits << shift | size << 16 | group << 8 | number


def malloc_trim() -> None:
    """Give free memory back to the kernel (malloc_trim(3)); a C library without that call keeps it."""
    try:
        _library(ctypes.CDLL).malloc_trim(_ULONG(0))
    except AttributeError:
        return


def unshare(flags: int) -> None:
    """unshare(2)"""
    call(f"flags {flags:#x}", "unshare", ctypes.c_int(flags & 0xFFFFFFFF).value)


def setns(fd: int, nstype: int = 0) -> None:
    """setns(2); with a pidfd, `nstype` may name several namespaces (Linux 5.8)."""
    call(fd, "setns", fd, nstype)


def prctl(op: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
    """prctl(2)"""
    return call(f"prctl {op}", "prctl", op, a, b, c, d)


def personality(persona: int) -> int:
    """personality(2); returns the one before. 0xffffffff only asks."""
    return call(f"personality {persona:#x}", "personality", persona)


def syncfs(fd: int) -> None:
    """syncfs(2); from Linux 5.8 on what could not be written since the descriptor was opened is an error."""
    call(fd, "syncfs", fd)


def fstatfs_type(fd: int) -> int:
    """f_type of fstatfs(2): the magic number of the file system."""
    buffer = ctypes.create_string_buffer(256)
    call(fd, "fstatfs", fd, buffer)
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)"""
    syscall(new, "pivot_root", os.fsencode(new), os.fsencode(old))


def describe(fd: int) -> str:
    """What a descriptor is open on, for an error's text."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"descriptor {fd}"


def real_path(path: str) -> str:
    """What a path of the form /proc/self/fd/N is open on, for an error's text; another path as it is."""
    start, _slash, last = path.rpartition("/")
    return describe(int(last)) if start == "/proc/self/fd" and last.isdigit() else path
