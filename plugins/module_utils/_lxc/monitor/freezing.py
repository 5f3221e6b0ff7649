# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze and thaw a unified cgroup without ever waiting for it: the kernel announces on cgroup.events that it is so (cgroups(7))."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable

from ..kernel import cgroupfs
from .loop import Loop


class Freezing:
    """One change under way. `done` is called once with 0 when it is so, else with the errno of why it will not be.

    A negative `timeout` waits as long as anything lives in the cgroup.
    """

    def __init__(self, loop: Loop, directory: str, freeze: bool, timeout: float, done: Callable[[int], None]) -> None:
        self._loop = loop
        self._wanted = b"frozen 1" if freeze else b"frozen 0"
        self._done = done
        self._events_fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        try:
            cgroupfs.write(directory, "cgroup.freeze", "1" if freeze else "0")
            loop.watch(self._events_fd, select.EPOLLPRI, self._look)
        except OSError:
            os.close(self._events_fd)
            raise
        self._timers = [loop.later(0, lambda: self._look(0))]
        if timeout >= 0:
            self._timers.append(loop.later(timeout, lambda: self._end(errno.ETIMEDOUT)))

    def _look(self, _events: int) -> None:
        try:
            now = os.pread(self._events_fd, 4096, 0)
        except OSError as error:  # the cgroup has been removed
            self._end(error.errno or errno.ENODEV)
            return
        if b"populated 0" in now:
            self._end(errno.ESRCH)
        elif self._wanted in now:
            self._end(0)

    def _end(self, code: int) -> None:
        for timer in self._timers:
            timer.cancel()
        self._loop.forget(self._events_fd)
        os.close(self._events_fd)
        self._done(code)
