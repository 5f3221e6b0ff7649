# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts by descriptor: the new mount API (open_tree(2), move_mount(2), fsopen(2), mount_setattr(2)) and mount(2).

A mount is made attached nowhere, gets its attributes, and is put on a place that is a descriptor too, so nobody can swap
the target for a symbolic link in between. Kernels before 5.12, which lack a part of that API, are served by `mount_old`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Mapping
from typing import Optional, Union

from . import libc, mount_old
from .mount_old import mount
from .mount_options import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_IDMAP,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_RELATIME,
    MOUNT_ATTR_STRICTATIME,
    parse_options,
)

__all__ = [
    "MOUNT_ATTR__ATIME", "MOUNT_ATTR_IDMAP", "MOUNT_ATTR_NOATIME", "MOUNT_ATTR_NODEV", "MOUNT_ATTR_NODIRATIME", "MOUNT_ATTR_NOEXEC",
    "MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NOSYMFOLLOW", "MOUNT_ATTR_RDONLY", "MOUNT_ATTR_RELATIME", "MOUNT_ATTR_STRICTATIME",
    "RESOLVE_BENEATH", "RESOLVE_CACHED", "RESOLVE_IN_ROOT", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS", "RESOLVE_NO_XDEV",
    "attach", "bind", "discard", "has_new_api", "knows_fs", "mount", "new_fs", "open_tree",
    "openat2", "parse_options", "remount", "set_attr", "umount",
]  # fmt: skip

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6
_LONGEST_VALUE = 255  # of fsconfig(2)

# Whether the whole of the new API is there; asked at first use. Tests set it.
new_api: Optional[bool] = None


def has_new_api() -> bool:
    """True from Linux 5.12 on, unless a sandbox hides it: mount_setattr(2) was its last part."""
    global new_api
    if new_api is None:
        try:
            libc.syscall("", "mount_setattr", -1, None, 0, None, 0)
        except OSError as error:
            new_api = error.errno not in (errno.ENOSYS, errno.EPERM)
    return bool(new_api)


def openat2(dir_fd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2), always with O_CLOEXEC; raises OSError ENOSYS before Linux 5.6."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)
    while True:
        try:
            return libc.syscall(path, "openat2", dir_fd, os.fsencode(path), how, len(how))
        except InterruptedError:
            continue


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)"""
    libc.call(target, "umount2", os.fsencode(target), flags)


def remount(target: Union[int, str], flags: int = 0, data: str = "") -> None:
    """Change the file system itself (MS_REMOUNT): its read-only state, its own options. `set_attr` changes one mount of it."""
    mount("", mount_old.path_of(target), "", libc.MS_REMOUNT | flags, data)


def open_tree(path_or_fd: Union[int, str], clone: bool = True, recursive: bool = False) -> int:
    """A descriptor of the place; with `clone`, of a copy of its mount (a bind) that is attached nowhere yet."""
    if clone and not has_new_api():
        return mount_old.clone_tree(path_or_fd, recursive)
    if not clone:
        return os.open(mount_old.path_of(path_or_fd), os.O_PATH | os.O_CLOEXEC)
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (libc.AT_RECURSIVE if recursive else 0)
    dir_fd, path, empty = _place(path_or_fd)
    return libc.syscall(path_or_fd, "open_tree", dir_fd, path, flags | empty)


def _place(path_or_fd: Union[int, str]) -> tuple[int, bytes, int]:
    """(directory, path, AT_EMPTY_PATH or 0) for the calls that take either."""
    if isinstance(path_or_fd, int):
        return path_or_fd, b"", libc.AT_EMPTY_PATH
    return libc.AT_FDCWD, os.fsencode(path_or_fd), 0


def new_fs(fstype: str, options: Mapping[str, Optional[str]], attrs: int = 0, source: str = "") -> int:
    """A new file system, attached nowhere: returns a descriptor of its mount. An option without a value is None.

    `attrs` are MOUNT_ATTR_* of the mount. A file system on a block device is also itself made read-only by MOUNT_ATTR_RDONLY, as
    mount(8) does it; what the kernel's log of this call says is in the error's text.
    """
    too_long = any(value is not None and len(os.fsencode(value)) > _LONGEST_VALUE for value in options.values())
    if too_long or not has_new_api():
        return mount_old.new_fs(fstype, options, attrs, source)
    context_fd = libc.syscall(fstype, "fsopen", fstype.encode(), _FSOPEN_CLOEXEC)
    try:
        if source:
            _configure(context_fd, fstype, _FSCONFIG_SET_STRING, "source", source)
        if attrs & MOUNT_ATTR_RDONLY and _is_block_device(source):
            _configure(context_fd, fstype, _FSCONFIG_SET_FLAG, "ro", None)
        for key, value in options.items():
            _configure(context_fd, fstype, _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING, key, value)
        _configure(context_fd, source or fstype, _FSCONFIG_CMD_CREATE, None, None)
        return libc.syscall(source or fstype, "fsmount", context_fd, _FSMOUNT_CLOEXEC, attrs)
    finally:
        os.close(context_fd)


def knows_fs(fstype: str) -> bool:
    """Whether the kernel has this file system; fsopen(2) loads its module, and before Linux 5.2 only what is loaded counts."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if any(line.split()[-1:] == [fstype] for line in file):
            return True
    try:
        os.close(libc.syscall(fstype, "fsopen", fstype.encode(), _FSOPEN_CLOEXEC))
    except OSError:
        return False
    return True


def _configure(context_fd: int, subject: str, command: int, key: Optional[str], value: Optional[str]) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (key, value)]
    try:
        libc.syscall(subject, "fsconfig", context_fd, command, *texts, 0)
    except OSError as error:
        option = "" if key is None else key if value is None else f"{key}={value}"
        said = "; ".join(filter(None, [option, *_messages(context_fd)]))
        raise OSError(error.errno, f"{error.strerror}: {said}" if said else error.strerror, subject) from None


def _messages(context_fd: int) -> list[str]:
    """The context's log: one message a read, with a letter for its kind before it (ENODATA at the end)."""
    said: list[str] = []
    while len(said) < 20:
        try:
            message = os.read(context_fd, 4096).decode("utf-8", "replace").strip()
        except OSError:
            break
        said.append(message[2:] if message[1:2] == " " else message)
    return said


def _is_block_device(source: str) -> bool:
    try:
        return source.startswith("/") and stat.S_ISBLK(os.stat(source).st_mode)
    except OSError:
        return False


def attach(mount_fd: int, target_fd: int) -> None:
    """Put a mount on the place that a descriptor is open on (move_mount(2)); the descriptor goes on meaning the mount."""
    if not has_new_api() or mount_fd in mount_old.waiting():
        mount_old.attach(mount_fd, target_fd)
        return
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    libc.syscall(target_fd, "move_mount", mount_fd, b"", target_fd, b"", flags)


def discard(mount_fd: int) -> None:
    """Close a mount that was never attached; with it, it is gone."""
    mount_old.discard(mount_fd)
    os.close(mount_fd)


def bind(source_fd: int, target_fd: int, recursive: bool = False) -> None:
    """Show what one descriptor is open on at the place of another."""
    tree_fd = open_tree(source_fd, clone=True, recursive=recursive)
    try:
        attach(tree_fd, target_fd)
    except BaseException:
        mount_old.discard(tree_fd)
        raise
    finally:
        os.close(tree_fd)


def set_attr(
    mount_fd_or_path: Union[int, str],
    set: int = 0,
    clear: int = 0,
    propagation: int = 0,
    recursive: bool = False,
) -> None:
    """mount_setattr(2): MOUNT_ATTR_* to set and to clear, and one of MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE."""
    if not has_new_api():
        mount_old.set_attr(mount_fd_or_path, set, clear, propagation, recursive)
        return
    if (set | clear) & MOUNT_ATTR__ATIME:
        clear |= MOUNT_ATTR__ATIME  # the kernel wants the whole field cleared before one kind is set
    attributes = struct.pack("=QQQQ", set, clear, propagation, 0)
    dir_fd, path, empty = _place(mount_fd_or_path)
    flags = empty | (libc.AT_RECURSIVE if recursive else 0)
    libc.syscall(mount_fd_or_path, "mount_setattr", dir_fd, path, flags, attributes, len(attributes))
