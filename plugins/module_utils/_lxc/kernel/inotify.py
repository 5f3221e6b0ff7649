# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A descriptor that becomes readable when something appears in a directory (inotify(7))."""

from __future__ import annotations

import os

from . import libc

_MOVED_TO, _CREATE, _DELETE_SELF, _MOVE_SELF, _ONLYDIR = 0x80, 0x100, 0x400, 0x800, 0x1000000


def watch_directory(directory_fd: int) -> int:
    """Readable when an entry is made or moved there, or the directory itself goes; the caller's to close.

    By its descriptor, which may be an O_PATH one: a path could lead elsewhere by now. EMFILE when the user has as many as
    user.max_inotify_instances allows.
    """
    inotify_fd = libc.call("inotify instances", "inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        wanted = _CREATE | _MOVED_TO | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
        libc.call(libc.describe(directory_fd), "inotify_add_watch", inotify_fd, b"/proc/self/fd/%d" % directory_fd, wanted)
    except BaseException:
        os.close(inotify_fd)
        raise
    return inotify_fd
