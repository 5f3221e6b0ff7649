# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing the root of a mount namespace for good (pivot_root(2))."""

from __future__ import annotations

import os

from ..errors import StepError
from ..kernel import libc, mount


def make_private() -> None:
    """Mounts made here must not reach the host; unmounts there may still reach here, so that nothing is held busy."""
    try:
        mount.set_attr("/", propagation=libc.MS_SLAVE, recursive=True)
    except OSError as error:
        raise StepError.from_os("mount", "Make slave", "every mount of the new namespace", error) from error


def pivot(root_fd: int) -> None:
    """Make the mount behind `root_fd` the root, and let go of the old one: nothing of the host stays reachable.

    The two-dot form of pivot_root(2), NOTES: the old root is stacked on the new one, then detached.
    """
    old_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchdir(root_fd)
        libc.pivot_root(".", ".")
        os.fchdir(old_fd)
        mount.umount(".", libc.MNT_DETACH)
        os.fchdir(root_fd)
        os.chroot(".")
        os.chdir("/")
    except OSError as error:
        raise StepError.from_os("pivot", "Change root to", "the container's root file system", error) from error
    finally:
        os.close(old_fd)
