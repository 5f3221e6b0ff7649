# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots that have a name and lie in no directory: logical volumes and datasets."""

from __future__ import annotations

from typing import Union

from . import backends
from .lvm import Lvm
from .zfs import Zfs


def is_new(rootfs_path: str) -> bool:
    """Whether a text as we write it is of such a one."""
    return rootfs_path.startswith(("lvm:", "zfs:"))


def of(rootfs_path: str) -> Union[Lvm, Zfs, None]:
    """The backend of such a root; None for any other."""
    kind = backends.kind_of(rootfs_path) if rootfs_path else ""
    if kind == "lvm":
        return Lvm(rootfs_path)
    return Zfs(rootfs_path) if kind == "zfs" else None


def rounded(rootfs_path: str, size: int) -> int:
    """What a root of so many bytes has: a logical volume is made of whole extents."""
    one = of(rootfs_path)
    return one.rounded(size) if isinstance(one, Lvm) else size
