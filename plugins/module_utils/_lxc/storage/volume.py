# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root that is a file system of its own (in an image, a logical volume, a dataset): mounted by descriptor, written out when it goes."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import InUse, StepError
from ..kernel import libc, mount
from .base import make_root_directory
from .dir import attach

_PATIENCE = 60.0


class Volume:
    """`open_fs` is the backend's own: a mount that is attached nowhere, with these MOUNT_ATTR_* and options of the file system."""

    def open_fs(self, attributes: int, data: str) -> int:
        raise NotImplementedError

    def not_written(self, error: OSError) -> OSError:
        """What it means that not all of it came to the disk."""
        return error

    def mount(self, target: str, options: str) -> None:
        attributes, cleared, propagation, data = mount.parse_options(options)
        attach(self.open_fs(attributes & ~cleared, data), target, propagation)

    def umount(self, target: str) -> None:
        """All is on the disk before it goes: whoever filled it hears now that there was no room."""
        try:
            root_fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                libc.syncfs(root_fd)
            finally:
                os.close(root_fd)
        except OSError as error:
            raise self.not_written(error) from error
        finally:
            mount.umount(target, libc.MNT_DETACH)

    def mount_host(self, target: str) -> str:
        """A new one is empty: without the `lost+found` that mkfs puts there, and fsck makes again when it needs one."""
        make_root_directory(target)
        self.mount(target, "")
        if os.listdir(target) == ["lost+found"]:
            os.rmdir(f"{target}/lost+found")
        return target


def fs_options(data: str) -> dict[str, str | None]:
    """Those of a file system, as fsconfig(2) takes them one by one."""
    return dict(_option(word) for word in data.split(",") if word)


def _option(word: str) -> tuple[str, str | None]:
    key, equals, value = word.partition("=")
    return key, value if equals else None


def fs_type(device_fd: int, path: str) -> str:
    """By its magic number; ext4 is the driver for ext2 and ext3 as well."""
    head = os.pread(device_fd, 0x10048, 0)
    if head[0x438:0x43A] == b"\x53\xef":
        return "ext4"
    if head[:4] == b"XFSB":
        return "xfs"
    if head[0x10040:0x10048] == b"_BHRfS_M":
        return "btrfs"
    raise StepError("mount", "Mount", path, text="there is no ext2, ext3, ext4, xfs or btrfs in it")


def unmount_left(is_ours: Callable[[str], bool]) -> None:
    """Take away what a killed creation has left mounted in our namespace: on the root of a container that is marked as half-made.
    `is_ours` is asked for the source of a mount."""
    from ..kernel import mountinfo

    for one in mountinfo.read():
        above, name = os.path.split(one.target)
        if name == "rootfs" and os.path.lexists(f"{above}/partial") and is_ours(one.source):
            mount.umount(one.target, libc.MNT_DETACH | libc.UMOUNT_NOFOLLOW)


def wait_for_orphans(word: str) -> None:
    """For the programs of a task that was killed, which have this word in their command line."""
    from ..kernel import orphans

    if not orphans.wait_for(word, _PATIENCE):
        raise InUse(f"A program that a task has left behind still makes it (processes {orphans.running(word)})")
