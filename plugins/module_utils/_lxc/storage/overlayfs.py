# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root is a file system of layers: read-only lower directories and an upper one that takes the changes (Linux' overlayfs.rst).

`overlay:LOWER[:LOWER...]:UPPER` (LXC 2.1 and later) or `overlayfs:` with the same (1.0); the work directory stands beside the upper
one, `work` or, as LXC had it before 4.0, `olwork`. A new container is filled in the lower layer, so that snapshots share it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..errors import BadValue
from ..kernel import libc, mount
from ..paths import Container
from .base import Copied, make_root_directory

_PREFIXES = ("overlayfs:", "overlay:")
# The kernel splits its options at these; nobody names a directory so, and LXC does not escape them.
_UNUSABLE = (":", ",", "\\", "\n")


class Overlayfs:
    kind = "overlayfs"
    atomic = False

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        layers = rootfs_path.partition(":")[2].split(":")
        if not self.detect(rootfs_path) or len(layers) < 2 or not all(layer.startswith("/") for layer in layers):
            raise BadValue("lxc.rootfs.path", rootfs_path, "overlay:LOWER:UPPER with absolute paths")
        if any("," in layer or "\\" in layer for layer in layers):
            raise BadValue("lxc.rootfs.path", rootfs_path, "paths without a comma or a backslash in them")
        self.lowers = layers[:-1]
        self.upper = layers[-1]

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith(_PREFIXES)

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        if "size" in options:
            from .size import no_quota

            raise no_quota(cls.kind, container.lxc_path)
        if options:
            raise BadValue("backing_store", "overlayfs", f"a backing store that takes {', '.join(sorted(options))}")
        check_layer(container.directory)
        return cls._text([container.rootfs], container)

    @staticmethod
    def _text(lowers: Sequence[str], target: Container) -> str:
        return f"overlay:{':'.join(lowers)}:{target.directory}/overlay/delta"

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        cls.place(container, options)
        make_root_directory(container.rootfs)
        return cls.over([container.rootfs], container).rootfs_path

    @classmethod
    def over_place(cls, lowers: Sequence[str], target: Container) -> str:
        """What `over` will return; nothing is touched."""
        for place in (*lowers, target.directory):
            check_layer(place)
        return cls._text(lowers, target)

    @classmethod
    def over(cls, lowers: Sequence[str], target: Container) -> Copied:
        """A new upper layer of `target` over these."""
        cls.over_place(lowers, target)
        base = f"{target.directory}/overlay"
        for place in (base, f"{base}/delta", f"{base}/work"):
            make_root_directory(place)
        _show(lowers[0], f"{base}/delta")
        return Copied(cls._text(lowers, target), depends=True)

    @property
    def work(self) -> str:
        beside = os.path.dirname(self.upper)
        old = f"{beside}/olwork"
        return old if os.path.isdir(old) or os.path.basename(self.upper) == "delta0" else f"{beside}/work"

    def mount(self, target: str, options: str) -> None:
        """By mount(2): fsconfig(2) takes at most 255 bytes a value, and a row of lower layers is longer."""
        attributes, cleared, propagation, data = mount.parse_options(options)
        os.makedirs(self.work, 0o755, exist_ok=True)
        layers = f"lowerdir={':'.join(self.lowers)},upperdir={self.upper},workdir={self.work}"
        mount.mount("overlay", target, "overlay", 0, f"{layers},{data}" if data else layers)
        if attributes or cleared:
            mount.set_attr(target, set=attributes, clear=cleared)
        if propagation:
            mount.set_attr(target, propagation=propagation, recursive=True)

    def umount(self, target: str) -> None:
        if target not in self.lowers:
            mount.umount(target, libc.MNT_DETACH)
        elif self._is_new():
            _show(target, self.upper)

    def mount_host(self, target: str) -> str:
        """A new container's files go into its own lower layer; what has changed already is only seen through a mount."""
        if self._is_new():
            return self.lowers[0]
        self.mount(target, "")
        return target

    def _is_new(self) -> bool:
        return os.path.dirname(self.lowers[0]) == os.path.dirname(os.path.dirname(self.upper)) and not os.listdir(self.upper)

    def directory(self) -> str:
        return self.lowers[0]

    def destroy(self) -> None:
        """The upper layer, its work directory, and a lower one that is a container's own: where LXC puts it, and no other."""
        from ..kernel import tree

        for place in (self.upper, self.work):
            tree.remove(place)
        for lower in self.lowers:
            home, name = os.path.split(lower)
            if name == "rootfs" and self.upper in (f"{home}/overlay/delta", f"{home}/delta0"):
                tree.remove(lower)

    def size(self) -> None:
        return None

    def resize(self, size: int) -> None:  # noqa: ARG002 - the Protocol's name
        from .size import no_quota

        raise no_quota(self.kind, self.upper)

    def open_root(self) -> int:
        """All layers as one: the upper is the first lower one. By descriptor, which fits into fsconfig(2)'s 255 bytes."""
        layer_fds = [os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for layer in (self.upper, *self.lowers)]
        try:
            lowers = ":".join(f"/proc/self/fd/{fd}" for fd in layer_fds)
            return mount.new_fs("overlay", {"lowerdir": lowers}, mount.MOUNT_ATTR_RDONLY, "overlay")
        finally:
            for fd in layer_fds:
                os.close(fd)

    def snapshot(self, target: Container) -> Copied:
        """The same lower layers, and a copy of the upper one."""
        from ..kernel import tree

        copied = self.over(self.lowers, target)
        tree.copy(self.upper, Overlayfs(copied.rootfs_path).upper)
        return copied


def _show(lower: str, upper: str) -> None:
    """Whose the root is, its mode and its times: of directories that are in several layers, those of the upper one are seen."""
    from ..kernel import tree

    tree.copy_attributes(lower, upper)


def check_layer(path: str) -> None:
    """BadValue for a path that cannot stand in `lxc.rootfs.path` or in the kernel's options."""
    if not path.startswith("/") or any(sign in path for sign in _UNUSABLE):
        raise BadValue("lxc_path", path, "an absolute path without a colon, a comma or a backslash for overlayfs")
