# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options: mount(8)'s words as the kernel's numbers, for the new mount API and for mount(2)."""

from __future__ import annotations

from . import libc

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_RELATIME = 0x00
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x00100000
MOUNT_ATTR_NOSYMFOLLOW = 0x00200000

# word: (set, clear)
_ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
    "relatime": (MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
    # Back to the kernel's default, which has been relatime since Linux 2.6.30.
    "atime": (0, MOUNT_ATTR__ATIME),
    "nostrictatime": (0, MOUNT_ATTR__ATIME),
}
_PROPAGATION = {
    "shared": libc.MS_SHARED,
    "private": libc.MS_PRIVATE,
    "slave": libc.MS_SLAVE,
    "unbindable": libc.MS_UNBINDABLE,
}
# What the caller acts on, or what says nothing.
_SILENT = ("defaults", "bind", "rbind", "remount", "norelatime")
# Of the whole file system: the new API takes the words themselves, mount(2) a flag. (flag, whether it is set)
_SUPERBLOCK = {
    "sync": (libc.MS_SYNCHRONOUS, True),
    "async": (libc.MS_SYNCHRONOUS, False),
    "dirsync": (libc.MS_DIRSYNC, True),
    "mand": (libc.MS_MANDLOCK, True),
    "nomand": (libc.MS_MANDLOCK, False),
    "lazytime": (libc.MS_LAZYTIME, True),
    "nolazytime": (libc.MS_LAZYTIME, False),
}
_AS_FLAGS = (
    (MOUNT_ATTR_RDONLY, libc.MS_RDONLY),
    (MOUNT_ATTR_NOSUID, libc.MS_NOSUID),
    (MOUNT_ATTR_NODEV, libc.MS_NODEV),
    (MOUNT_ATTR_NOEXEC, libc.MS_NOEXEC),
    (MOUNT_ATTR_NODIRATIME, libc.MS_NODIRATIME),
    (MOUNT_ATTR_NOSYMFOLLOW, libc.MS_NOSYMFOLLOW),
)
# statvfs(3)'s bits are mount(2)'s but for these two.
_ST_RELATIME, _ST_NOSYMFOLLOW = 4096, 8192


def parse_options(options: str) -> tuple[int, int, int, str]:
    """(attributes to set, attributes to clear, propagation as MS_*, data) of "ro,nosuid,size=1m".

    The last word of a kind wins. `rshared` and the like give the same propagation as without the r: whether the tree below is meant,
    and whether it is a bind, the caller sees in the words. What is not known here is data for the file system, as in mount(8).
    """
    attributes, cleared, propagation = 0, 0, 0
    data = []
    for word in filter(None, options.split(",")):
        known = _ATTRIBUTES.get(word)
        spread = _PROPAGATION.get(word) or (_PROPAGATION.get(word[1:]) if word[0] == "r" else None)
        if known is not None:
            attributes = attributes & ~known[1] | known[0]
            cleared = cleared & ~known[0] | known[1]
        elif spread is not None:
            propagation = spread
        elif word not in _SILENT:
            data.append(word)
    return attributes, cleared, propagation, ",".join(data)


def split_superblock(data: str) -> tuple[int, str]:
    """mount(2)'s flags for the words of the whole file system, and the data without them."""
    flags, rest = 0, []
    for word in filter(None, data.split(",")):
        flag, on = _SUPERBLOCK.get(word, (0, False))
        if not flag:
            rest.append(word)
        flags = flags | flag if on else flags & ~flag
    return flags, ",".join(rest)


def as_flags(attributes: int) -> int:
    """MOUNT_ATTR_* as mount(2)'s MS_*, the kind of access times always said."""
    flags = sum(flag for attribute, flag in _AS_FLAGS if attributes & attribute)
    kind = attributes & MOUNT_ATTR__ATIME
    return flags | {MOUNT_ATTR_NOATIME: libc.MS_NOATIME, MOUNT_ATTR_STRICTATIME: libc.MS_STRICTATIME}.get(kind, libc.MS_RELATIME)


def from_statvfs(flags: int) -> int:
    """statvfs(3)'s f_flag as MOUNT_ATTR_*."""
    attributes = sum(attribute for attribute, flag in _AS_FLAGS[:5] if flags & flag)
    if flags & _ST_NOSYMFOLLOW:
        attributes |= MOUNT_ATTR_NOSYMFOLLOW
    if flags & libc.MS_NOATIME:
        return attributes | MOUNT_ATTR_NOATIME
    return attributes if flags & _ST_RELATIME else attributes | MOUNT_ATTR_STRICTATIME
