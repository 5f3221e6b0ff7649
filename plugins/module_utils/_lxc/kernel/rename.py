# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renaming as renameat2(2) can: two places exchanged in one moment."""

from __future__ import annotations

import errno
import os

from . import libc

_RENAME_EXCHANGE = 2


def exchange(one: str, other: str) -> bool:
    """What is at one path is at the other, and never is there nothing. False where the file system or the kernel cannot."""
    try:
        libc.syscall(one, "renameat2", libc.AT_FDCWD, os.fsencode(one), libc.AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    except NotImplementedError:
        return False
    except OSError as error:
        # EINVAL: a file system without it, or one path below the other, which is the caller's mistake and fails again as a plain rename.
        if error.errno in (errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True
