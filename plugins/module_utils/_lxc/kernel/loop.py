# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices (loop(4), linux/loop.h): an image file as a block device, for as long as somebody has it open or mounted.

One image has one device at a time: two would each have a cache of their own, and together destroy the file system in it. So one
that is there already is used, and a lock on the image keeps two from looking at the same moment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_CONTROL = "/dev/loop-control"
_LOOP_SET_FD = 0x4C00
_LOOP_CLR_FD = 0x4C01
_LOOP_SET_STATUS64 = 0x4C04
_LOOP_GET_STATUS64 = 0x4C05
_LOOP_SET_CAPACITY = 0x4C07
_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_READ_ONLY = 1
_LO_FLAGS_AUTOCLEAR = 4
# loop_info64: device, inode, rdevice, offset, sizelimit; number, type, key size, flags; file name, crypt name, key; init.
_INFO = struct.Struct("=5Q4I64s64s32s2Q")
# loop_config: the image's descriptor, the block's size (0: the kernel chooses), loop_info64, reserved.
_CONFIG = struct.Struct(f"=II{_INFO.size}s64s")
_TRIES = 100
_PAUSE = 0.02
_PATIENCE = 10.0  # seconds for who is attaching or letting go of the same image

# Whether the kernel has LOOP_CONFIGURE (Linux 5.8); a first EINVAL tells, and tests set it.
have_configure = True


class Device(NamedTuple):
    """An open loop device. It ends with the last descriptor and the last mount of it."""

    fd: int
    path: str
    read_only: bool


def problem() -> str:
    """What keeps this host from having loop devices; "" when nothing does. Opening the control device loads the module."""
    try:
        os.close(os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{_CONTROL}: {error.strerror}"
    return ""


def open_image(path: str, read_only: bool = False) -> int:
    """The image itself: never through a symbolic link, and a regular file."""
    fd = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd


def attach(path: str, read_only: bool = False) -> Device:
    """A device for this image: the one that it has already, else a free one. EBUSY when the one that is there can only be read."""
    image_fd = open_image(path, read_only)
    try:
        lock_fd = os.open(f"/proc/self/fd/{image_fd}", os.O_RDONLY | os.O_CLOEXEC)  # the device keeps the image's own open file
        try:
            return _attach(image_fd, lock_fd, path, read_only)
        finally:
            os.close(lock_fd)
    finally:
        os.close(image_fd)


def _attach(image_fd: int, lock_fd: int, path: str, read_only: bool) -> Device:
    deadline = time.monotonic() + _PATIENCE
    while True:
        holder = "another process attaches it"
        if _try_lock(lock_fd):
            device = _attached(image_fd)
            if device is None:
                return _configure_free(image_fd, path, read_only)
            if read_only or not device.read_only:
                return device
            os.close(device.fd)
            holder = f"{device.path} reads it"
        if time.monotonic() > deadline:
            raise OSError(errno.EBUSY, f"{os.strerror(errno.EBUSY)}: {holder}", path)
        time.sleep(_PAUSE)


def _try_lock(lock_fd: int) -> bool:
    """flock(2), which a descriptor that only reads can have too."""
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def without_device(path: str) -> Iterator[None]:
    """Nobody gets a device for this image meanwhile. EBUSY where it has one, or does not get rid of it."""
    image_fd = open_image(path)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _try_lock(image_fd) or attached(path):
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(image_fd)


def attached(path: str) -> list[str]:
    """The devices that an image has, whoever made them; none where it is not there."""
    try:
        image_fd = open_image(path, read_only=True)
    except FileNotFoundError:
        return []
    try:
        device = _attached(image_fd)
    finally:
        os.close(image_fd)
    if device is None:
        return []
    os.close(device.fd)
    return [device.path]


def _attached(image_fd: int) -> Device | None:
    """The device of this image, opened, if there is one."""
    wanted = os.fstat(image_fd)
    for name in os.listdir("/sys/block"):
        if not name.startswith("loop") or not os.path.isdir(f"/sys/block/{name}/loop"):
            continue
        try:
            fd = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has just gone
            continue
        info = _status(fd)
        if info is not None and info[:2] == (wanted.st_dev, wanted.st_ino):
            if info[3] or info[4]:  # offset, sizelimit
                os.close(fd)
                raise OSError(errno.EBUSY, f"{os.strerror(errno.EBUSY)}: /dev/{name} is a part of it")
            return Device(fd, f"/dev/{name}", bool(info[8] & _LO_FLAGS_READ_ONLY))
        os.close(fd)
    return None


def _status(fd: int) -> tuple[int, ...] | None:
    """loop_info64 of an open device, None for one without an image: asked of the open one, it cannot change any more."""
    buffer = bytearray(_INFO.size)
    try:
        fcntl.ioctl(fd, _LOOP_GET_STATUS64, buffer)
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ENOTTY):
            raise
        return None
    return _INFO.unpack(buffer)


def _configure_free(image_fd: int, path: str, read_only: bool) -> Device:
    """Somebody else may take the free one first, or remove it: then the next."""
    control_fd = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _attempt in range(_TRIES):
            device = f"/dev/loop{fcntl.ioctl(control_fd, _LOOP_CTL_GET_FREE)}"
            fd = -1
            try:
                fd = os.open(device, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
                _configure(fd, image_fd, path, read_only)
                return Device(fd, device, read_only)
            except OSError as error:
                if fd >= 0:
                    os.close(fd)
                if error.errno not in (errno.EBUSY, errno.ENXIO, errno.ENOENT, errno.ENODEV):
                    raise OSError(error.errno, error.strerror, path) from None
                last = error
            time.sleep(_PAUSE)
    finally:
        os.close(control_fd)
    raise OSError(last.errno, f"no free loop device: {last.strerror}", device)


def _configure(fd: int, image_fd: int, path: str, read_only: bool) -> None:
    """EINVAL is what a kernel without LOOP_CONFIGURE says to it, and what others say to an image that is no good."""
    global have_configure
    flags = _LO_FLAGS_AUTOCLEAR | (_LO_FLAGS_READ_ONLY if read_only else 0)
    info = _INFO.pack(*(0,) * 8, flags, os.fsencode(path)[:63], b"", b"", 0, 0)
    if have_configure:
        try:
            fcntl.ioctl(fd, _LOOP_CONFIGURE, _CONFIG.pack(image_fd, 0, info, b""))
            return
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise
    fcntl.ioctl(fd, _LOOP_SET_FD, image_fd)
    have_configure = False
    try:
        fcntl.ioctl(fd, _LOOP_SET_STATUS64, info)
    except OSError:
        fcntl.ioctl(fd, _LOOP_CLR_FD)
        raise


def grow(device: Device) -> None:
    """The device gets the size that its image has now (LOOP_SET_CAPACITY)."""
    fcntl.ioctl(device.fd, _LOOP_SET_CAPACITY)
