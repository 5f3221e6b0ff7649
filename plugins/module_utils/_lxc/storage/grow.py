# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image or a logical volume grows, and with it its device and the file system in it: by the kernel, which resize2fs,
xfs_growfs and btrfs ask as well.

Only where the kernel does not let us grow an ext4 so (it takes CAP_SYS_RESOURCE), that of a container that does not run needs resize2fs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable

from ..errors import BadValue, StepError, Unsupported
from ..kernel import btrfs, command, libc, loop, lvm, mount
from . import size as sizes

_EXT, _XFS, _BTRFS = 0xEF53, 0x58465342, 0x9123683E
_LEAST_BTRFS = 256 << 20
_EXT4_IOC_RESIZE_FS = libc.ioctl_number("w", 0x66, 16, 8)
_XFS_IOC_FSGEOMETRY_V1 = libc.ioctl_number("r", 0x58, 100, 112)
_XFS_IOC_FSGROWFSDATA = libc.ioctl_number("w", 0x58, 110, 16)


def image(path: str, before: int, size: int, opened: Callable[[], int]) -> None:
    """`opened` gives the mounted file system, as `mount.new_fs` does. When it fails, the image has the size that it had."""
    was_free = not loop.attached(path)
    try:
        os.truncate(path, size)
        try:
            _online(path, size, opened)
        except PermissionError:
            if not was_free:
                raise
            _offline(path)
    except BaseException as error:
        os.truncate(path, before)
        _tell_device(path)
        if isinstance(error, PermissionError):
            hint = "Stop the container, or grow it where root has CAP_SYS_RESOURCE"
            raise StepError("storage", "Grow", path, error.errno or 0, hint=hint) from error
        raise


def volume(place: tuple[str, str], before: int, size: int, opened: Callable[[], int]) -> None:
    """`place` is its group and its name. When it fails, the volume has the size that it had."""
    lvm.extend(*place, size)
    try:
        mount_fd = opened()
        try:
            to_device(mount_fd, size)
        finally:
            mount.discard(mount_fd)
    except BaseException as error:
        lvm.reduce(*place, before)
        if isinstance(error, PermissionError):
            hint = "Grow it where root has CAP_SYS_RESOURCE"
            raise StepError("storage", "Grow", "/".join(place), error.errno or 0, hint=hint) from error
        raise


def _tell_device(path: str) -> None:
    if loop.attached(path):
        device = loop.attach(path, read_only=True)
        try:
            loop.grow(device)
        finally:
            os.close(device.fd)


def _online(path: str, size: int, opened: Callable[[], int]) -> None:
    device = loop.attach(path)
    try:
        loop.grow(device)
        mount_fd = opened()
        try:
            to_device(mount_fd, size)
        finally:
            mount.discard(mount_fd)
    finally:
        os.close(device.fd)


def _offline(path: str) -> None:
    with loop.without_device(path):
        for program, *options in (("e2fsck", "-f", "-p"), ("resize2fs",)):
            if not command.which(program):
                raise Unsupported(f"This host has no {program}", hint="Install e2fsprogs, as Debian calls it")
            result = command.run([program, *options, path])
            if result.rc > (1 if program == "e2fsck" else 0):  # 1: it has corrected something
                raise StepError("storage", program, path, text=(result.stderr.strip() or result.stdout.strip())[-300:])


def to_device(mount_fd: int, size: int) -> None:
    """`mount_fd` is its root, maybe only a place (O_PATH); `size` is what its device has now, in bytes."""
    root_fd = os.open(f"/proc/self/fd/{mount_fd}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kind = libc.fstatfs_type(root_fd)
        if kind == _EXT:
            fcntl.ioctl(root_fd, _EXT4_IOC_RESIZE_FS, struct.pack("=Q", size // os.fstatvfs(root_fd).f_frsize))
        elif kind == _XFS:
            _grow_xfs(root_fd, size)
        elif kind == _BTRFS:
            if size < _LEAST_BTRFS:
                raise BadValue("size", sizes.words(size), f"at least {sizes.words(_LEAST_BTRFS)}, to which a btrfs can be resized")
            btrfs.resize_to_device(root_fd)
        else:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    finally:
        os.close(root_fd)


def _grow_xfs(root_fd: int, size: int) -> None:
    """xfs_fsop_geom_v1 begins with eight words, of which the block's size is the first and imaxpct the last, and the count of blocks."""
    buffer = bytearray(112)
    fcntl.ioctl(root_fd, _XFS_IOC_FSGEOMETRY_V1, buffer)
    words = struct.unpack_from("=8I", buffer)
    blocks = size // words[0]
    if blocks > struct.unpack_from("=Q", buffer, 32)[0]:
        fcntl.ioctl(root_fd, _XFS_IOC_FSGROWFSDATA, struct.pack("=QI4x", blocks, words[7]))
