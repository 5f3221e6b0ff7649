# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on a terminal of its own, as a user has it: what is typed, what is shown, how it ended."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from collections.abc import Mapping, Sequence

import patience
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process, tty

ROWS, COLUMNS = 33, 111


class Terminal:
    """The program leads a session whose controlling terminal this is."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.said = b""
        self._seen = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                tty.set_size(0, ROWS, COLUMNS)
                process.reset_signals()
                os.execvpe(argv[0], list(argv), dict(environment))
            finally:
                os._exit(127)

    def until(self, wanted: str) -> None:
        """Read on until this is shown, after what was waited for before."""
        deadline = time.monotonic() + patience.SECONDS
        while wanted.encode() not in self.said[self._seen :]:
            assert self._read(deadline), f"{wanted!r} was not shown: {self.said!r}"
        self._seen = self.said.index(wanted.encode(), self._seen) + len(wanted)

    def until_raw(self) -> None:
        """What is typed before the program has set its terminal up is flushed; a master tells the settings of its slave."""
        deadline = time.monotonic() + patience.SECONDS
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            assert time.monotonic() < deadline, "the terminal was not made raw"
            time.sleep(0.005)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> tuple[int, bytes]:
        """Read to the end: the exit status as subprocess has it, and all that was shown."""
        deadline = time.monotonic() + patience.SECONDS
        while self._read(deadline):
            pass
        in_time = time.monotonic() < deadline
        if not in_time:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        assert in_time, f"it did not end: {self.said!r}"
        return status, self.said

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, deadline: float) -> bool:
        """Some more; False at the end (EIO) or when the time is over."""
        if not select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.said += data
        return bool(data)
