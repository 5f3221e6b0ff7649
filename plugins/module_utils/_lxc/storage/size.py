# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a root may be, and of what type one in an image: the words for it, and why a directory cannot be kept to one."""

from __future__ import annotations

import re
from typing import Optional

from ..errors import BadValue, Unsupported

FS_TYPES = ("ext4", "ext3", "ext2", "xfs", "btrfs")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_TEXT = re.compile(r"([0-9]{1,18})[ ]?([KMGTP]?)(?:i?B)?", re.IGNORECASE)
_EXPECTED = "a number of bytes, or one with K, M, G or T behind it (512M, 2G), in steps of 1024"
_MOST = 2**63 - 1
_BLOCK = 4096


def parse(value: object) -> int:
    """The bytes of "512M", up to a whole block of 4096."""
    found = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif found:
        size = int(found.group(1)) << _UNITS[found.group(2).upper()]
    else:
        raise BadValue("size", value, _EXPECTED)
    size = -(-size // _BLOCK) * _BLOCK
    if not 0 < size <= _MOST:
        raise BadValue("size", value, _EXPECTED)
    return size


def check(size: object, fs_type: Optional[str], backing_store: Optional[str]) -> None:
    """What a task says of them, None where it does not; BadValue for what cannot be meant."""
    if size is not None:
        parse(size)
    if fs_type is not None and fs_type not in FS_TYPES:
        raise BadValue("fs_type", fs_type, f"one of {', '.join(FS_TYPES)}")
    if fs_type is not None and backing_store not in (None, "loop", "lvm"):
        raise BadValue("fs_type", fs_type, f"backing_store loop or lvm with it, not {backing_store}")


def words(size: int) -> str:
    """The shortest of those that mean just so many bytes."""
    for unit in "TGMK":
        if size and size % (1 << _UNITS[unit]) == 0:
            return f"{size >> _UNITS[unit]}{unit}"
    return str(size)


def no_quota(kind: str, path: str) -> Unsupported:
    """A directory takes what its file system has room for: of the kernel's quotas for one, project quotas, none is set up here."""
    return Unsupported(f"size: the backing store {kind} has none below {path}", hint="Use backing_store loop or btrfs, or leave size out")
