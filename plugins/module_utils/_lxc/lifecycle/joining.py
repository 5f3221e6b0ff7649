# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining the cgroups while something else is done.

The first write to a cgroup.procs after an idle moment waits for an RCU grace period, 5 to 16 ms, without using a
processor; the interpreter's lock is free meanwhile, so a thread is enough.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Optional

from ..cgroup import layout


class Joining:
    """Begins when it is made. `wait` must be called, and raises what went wrong."""

    def __init__(self, cgroups: Iterable[layout.Cgroup], pid: int) -> None:
        self._error: Optional[Exception] = None
        self._thread = threading.Thread(target=self._join, args=[list(cgroups), pid], daemon=True)
        self._thread.start()

    def _join(self, cgroups: list[layout.Cgroup], pid: int) -> None:
        try:
            layout.join(cgroups, pid)
        except Exception as error:  # it is raised where it is waited for
            self._error = error

    def wait(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error
