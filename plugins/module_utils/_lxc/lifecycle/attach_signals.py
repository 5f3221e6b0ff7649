# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGINT, SIGTERM and SIGHUP of the caller as something that poll(2) sees, so that what was begun can be ended first."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Optional

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CAUGHT = (*ENDING, signal.SIGWINCH)


class Signals:
    """A context manager: inside it those signals (and SIGWINCH) only make `fd` readable and are listed in `seen`.

    At its end the caller's own handlers are back and the first ending signal is delivered again: nothing is swallowed. What the caller
    ignores stays ignored. Only the main thread can have handlers (Python's signal module); elsewhere this does nothing.
    """

    def __init__(self, window: bool = False) -> None:
        self.seen: list[int] = []
        self.resized = False
        self.fd = -1
        self._write_fd = -1
        self._old: dict[int, Any] = {}
        self._old_wakeup = -1
        self._wanted = CAUGHT if window else ENDING

    def __enter__(self) -> Signals:
        if threading.current_thread() is not threading.main_thread():
            return self
        self.fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._old_wakeup = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in self._wanted:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, _frame: Optional[FrameType]) -> None:
        if number == signal.SIGWINCH:
            self.resized = True
        else:
            self.seen.append(number)

    def drain(self) -> None:
        """Forget what made `fd` readable."""
        try:
            os.read(self.fd, 512)
        except BlockingIOError:
            return

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if self.fd < 0:
            return
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(self.fd)
        os.close(self._write_fd)
        if self.seen:
            os.kill(os.getpid(), self.seen[0])
