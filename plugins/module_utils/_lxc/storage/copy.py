# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole root of one container into the empty one of another, whatever the backends of the two are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

from ..errors import Unsupported
from ..kernel import mount, tree
from ..paths import Container
from . import backends
from .aufs import Aufs
from .base import Backend

if TYPE_CHECKING:
    from .lvm import Lvm
    from .zfs import Zfs

# As in LXC: images of a file system, whose blocks nobody can share.
_NEVER = ("loop", "nbd")


def snapshot_place(source: Backend, target: Container) -> str:
    """What `source.snapshot(target)` will return as `lxc.rootfs.path`: that of new storage of the same kind, or an overlay's."""
    if source.kind in _NEVER:
        raise Unsupported(f"The backing store {source.kind} makes no snapshots", hint="Make a full copy")
    if source.kind in ("lvm", "zfs"):
        return _named(source).snapshot_place(target)
    if source.kind not in ("dir", "overlayfs"):
        return backends.by_name(source.kind).place(target, {})
    from .overlayfs import Overlayfs

    lowers = source.lowers if isinstance(source, Overlayfs) else [source.directory()]
    return Overlayfs.over_place(lowers, target)


def _named(source: Backend) -> Union[Lvm, Zfs]:
    from .named import of

    found = of(source.rootfs_path)
    if found is None:
        raise Unsupported(f"{source.rootfs_path} is no volume")
    return found


def like(source: Backend) -> Mapping[str, object]:
    """The options that make another one of its kind as this is."""
    if source.kind in ("lvm", "zfs"):
        return _named(source).like()
    size = source.size()
    return {} if size is None else {"size": size}


def copy(source: Backend, made: Backend, place: str) -> None:
    """Fill `made`, which is new and empty, and is mounted on `place` for that where it has to be."""
    if isinstance(source, Aufs) and not mount.knows_fs("aufs"):
        from .aufsmerge import merge

        directory = made.mount_host(place)
        try:
            merge(source.lower, source.upper, directory)
        finally:
            made.umount(directory)
        return
    root_fd = source.open_root()
    try:
        directory = made.mount_host(place)
        try:
            tree.copy(f"/proc/{os.getpid()}/fd/{root_fd}", directory, whole=True)
        finally:
            made.umount(directory)
    finally:
        mount.discard(root_fd)
