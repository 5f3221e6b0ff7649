# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a directory of the host: mounted by a bind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from ..errors import BadValue, StepError
from ..kernel import libc, mount
from ..paths import Container
from .base import Copied, make_root_directory


class Dir:
    kind = "dir"
    atomic = False

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        self._path = rootfs_path.removeprefix(f"{self.kind}:")
        if not self._path.startswith("/"):
            raise BadValue("lxc.rootfs.path", rootfs_path, "an absolute path")

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith(("dir:/", "/"))

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """`directory`: another place than the container's own directory, which must be empty or not there (lxc-create --dir)."""
        if "size" in options:
            from .size import no_quota

            raise no_quota(cls.kind, container.lxc_path)
        unknown = sorted(set(options) - {"directory"})
        if unknown:
            raise BadValue("backing_store", "dir", f"a backing store that takes {', '.join(unknown)}")
        path = str(options.get("directory") or container.rootfs)
        if not path.startswith("/") or ".." in path.split("/") or "\n" in path or ":" in path:
            raise BadValue("directory", path, "an absolute path without .. and without a colon in it")
        return "dir:" + path

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        place = cls.place(container, options)
        make_root_directory(place[4:])
        return place

    def mount(self, target: str, options: str) -> None:
        attributes, cleared, propagation, data = mount.parse_options(options)
        if data:
            raise StepError("mount", "Mount", self.rootfs_path, text=f"a directory takes no {data!r} in lxc.rootfs.options")
        attach(mount.open_tree(self._path, clone=True, recursive=True), target, propagation, attributes, cleared)

    def umount(self, target: str) -> None:
        if os.path.realpath(target) != os.path.realpath(self._path):
            mount.umount(target, libc.MNT_DETACH)

    def mount_host(self, target: str) -> str:  # noqa: ARG002 - the Protocol's name
        return self._path

    def directory(self) -> str:
        return self._path

    def destroy(self) -> None:
        from ..kernel import tree

        tree.remove(self._path)

    def size(self) -> Optional[int]:
        return None

    def resize(self, size: int) -> None:  # noqa: ARG002 - the Protocol's name
        from .size import no_quota

        raise no_quota(self.kind, self._path)

    def open_root(self) -> int:
        tree_fd = mount.open_tree(self._path, clone=True)
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_RDONLY)
        return tree_fd

    def snapshot(self, target: Container) -> Copied:
        """An overlay over this directory, as lxc-copy -s makes it; the source must not change from now on."""
        from .overlayfs import Overlayfs

        return Overlayfs.over([self._path], target)


def attach(tree_fd: int, target: str, propagation: int = 0, attributes: int = 0, cleared: int = 0) -> None:
    """Put a mount that is not attached yet on a directory of the host, with MOUNT_ATTR_* set and cleared, and close it."""
    try:
        if attributes or cleared:
            mount.set_attr(tree_fd, set=attributes, clear=cleared)
        target_fd = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount.attach(tree_fd, target_fd)
        finally:
            os.close(target_fd)
    except BaseException:
        mount.discard(tree_fd)
        raise
    os.close(tree_fd)
    if propagation:
        mount.set_attr(target, propagation=propagation, recursive=True)
