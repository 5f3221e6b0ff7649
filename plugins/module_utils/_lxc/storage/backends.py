# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backend: by the name that a user says at creation, and by what stands in `lxc.rootfs.path` afterwards.

The imports are literal and lazy: what is imported under a computed name is not shipped to the target.
"""

from __future__ import annotations

import os
import stat

from ..errors import BadValue, Unsupported
from .base import Backend

_RARE = ("aufs", "lvm", "zfs")
# The backends of LXC that are not made yet.
_ABSENT = ("nbd", "rbd")
# lxc-create(1) calls the plain directory "none" too; LXC 2.1 renamed overlayfs to overlay.
_ALIASES = {"none": "dir", "overlay": "overlayfs"}
NAMES = ("dir", "overlayfs", "btrfs", "loop", "lvm", "zfs", "aufs", "best")
_SUBVOLUME_INODE, _DATASET_INODE = 256, 34


def by_name(kind: str, lxc_path: str = "/") -> type[Backend]:
    """The class for a backing store's name; `best` is what suits the lxcpath."""
    name = _best(lxc_path) if kind == "best" else _ALIASES.get(kind, kind)
    if name == "dir":
        from .dir import Dir

        return Dir
    if name == "overlayfs":
        from .overlayfs import Overlayfs

        return Overlayfs
    if name == "btrfs":
        from .btrfs import Btrfs

        return Btrfs
    if name == "loop":
        from .loop import Loop

        return Loop
    if name in _RARE:
        from .rare import CLASSES

        return CLASSES[name]
    if name in _ABSENT:
        raise Unsupported(f"The backing store {kind} is not supported yet", hint="Use dir, overlayfs, btrfs, loop, lvm or zfs")
    raise BadValue("backing_store", kind, f"one of {', '.join(NAMES)}")


def _best(lxc_path: str) -> str:
    """LXC tries btrfs, zfs, lvm and dir in this order."""
    from .btrfs import can_hold

    return "btrfs" if can_hold(lxc_path) else "dir"


def kind_of(rootfs_path: str) -> str:
    """The backend's name for a text of `lxc.rootfs.path`. Of one without a prefix, as LXC 1.0 wrote it, what stands there tells."""
    prefix, colon, _rest = rootfs_path.partition(":")
    if colon and (prefix in _ALIASES or prefix in (*NAMES[:-1], *_ABSENT)):
        return _ALIASES.get(prefix, prefix)
    try:
        found = os.stat(rootfs_path if rootfs_path.startswith("/") else "/")
    except OSError:
        return "dir"
    if stat.S_ISBLK(found.st_mode):
        return "lvm"
    if stat.S_ISREG(found.st_mode):
        return "loop"
    if found.st_ino == _DATASET_INODE:
        from .zfs import mounted_on

        return "zfs" if mounted_on(rootfs_path) else "dir"
    if found.st_ino != _SUBVOLUME_INODE:
        return "dir"
    from ..kernel.btrfs import is_subvolume

    return "btrfs" if is_subvolume(rootfs_path) else "dir"


def for_rootfs(rootfs_path: str) -> Backend:
    """The backend of an existing container. An empty path (template none) has none: BadValue."""
    if not rootfs_path:
        raise BadValue("lxc.rootfs.path", rootfs_path, "the place of a root file system")
    return by_name(kind_of(rootfs_path))(rootfs_path)


def preload(rootfs_path: str) -> None:
    """Import now what `mount` of this backend will use, and fail now if it cannot work."""
    if not rootfs_path:
        return
    backend = for_rootfs(rootfs_path)
    if backend.kind in _RARE:
        from .rare import prepare

        prepare(backend)


def directory(rootfs_path: str) -> str:
    """The root's place on the host, as absolute mount targets in a config spell it; "" when there is none."""
    return for_rootfs(rootfs_path).directory() if rootfs_path else ""
