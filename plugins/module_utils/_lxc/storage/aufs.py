# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`aufs:LOWER:UPPER`, as LXC before 3.0 has it: works where the kernel has aufs, which no mainline kernel ever had."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import BadValue, Unsupported
from ..kernel import libc, mount
from ..paths import Container
from .base import Copied, make_root_directory


class Aufs:
    kind = "aufs"
    atomic = False

    def __init__(self, rootfs_path: str) -> None:
        self.rootfs_path = rootfs_path
        layers = rootfs_path.partition(":")[2].split(":")
        if not self.detect(rootfs_path) or len(layers) != 2 or not all(layer.startswith("/") for layer in layers):
            raise BadValue("lxc.rootfs.path", rootfs_path, "aufs:LOWER:UPPER with absolute paths")
        if any("," in layer or "=" in layer for layer in layers):
            raise BadValue("lxc.rootfs.path", rootfs_path, "paths without a comma or an equals sign in them")
        self.lower, self.upper = layers

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        return rootfs_path.startswith("aufs:")

    @staticmethod
    def check_host() -> None:
        if not mount.knows_fs("aufs"):
            raise Unsupported("This host's kernel has no aufs", hint="Use backing_store: overlayfs, which does the same")

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        if options:
            raise BadValue("backing_store", "aufs", f"a backing store that takes {', '.join(sorted(options))}")
        cls.check_host()
        return cls(f"aufs:{container.rootfs}:{container.directory}/delta0").rootfs_path

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        place = cls.place(container, options)
        for directory in (container.rootfs, f"{container.directory}/delta0"):
            make_root_directory(directory)
        return place

    def mount(self, target: str, options: str) -> None:
        self.check_host()
        attributes, cleared, propagation, data = mount.parse_options(options)
        branches = f"br={self.upper}=rw:{self.lower}=ro,xino=/dev/shm/aufs.xino"
        mount.mount("none", target, "aufs", 0, f"{branches},{data}" if data else branches)
        if attributes or cleared:
            mount.set_attr(target, set=attributes, clear=cleared)
        if propagation:
            mount.set_attr(target, propagation=propagation, recursive=True)

    def umount(self, target: str) -> None:
        if target != self.lower:
            mount.umount(target, libc.MNT_DETACH)

    def mount_host(self, target: str) -> str:
        if os.path.dirname(self.lower) == os.path.dirname(self.upper) and not os.listdir(self.upper):
            return self.lower
        self.mount(target, "")
        return target

    def directory(self) -> str:
        return self.lower

    def destroy(self) -> None:
        """The upper layer, and a lower one that is the container's own: where LXC puts it, and no other."""
        from ..kernel import tree

        tree.remove(self.upper)
        if os.path.basename(self.lower) == "rootfs" and self.upper == f"{os.path.dirname(self.lower)}/delta0":
            tree.remove(self.lower)

    def open_root(self) -> int:
        self.check_host()
        return mount.new_fs("aufs", {"br": f"{self.upper}=ro:{self.lower}=ro"}, mount.MOUNT_ATTR_RDONLY, "none")

    def snapshot(self, target: Container) -> Copied:
        """The same lower layer, and a copy of the upper one."""
        from ..kernel import tree

        self.check_host()
        copied = Copied(f"aufs:{self.lower}:{target.directory}/delta0", depends=True)
        make_root_directory(f"{target.directory}/delta0")
        tree.copy(self.upper, f"{target.directory}/delta0")
        return copied

    def size(self) -> None:
        return None

    def resize(self, size: int) -> None:  # noqa: ARG002 - the Protocol's name
        from .size import no_quota

        raise no_quota("aufs", self.upper)
