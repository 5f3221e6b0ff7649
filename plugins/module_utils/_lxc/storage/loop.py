# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a file system in an image file: `loop:/var/lib/lxc/NAME/rootdev`. Needs mkfs.ext4, mkfs.xfs and so on at creation only."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from ..errors import BadValue, Unsupported
from ..kernel import libc, loop, mount
from ..paths import Container
from . import size as sizes
from .base import Copied
from .volume import Volume, fs_options, fs_type

SIZE = 1 << 30  # as LXC's
FS_TYPE = "ext4"


class Loop(Volume):
    kind = "loop"
    atomic = False

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        self._image = rootfs_path[5:] if rootfs_path.startswith("loop:") else rootfs_path
        if not self._image.startswith("/"):
            raise BadValue("lxc.rootfs.path", rootfs_path, "loop: with the absolute path of an image file")

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith("loop:/") or (rootfs_path.startswith("/") and os.path.isfile(rootfs_path))

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """`size` (1 GiB) of the image, and `fs_type` (ext4) of what is in it."""
        from . import mkfs

        unknown = sorted(set(options) - {"size", "fs_type"})
        if unknown:
            raise BadValue("backing_store", "loop", f"a backing store that takes {', '.join(unknown)}")
        mkfs.check(str(options.get("fs_type", FS_TYPE)), sizes.parse(options.get("size", SIZE)))
        problem = loop.problem()
        if problem:
            raise Unsupported(f"There are no loop devices on this host: {problem}", hint="Use backing_store: dir")
        return f"loop:{container.directory}/rootdev"

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        from . import mkfs

        place = cls.place(container, options)
        mkfs.make(place[5:], str(options.get("fs_type", FS_TYPE)), sizes.parse(options.get("size", SIZE)))
        return place

    def not_written(self, error: OSError) -> OSError:
        """The device says EIO for a full file system too."""
        host = os.statvfs(self._image)
        code = errno.ENOSPC if host.f_bavail * host.f_frsize < 1 << 20 else error.errno
        return OSError(code, os.strerror(code or 0), self._image)

    def directory(self) -> str:
        """Nothing is there; but configs spell targets so, whatever the backend."""
        return f"{os.path.dirname(self._image)}/rootfs"

    def destroy(self) -> None:
        """First what a creation that was killed has left mounted."""
        place = self.directory()
        for device in _mounted(place):
            if device in loop.attached(self._image):
                mount.umount(place, libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)
        try:
            os.unlink(self._image)
        except FileNotFoundError:
            pass

    def open_root(self) -> int:
        """From a device that cannot be written, so that the image stays as it is. Only a journal that a crash has left is played back."""
        try:
            return self.open_fs(mount.MOUNT_ATTR_RDONLY, "", read_only=True)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
        return self.open_fs(mount.MOUNT_ATTR_RDONLY, "")

    def snapshot(self, target: Container) -> Copied:  # noqa: ARG002 - the Protocol's name
        raise Unsupported("The backing store loop makes no snapshots", hint="Make a full copy, or keep the container on btrfs")

    def size(self) -> int:
        return os.stat(self._image).st_size

    def resize(self, size: int) -> None:
        """Grow the image, its device and the file system in it, mounted or not."""
        from . import grow

        before = self.size()
        if size < before:
            expected = f"at least {sizes.words(before)}, which {self._image} has: the file system in an image does not shrink"
            raise BadValue("size", sizes.words(size), expected)
        if size > before:
            grow.image(self._image, before, size, lambda: self.open_fs(0, ""))

    def open_fs(self, attributes: int, data: str, read_only: bool = False) -> int:
        """The file system as a mount that is attached nowhere, and keeps its device."""
        device = loop.attach(self._image, read_only)
        try:
            return mount.new_fs(fs_type(device.fd, device.path), fs_options(data), attributes, device.path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._image) from None
        finally:
            os.close(device.fd)


def _mounted(place: str) -> list[str]:
    """The devices that are mounted on this place."""
    from ..kernel import mountinfo

    real = os.path.realpath(place)
    return [one.source for one in mountinfo.read() if one.target == real]
