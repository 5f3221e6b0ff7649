# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backend: by the name that a user says at creation, and by what stands in `lxc.rootfs.path` afterwards.

The imports are literal and lazy: what is imported under a computed name is not shipped to the target.
"""

from __future__ import annotations

from ..errors import BadValue, Unsupported
from .base import Backend

# The backends of LXC that are not made yet.
_ABSENT = ("btrfs", "lvm", "zfs", "loop", "aufs", "nbd", "rbd")
# lxc-create(1) calls the plain directory "none" too; LXC 2.1 renamed overlayfs to overlay.
_ALIASES = {"none": "dir", "overlay": "overlayfs", "best": "dir"}
NAMES = ("dir", "overlayfs", "best", *_ABSENT[:5])


def by_name(kind: str) -> type[Backend]:
    """The class for a backing store's name."""
    name = _ALIASES.get(kind, kind)
    if name == "dir":
        from .dir import Dir

        return Dir
    if name == "overlayfs":
        from .overlayfs import Overlayfs

        return Overlayfs
    if name in _ABSENT:
        raise Unsupported(f"The backing store {kind} is not supported yet", hint="Use dir or overlayfs")
    raise BadValue("backing_store", kind, f"one of {', '.join(NAMES)}")


def kind_of(rootfs_path: str) -> str:
    """The backend's name for a text of `lxc.rootfs.path`. One without a prefix is a directory, or a device or image."""
    prefix, colon, _rest = rootfs_path.partition(":")
    if colon and (prefix in _ALIASES or prefix in ("dir", "overlayfs", *_ABSENT)):
        return _ALIASES.get(prefix, prefix)
    return "dir"


def for_rootfs(rootfs_path: str) -> Backend:
    """The backend of an existing container. An empty path (template none) has none: BadValue."""
    if not rootfs_path:
        raise BadValue("lxc.rootfs.path", rootfs_path, "the place of a root file system")
    return by_name(kind_of(rootfs_path))(rootfs_path)


def preload(rootfs_path: str) -> None:
    """Import now what `mount` of this backend will use, and fail now if it cannot work."""
    if rootfs_path:
        for_rootfs(rootfs_path)


def directory(rootfs_path: str) -> str:
    """The root's place on the host, as absolute mount targets in a config spell it; "" when there is none."""
    return for_rootfs(rootfs_path).directory() if rootfs_path else ""
