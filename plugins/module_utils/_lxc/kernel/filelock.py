# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on whole files that belong to the open file: F_OFD_SETLK of fcntl(2).

They also conflict with the classic locks of other processes, and end with the last descriptor, so with a process that is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_F_OFD_GETLK = 36
_F_OFD_SETLK = 37
# struct flock of the 64-bit calls: type, whence, start, length, pid; the last row pads to its C size.
_FLOCK = struct.Struct("@hhqqi0q")


def try_lock(fd: int, shared: bool = False) -> bool:
    """Take the lock, for writing or shared with other readers, or say that someone else has it."""
    try:
        fcntl.fcntl(fd, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK if shared else fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def unlock(fd: int) -> None:
    fcntl.fcntl(fd, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))


def is_locked(fd: int) -> bool:
    """Whether another open file holds a lock, an own one in this process included."""
    answer = fcntl.fcntl(fd, _F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def note(fd: int, what: str) -> None:
    """Leave word in the file of who holds it and for what."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()} {what}\n".encode("utf-8", "backslashreplace")[:200], 0)


def holder(path: str) -> str:
    """Who has the file open, for an error message: /proc/locks has no pid for these locks. The word in the file goes first."""
    noted, what = _noted(path)
    pids = openers(path)
    for pid in sorted(pids, key=lambda pid: pid != noted):
        purpose = f", to {what}" if pid == noted and what else ""
        return f"process {pid} ({_command(pid)}){purpose}"
    return f"this process, to {what}" if noted == os.getpid() and what else "an unknown process"


def _noted(path: str) -> tuple[int, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pid, _blank, what = file.readline(200).strip().partition(" ")
    except OSError:
        return 0, ""
    return (int(pid), what) if pid.isdigit() else (0, "")


def openers(path: str) -> list[int]:
    """The other processes that have it open."""
    try:
        wanted = os.stat(path)
    except OSError:
        return []
    others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in others if _has_open(pid, (wanted.st_dev, wanted.st_ino))]


def _has_open(pid: int, wanted: tuple[int, int]) -> bool:
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == wanted:
                return True
    except OSError:
        pass
    return False


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4096).rstrip(b"\0").split(b"\0")
    except OSError:
        words = []
    return b" ".join(words).decode("utf-8", "backslashreplace")[:200] or "command unknown"
