# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subvolumes and quota groups of btrfs by ioctl(2) (linux/btrfs.h, btrfs_tree.h), so without a program of btrfs-progs."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional, Union

from . import beneath, libc

_MAGIC = 0x9123683E
_SUBVOLUME_INODE = 256  # BTRFS_FIRST_FREE_OBJECTID: the number of every subvolume's top directory
_SUBVOL_RDONLY = 1 << 1
_SUBVOL_SPEC_BY_ID = 1 << 4
_ROOT_TREE, _QUOTA_TREE = 1, 8
_ROOT_REF_KEY, _QGROUP_LIMIT_KEY = 156, 244
_LIMIT_MAX_RFER = 1
_QUOTA_CTL_ENABLE = 1
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_ARGS = struct.Struct("=q4088s")  # vol_args: descriptor, name
_ARGS_V2 = struct.Struct("=qQQ32s4040s")  # vol_args_v2: descriptor or nothing, transaction, flags, unused, name or number
_KEY = struct.Struct("=7Q4I32s")
_HEADER = struct.Struct("=3Q2I")
_LIMIT = struct.Struct("=6Q")
_SIZE = 4096


def _number(direction: str, number: int, size: int) -> int:
    return libc.ioctl_number(direction, 0x94, number, size)


_RESIZE = _number("w", 3, _SIZE)
_SUBVOL_CREATE = _number("w", 14, _SIZE)
_SNAP_DESTROY = _number("w", 15, _SIZE)
_TREE_SEARCH = _number("rw", 17, _SIZE)
_INO_LOOKUP = _number("rw", 18, _SIZE)
_SNAP_CREATE_V2 = _number("w", 23, _SIZE)
_SUBVOL_GETFLAGS = _number("r", 25, 8)
_SUBVOL_SETFLAGS = _number("w", 26, 8)
_QUOTA_CTL = _number("rw", 40, 16)
_QGROUP_CREATE = _number("w", 42, 16)
_QGROUP_LIMIT = _number("r", 43, _LIMIT.size)
_SNAP_DESTROY_V2 = _number("w", 63, _SIZE)


class Nested(NamedTuple):
    """A subvolume inside another: its number, and where it is below the outermost one, as a path."""

    id: int
    path: str


def is_btrfs(path_or_fd: Union[int, str]) -> bool:
    if isinstance(path_or_fd, int):
        return libc.fstatfs_type(path_or_fd) == _MAGIC
    fd = os.open(path_or_fd, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return libc.fstatfs_type(fd) == _MAGIC
    finally:
        os.close(fd)


def is_subvolume(path: str) -> bool:
    """Whether a subvolume's top directory is there itself, not a symbolic link to one."""
    try:
        fd = os.open(path, _DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        return os.fstat(fd).st_ino == _SUBVOLUME_INODE and is_btrfs(fd)
    finally:
        os.close(fd)


def create(parent_fd: int, name: str) -> None:
    """BTRFS_IOC_SUBVOL_CREATE"""
    _ioctl(parent_fd, _SUBVOL_CREATE, bytearray(_ARGS.pack(0, _name(name))), name)


def snapshot(source_fd: int, parent_fd: int, name: str) -> None:
    """BTRFS_IOC_SNAP_CREATE_V2 of what a descriptor is open on. Where subvolumes are nested in it, the copy has empty directories."""
    _ioctl(parent_fd, _SNAP_CREATE_V2, bytearray(_ARGS_V2.pack(source_fd, 0, 0, b"", _name(name))), name)


def snapshot_nested(source_fd: int, parent_fd: int, name: str) -> None:
    """Fill those empty directories too, outermost first, each with a copy of its own; what can only be read stays so."""
    inside = nested(source_fd)
    if not inside:
        return
    top_fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
    closed: list[int] = []
    try:
        for one in inside:
            directory, _slash, last = one.path.rstrip("/").rpartition("/")
            place_fd = beneath.open_beneath(top_fd, directory, _DIRECTORY)
            inner_fd = beneath.open_beneath(source_fd, one.path, _DIRECTORY)
            try:
                os.rmdir(last, dir_fd=place_fd)
                snapshot(inner_fd, place_fd, last)
                if is_read_only(inner_fd):
                    closed.append(beneath.open_beneath(place_fd, last, _DIRECTORY))
            finally:
                os.close(inner_fd)
                os.close(place_fd)
        for fd in closed:
            set_read_only(fd, True)
    finally:
        for fd in (top_fd, *closed):
            os.close(fd)


def number(fd: int) -> int:
    """The number of the subvolume that the descriptor is in."""
    buffer = bytearray(_SIZE)
    struct.pack_into("=QQ", buffer, 0, 0, _SUBVOLUME_INODE)
    _ioctl(fd, _INO_LOOKUP, buffer, fd)
    return int(struct.unpack_from("=Q", buffer)[0])


def nested(fd: int) -> list[Nested]:
    """All subvolumes inside that of an open top directory, each one after those that it is in."""
    found = [Nested(number(fd), "")]
    looked_at = 0
    while looked_at < len(found):
        outer = found[looked_at]
        looked_at += 1
        for inner, data in _items(fd, _ROOT_TREE, outer.id, _ROOT_REF_KEY):
            directory, _sequence, length = struct.unpack_from("=QQH", data)
            name = os.fsdecode(data[18 : 18 + length])
            found.append(Nested(inner, f"{outer.path}{_path(fd, outer.id, directory)}{name}/"))
    return found[1:]


def _path(fd: int, subvolume: int, directory: int) -> str:
    """Of a directory below its subvolume's top, ending with a slash ("" for the top); BTRFS_IOC_INO_LOOKUP."""
    buffer = bytearray(_SIZE)
    struct.pack_into("=QQ", buffer, 0, subvolume, directory)
    try:
        _ioctl(fd, _INO_LOOKUP, buffer, fd)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # then it is known by its number alone
            return "?/"
        raise
    return os.fsdecode(bytes(buffer[16:]).partition(b"\0")[0])


def _items(fd: int, tree: int, objectid: int, kind: int, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """(offset of the key, data) of the items with this object and kind; BTRFS_IOC_TREE_SEARCH."""
    while True:
        buffer = bytearray(_SIZE)
        _KEY.pack_into(buffer, 0, tree, objectid, objectid, offset, 2**64 - 1, 0, 2**64 - 1, kind, kind, 4096, 0, b"")
        _ioctl(fd, _TREE_SEARCH, buffer, fd)
        count, place = _KEY.unpack_from(buffer)[9], _KEY.size
        for _item in range(count):
            _transaction, _object, offset, _kind, length = _HEADER.unpack_from(buffer, place)
            place += _HEADER.size + length
            yield offset, bytes(buffer[place - length : place])
        if not count or offset == 2**64 - 1:
            return
        offset += 1


def destroy(parent_fd: int, name: str) -> None:
    """Remove a subvolume with those nested in it, the innermost first. What is not there is no error."""
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    try:
        inside = nested(fd)
        for one in reversed(inside):
            _destroy_nested(fd, one)
        own = number(fd)
        _ioctl(parent_fd, _SNAP_DESTROY, bytearray(_ARGS.pack(0, _name(name))), name)
        _forget_qgroups(parent_fd, [own, *(one.id for one in inside)])
    finally:
        os.close(fd)


def _destroy_nested(top_fd: int, one: Nested) -> None:
    """By its number (Linux 5.7), wherever it is; inside one that can only be read, or before that, by its path."""
    try:
        _ioctl(top_fd, _SNAP_DESTROY_V2, bytearray(_ARGS_V2.pack(0, 0, _SUBVOL_SPEC_BY_ID, b"", struct.pack("=Q", one.id))), one.path)
        return
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOTTY, errno.EOPNOTSUPP):
            raise
    directory, _slash, name = one.path.rstrip("/").rpartition("/")
    parent_fd = beneath.open_beneath(top_fd, directory, _DIRECTORY)
    try:
        set_read_only(parent_fd, False)
        _ioctl(parent_fd, _SNAP_DESTROY, bytearray(_ARGS.pack(0, _name(name))), one.path)
    finally:
        os.close(parent_fd)


def is_read_only(fd: int) -> bool:
    """Of the subvolume; its top directory has to be open for this (BTRFS_IOC_SUBVOL_GETFLAGS)."""
    buffer = bytearray(8)
    _ioctl(fd, _SUBVOL_GETFLAGS, buffer, fd)
    return bool(struct.unpack("=Q", buffer)[0] & _SUBVOL_RDONLY)


def set_read_only(fd: int, value: bool) -> None:
    """Of the subvolume that the descriptor is in."""
    top_fd = _top(fd)
    try:
        if is_read_only(top_fd) != value:
            _ioctl(top_fd, _SUBVOL_SETFLAGS, bytearray(struct.pack("=Q", _SUBVOL_RDONLY if value else 0)), fd)
    finally:
        os.close(top_fd)


def _top(fd: int) -> int:
    """The top directory of the subvolume that a directory is in."""
    top_fd = os.open(".", _DIRECTORY, dir_fd=fd)
    while os.fstat(top_fd).st_ino != _SUBVOLUME_INODE:
        above_fd = os.open("..", _DIRECTORY, dir_fd=top_fd)
        os.close(top_fd)
        top_fd = above_fd
    return top_fd


def enable_quota(fd: int) -> None:
    """For the whole file system; where it is enabled, nothing changes."""
    _ioctl(fd, _QUOTA_CTL, bytearray(struct.pack("=QQ", _QUOTA_CTL_ENABLE, 0)), fd)


def set_limit(fd: int, size: Optional[int]) -> None:
    """What the subvolume of an open directory may refer to, in bytes; None: all. ENOTCONN or EINVAL where there is no quota."""
    limit = _LIMIT.pack(number(fd), _LIMIT_MAX_RFER, 2**64 - 1 if size is None else size, 0, 0, 0)
    _ioctl(fd, _QGROUP_LIMIT, bytearray(limit), fd)


def limit(fd: int) -> Optional[int]:
    """What `set_limit` has set; None for nothing, and where there is no quota."""
    own = number(fd)
    try:
        for found, data in _items(fd, _QUOTA_TREE, 0, _QGROUP_LIMIT_KEY, own):
            flags, most = struct.unpack_from("=QQ", data)
            if found == own:
                return most if flags & _LIMIT_MAX_RFER and most != 2**64 - 1 else None
            break
    except FileNotFoundError:  # no quota tree
        pass
    return None


def _forget_qgroups(fd: int, numbers: list[int]) -> None:
    """Of subvolumes that are gone. A kernel that does so itself, later, says EBUSY; a number never comes again, so nothing is lost."""
    for one in numbers:
        try:
            fcntl.ioctl(fd, _QGROUP_CREATE, struct.pack("=QQ", 0, one))
        except OSError:
            continue


def resize_to_device(fd: int) -> None:
    """The mounted file system gets all of its device (BTRFS_IOC_RESIZE)."""
    _ioctl(fd, _RESIZE, bytearray(_ARGS.pack(0, b"max")), fd)


def _name(name: str) -> bytes:
    encoded = os.fsencode(name)
    if not encoded or len(encoded) > 255 or b"/" in encoded:
        raise OSError(errno.EINVAL, "not the name of a subvolume", name)
    return encoded


def _ioctl(fd: int, request: int, buffer: bytearray, subject: Union[int, str]) -> None:
    try:
        fcntl.ioctl(fd, request, buffer)
    except OSError as error:
        raise OSError(error.errno, error.strerror, libc.describe(subject) if isinstance(subject, int) else subject) from None
