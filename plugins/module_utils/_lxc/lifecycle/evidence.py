# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's log says last, for an error message."""

from __future__ import annotations

import os

from ..paths import Container

LOG_LINES = 20
_LOG_BYTES = 16_384


def log_tail(one: Container, lines: int = LOG_LINES) -> list[str]:
    """The last lines of the container's log; none when there is no log, or it is not a plain file."""
    try:
        log_fd = os.open(one.log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    with open(log_fd, "rb") as stream:
        size = os.fstat(log_fd).st_size
        stream.seek(max(0, size - _LOG_BYTES))
        text = stream.read(_LOG_BYTES).decode("utf-8", "replace")
    return text.splitlines()[-lines:]
