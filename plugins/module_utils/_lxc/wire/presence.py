# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a monitor is there for the containers that one has started. Asked by every task, so it loads nothing."""

from __future__ import annotations

import errno
import os
import socket

from ..paths import LEDGER, MONITOR_SOCKET

# What the monitor that this task has begun could not do, in words, for the task's warnings: later tasks do not hear of it.
problems: list[str] = []


def orphaned() -> bool:
    """Containers were started and nobody answers for them: the monitor and its keeper have both died, or were told to end."""
    try:
        if not any("." not in name for name in os.listdir(LEDGER)):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(MONITOR_SOCKET) in (errno.ENOENT, errno.ECONNREFUSED)
