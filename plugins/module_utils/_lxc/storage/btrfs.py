# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a subvolume, where the lxcpath lies on a btrfs: copied by a snapshot, and kept to a size by its quota group."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Optional

from ..errors import BadValue, StepError, Unsupported
from ..kernel import btrfs
from ..paths import Container
from ..rollback import Rollback
from . import size as sizes
from .base import Copied
from .dir import Dir

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Btrfs(Dir):
    kind = "btrfs"
    atomic = True

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        """LXC 1.0 wrote no prefix."""
        return rootfs_path.startswith("btrfs:/") or (rootfs_path.startswith("/") and btrfs.is_subvolume(rootfs_path))

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """`size`: what the files in it may take together."""
        unknown = sorted(set(options) - {"size"})
        if unknown:
            raise BadValue("backing_store", "btrfs", f"a backing store that takes {', '.join(unknown)}")
        if "size" in options:
            sizes.parse(options["size"])
        if not can_hold(container.directory):
            from ..kernel import mountinfo

            where = mountinfo.of_path(container.directory)
            text = f"{container.lxc_path} is not on a btrfs: {where.target} is {where.fstype}"
            raise Unsupported(text, hint="Mount a btrfs there, or use another backing_store")
        return f"btrfs:{container.rootfs}"

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        place = cls.place(container, options)
        with Rollback() as rollback:
            parent_fd = os.open(container.directory, _DIRECTORY)
            try:
                btrfs.create(parent_fd, "rootfs")
            finally:
                os.close(parent_fd)
            rollback.add(cls(place).destroy)
            os.chmod(container.rootfs, 0o755)
            if "size" in options:
                cls(place).resize(sizes.parse(options["size"]))
            rollback.keep()
        return place

    def destroy(self) -> None:
        """With the subvolumes that were made inside."""
        from ..kernel import tree

        if not btrfs.is_subvolume(self._path):
            tree.remove(self._path)
            return
        below = tree.mounts_below(self._path)
        if below:
            raise OSError(errno.EBUSY, f"{below[0]} is mounted there", self._path)
        parent_fd = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            btrfs.destroy(parent_fd, os.path.basename(self._path))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            tree.remove(self._path)  # which goes down step by step; an empty subvolume is removed as a directory (Linux 4.18)
        finally:
            os.close(parent_fd)

    def snapshot(self, target: Container) -> Copied:
        """Each subvolume at one moment; those nested in it are copied after it. The kernel gives the copy the limit of the original."""
        copied = Copied(f"btrfs:{target.rootfs}", depends=False)
        with Rollback() as rollback:
            source_fd = os.open(self._path, _DIRECTORY)
            target_fd = -1
            try:
                target_fd = os.open(target.directory, _DIRECTORY)
                btrfs.snapshot(source_fd, target_fd, "rootfs")
                rollback.add(Btrfs(copied.rootfs_path).destroy)
                btrfs.snapshot_nested(source_fd, target_fd, "rootfs")
            except OSError as error:
                if error.errno == errno.EXDEV:
                    text = f"{target.lxc_path} is not on the file system of {self._path}"
                    raise Unsupported(text, hint="Make a full copy") from error
                raise
            finally:
                os.close(source_fd)
                if target_fd >= 0:
                    os.close(target_fd)
            rollback.keep()
        return copied

    def size(self) -> Optional[int]:
        root_fd = os.open(self._path, _DIRECTORY)
        try:
            return btrfs.limit(root_fd)
        finally:
            os.close(root_fd)

    def resize(self, size: int) -> None:
        """Up or down: what is there already stays. The first limit enables quotas for the whole file system."""
        root_fd = os.open(self._path, _DIRECTORY)
        try:
            try:
                btrfs.set_limit(root_fd, size)
            except OSError as error:
                if error.errno not in (errno.ENOTCONN, errno.EINVAL, errno.ENOENT):
                    raise
                btrfs.enable_quota(root_fd)
                btrfs.set_limit(root_fd, size)
        except OSError as error:
            hint = "Quotas of btrfs cannot be enabled here: leave size out"
            raise StepError("storage", "Limit", self._path, error.errno or 0, hint=hint) from error
        finally:
            os.close(root_fd)


def can_hold(path: str) -> bool:
    """Whether this path, or the nearest directory above it that exists, is on a btrfs."""
    while not os.path.isdir(path) and path != "/":
        path = os.path.dirname(path)
    return btrfs.is_btrfs(path)
