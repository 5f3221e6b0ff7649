# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What chattr(1) sets (ioctl_iflags(2)): cp of GNU coreutils does not carry it, and it keeps a file from being removed."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator

from . import libc

FS_SYNC_FL = 0x08
FS_IMMUTABLE_FL = 0x10
FS_APPEND_FL = 0x20
FS_NODUMP_FL = 0x40
FS_NOATIME_FL = 0x80
FS_DIRSYNC_FL = 0x10000
FS_NOCOW_FL = 0x800000  # of btrfs; files get it from their directory as they are made, and no later

_CARRIED = FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL
_LOCKED = FS_IMMUTABLE_FL | FS_APPEND_FL
# The size in the number is that of a long, and what is read and written is an int.
_GETFLAGS = libc.ioctl_number("r", 0x66, 1, struct.calcsize("l"))
_SETFLAGS = libc.ioctl_number("w", 0x66, 2, struct.calcsize("l"))
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def get(fd: int) -> int:
    """Of an open file or directory; 0 where the file system has none."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, _GETFLAGS, b"\0" * 4))[0])
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            return 0
        raise


def put(fd: int, flags: int) -> None:
    fcntl.ioctl(fd, _SETFLAGS, struct.pack("i", flags))


def unlock(directory_fd: int, name: str) -> bool:
    """Take away what keeps this file or directory from being removed or emptied; whether there was something."""
    found = False
    for place, flags in ((name, _FILE), (".", _DIRECTORY)):
        try:
            fd = os.open(place, flags, dir_fd=directory_fd)
        except OSError:  # a link or a socket: they have no flags
            continue
        try:
            now = get(fd)
            if now & _LOCKED:
                put(fd, now & ~_LOCKED)
                found = True
        finally:
            os.close(fd)
    return found


def carry(source: str, target: str) -> None:
    """Give the copies of all files and directories below `source` the flags of the originals, as far as their file system has them."""
    target_fd = os.open(target, _DIRECTORY)
    try:
        source_fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for path, flags in list(_flagged(source_fd)):  # the list first: what is immutable takes no more files
            _give(target_fd, path, flags)
    finally:
        os.close(target_fd)


def _give(target_fd: int, path: list[str], flags: int) -> None:
    """Step by step: a path can be longer than the kernel takes at once."""
    here = os.dup(target_fd)
    try:
        for name in path:
            below = os.open(name, _FILE, dir_fd=here)
            os.close(here)
            here = below
        _add(here, flags)
    except OSError as error:
        raise OSError(error.errno, error.strerror, "/".join(path)) from None
    finally:
        os.close(here)


def _add(fd: int, flags: int) -> None:
    """Those that this file system has; xfs has no FS_DIRSYNC_FL, say."""
    now = get(fd)
    if flags & ~now:
        try:
            put(fd, now | flags)
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            bits = [1 << place for place in range(24) if flags & 1 << place]
            for bit in bits if len(bits) > 1 else []:
                _add(fd, bit)


def _flagged(fd: int) -> Iterator[tuple[list[str], int]]:
    """(path, flags) of what has some. Closes the descriptor; one is open at a time, and the way back up is `..`."""
    trail: list[str] = []
    waiting = [_below(fd)]
    try:
        yield from _look(fd, trail)
        while True:
            if waiting[-1]:
                trail.append(waiting[-1].pop())
                fd = _replace(fd, trail[-1])
                yield from _look(fd, trail)
                waiting.append(_below(fd))
            elif trail:
                waiting.pop()
                trail.pop()
                fd = _replace(fd, "..")
            else:
                return
    finally:
        os.close(fd)


def _replace(fd: int, name: str) -> int:
    opened = os.open(name, _DIRECTORY, dir_fd=fd)
    os.close(fd)
    return opened


def _below(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _look(fd: int, trail: list[str]) -> Iterator[tuple[list[str], int]]:
    """The directory and the files in it."""
    own = get(fd) & (_CARRIED | FS_NOCOW_FL)
    if own:
        yield [*trail], own
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                file_fd = os.open(entry.name, _FILE, dir_fd=fd)
                try:
                    flags = get(file_fd) & _CARRIED
                finally:
                    os.close(file_fd)
                if flags:
                    yield [*trail, entry.name], flags
