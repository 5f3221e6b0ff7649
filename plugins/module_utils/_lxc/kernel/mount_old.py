# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `mount` does with the new mount API, done with mount(2) alone: for kernels before 5.12.

mount(2) knows no mount that is attached nowhere. Here it waits, mounted in a private directory of its own, until it is
moved to its place; targets and sources are descriptors all the same, through /proc/self/fd.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import Optional, Union

from . import libc, mountinfo
from .mount_options import MOUNT_ATTR__ATIME, as_flags, from_statvfs, split_superblock

# descriptor: (its mount's id, the waiting directory)
_staged: dict[int, tuple[str, str]] = {}


def mount(source: str, target: str, fstype: str, flags: int = 0, data: str = "") -> None:
    """mount(2); sync, dirsync, mand and lazytime may stand in `data` as words."""
    words, rest = split_superblock(data)
    arguments = [os.fsencode(text) if text else None for text in (source, target, fstype)]
    try:
        libc.call(target, "mount", *arguments, flags | words, rest.encode("utf-8", "surrogateescape") or None)
    except OSError as error:
        named = fstype if error.errno == errno.ENODEV and fstype else libc.real_path(target)
        raise OSError(error.errno, error.strerror, named) from None


def path_of(path_or_fd: Union[int, str]) -> str:
    """A path that leads to just what the descriptor is open on, whoever renames what."""
    return f"/proc/self/fd/{path_or_fd}" if isinstance(path_or_fd, int) else path_or_fd


def clone_tree(path_or_fd: Union[int, str], recursive: bool) -> int:
    source = path_of(path_or_fd)
    flags = libc.MS_BIND | (libc.MS_REC if recursive else 0)
    return _stage(stat.S_ISDIR(os.stat(source).st_mode), lambda place: mount(source, place, "", flags))


def new_fs(fstype: str, options: Mapping[str, Optional[str]], attributes: int, source: str) -> int:
    data = ",".join(key if value is None else f"{key}={value}" for key, value in options.items())
    flags = as_flags(attributes)
    return _stage(True, lambda place: mount(source or fstype, place, fstype, flags, data))


def attach(mount_fd: int, target_fd: int) -> None:
    mount(path_of(mount_fd), path_of(target_fd), "", libc.MS_MOVE)
    if mount_fd in _staged:
        _clear(_staged.pop(mount_fd)[1])


def set_attr(path_or_fd: Union[int, str], attributes: int, cleared: int, propagation: int, recursive: bool) -> None:
    path = path_of(path_or_fd)
    if attributes or cleared:
        for place in [path] + (_below(path) if recursive else []):
            now = from_statvfs(os.statvfs(place).f_flag)
            if (attributes | cleared) & MOUNT_ATTR__ATIME:
                now &= ~MOUNT_ATTR__ATIME
            mount("", place, "", libc.MS_REMOUNT | libc.MS_BIND | as_flags(now & ~cleared | attributes))
    if propagation:
        mount("", path, "", propagation | (libc.MS_REC if recursive else 0))


def waiting() -> set[int]:
    """The descriptors of mounts that wait for their place."""
    _forget_closed()
    return set(_staged)


def discard(mount_fd: int) -> None:
    """Take away what waits behind a descriptor that will not be attached."""
    if mount_fd in _staged:
        _clear(_staged.pop(mount_fd)[1])


def _below(path: str) -> list[str]:
    top = os.path.realpath(path).rstrip("/") + "/"
    return [found.target for found in mountinfo.read() if found.target.startswith(top)]


def _stage(is_directory: bool, act: Callable[[str], None]) -> int:
    """Run `act` on a new mount point; returns a descriptor of what it mounted there."""
    _forget_closed()
    base = f"{'/run' if os.access('/run', os.W_OK) else '/tmp'}/mount-{os.urandom(8).hex()}"
    os.mkdir(base, 0o700)
    place = base + "/place"
    try:
        # Private, because a mount below a shared one cannot be moved (mount(2), EINVAL).
        mount(base, base, "", libc.MS_BIND)
        mount("", base, "", libc.MS_PRIVATE)
        if is_directory:
            os.mkdir(place, 0o700)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        act(place)
        fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except BaseException:
        _clear(base)
        raise
    _staged[fd] = (_mount_id(fd), base)
    return fd


def _clear(base: str) -> None:
    try:
        libc.call(base, "umount2", os.fsencode(base), libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
    for remove, path in ((os.unlink, base + "/place"), (os.rmdir, base + "/place"), (os.rmdir, base)):
        try:
            remove(path)
        except OSError:  # it was a file, or a directory, or the root has been changed since
            continue


def _forget_closed() -> None:
    """What was closed without being attached waits for nothing."""
    for fd, (mount_id, base) in list(_staged.items()):
        if _mount_id(fd) != mount_id:
            del _staged[fd]
            _clear(base)


def _mount_id(fd: int) -> str:
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            return next((line for line in file if line.startswith("mnt_id:")), "")
    except FileNotFoundError:
        return ""
