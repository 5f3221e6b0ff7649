# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a test waits for what must come: until it is there, or so long that it will not come any more.

HOSTKIT_PATIENCE is how many times longer than on an ordinary machine that is: an emulated one is slow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

FACTOR = float(os.environ.get("HOSTKIT_PATIENCE") or 1)
SECONDS = 20 * FACTOR


def until(holds: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Look a hundred times a second; `what` says what did not come."""
    deadline = time.monotonic() + seconds * FACTOR
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds * FACTOR:g} s: {what}"
        time.sleep(0.01)
