# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that go on when who has started them is killed: what they were told to do is still to come."""

from __future__ import annotations

import os
import time

_PAUSE = 0.05


def running(word: str) -> list[int]:
    """The processes that have this word in their command line."""
    wanted = os.fsencode(word)
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _says(name, wanted)]


def wait_for(word: str, timeout: float) -> bool:
    """Whether all of them have ended within so many seconds."""
    deadline = time.monotonic() + timeout
    while running(word):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _says(pid: str, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:  # it has ended
        return False
    return wanted in words
