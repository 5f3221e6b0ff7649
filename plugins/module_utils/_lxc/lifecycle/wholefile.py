# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is there whole or not at all: written beside its place, on the disk, and then renamed into it (rename(2))."""

from __future__ import annotations

import contextlib
import os
import stat

from ..kernel import tree

SUFFIX = ".hostkit-new"  # left by a kill, and gone with the next write


def write(path: str, text: str, mode: int | None = None) -> None:
    """Owned by us with this mode; without one as the file that is there now, or 0600. A link in its place is replaced, not followed, and
    its mode of 0777 means nothing.

    OSError: nothing has changed.
    """
    old = None
    if mode is None:
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(path)
            old = found if stat.S_ISREG(found.st_mode) else None
    temporary = path + SUFFIX
    tree.remove(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            if old:
                os.fchown(fd, old.st_uid, old.st_gid)
            os.fchmod(fd, stat.S_IMODE(old.st_mode) if old else 0o600 if mode is None else mode)
            os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        tree.remove(temporary)
        raise
