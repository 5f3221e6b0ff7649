# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An empty file system, in a new image file or on a device, by the host's mkfs.ext4 and the like."""

from __future__ import annotations

import os

from ..errors import BadValue, StepError, Unsupported
from ..kernel import command, mount
from . import size as sizes

# The type, Debian's package of its mkfs, how that is told to ask nothing, and what it needs at least.
_TYPES = {
    "ext4": ("e2fsprogs", ("-q", "-F"), 2 << 20),
    "ext3": ("e2fsprogs", ("-q", "-F"), 2 << 20),
    "ext2": ("e2fsprogs", ("-q", "-F"), 1 << 20),
    "xfs": ("xfsprogs", ("-q", "-f"), 300 << 20),
    "btrfs": ("btrfs-progs", ("-q", "-f"), 110 << 20),
}


def check(fs_type: str, size: int) -> None:
    """Raise what stands against it."""
    if fs_type not in _TYPES:
        raise BadValue("fs_type", fs_type, f"one of {', '.join(sizes.FS_TYPES)}")
    package, _quiet, least = _TYPES[fs_type]
    if size < least:
        raise BadValue("size", sizes.words(size), f"at least {sizes.words(least)} for {fs_type}")
    if not command.which(f"mkfs.{fs_type}"):
        raise Unsupported(f"This host has no mkfs.{fs_type}", hint=f"Install {package}, as Debian calls it, or choose another fs_type")
    if not mount.knows_fs("ext4" if fs_type.startswith("ext") else fs_type):
        raise Unsupported(f"This host's kernel has no {fs_type}", hint="Choose another fs_type")


def make(image: str, fs_type: str, size: int) -> None:
    """Sparse, and new; nothing of it is left when it fails."""
    os.close(os.open(image, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        os.truncate(image, size)
        fill(image, fs_type)
    except BaseException:
        os.unlink(image)
        raise


def fill(device: str, fs_type: str) -> None:
    """An empty file system in an image or on a device. When we are killed it goes too: what it writes to is to be removed."""
    argv = [f"mkfs.{fs_type}", *_TYPES[fs_type][1], device]
    setpriv = command.which("setpriv")
    result = command.run([setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else argv)
    if result.rc:
        said = (result.stderr.strip() or result.stdout.strip())[-300:]
        raise StepError("storage", f"mkfs.{fs_type}", device, text=said or f"it ended with status {result.rc}")
