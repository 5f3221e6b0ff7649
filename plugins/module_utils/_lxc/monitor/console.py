# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's console in the monitor: read in short turns, kept in a ring, written to the log file, shown to a client.

The keys are `lxc.console.buffer.size`, `.logfile`, `.size`, `.rotate` (lxc.container.conf(5)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ..kernel import tty
from .loop import CLOSED, READ, Loop

_TURN = 16384
_RATE = 1 << 20  # bytes a second that one console may cost; what is above waits in the pty
_PAUSE = 0.05


class Console:
    """Owns the master end. `peer_fd` keeps the slave open: a master whose slaves are all closed reports nothing but HUP."""

    def __init__(
        self,
        loop: Loop,
        master_fd: int,
        buffer_size: int,
        log_file: str,
        log_size: int,
        rotate: bool = False,
        dispose: Callable[[int], None] = os.close,
    ) -> None:
        """`dispose` closes what another monitor would take over, the master and the proxy."""
        self.loop = loop
        self.dispose = dispose
        self.master_fd = master_fd
        self.peer_fd = -1
        self.buffer_size = buffer_size
        self.ring = bytearray()
        self.log_size = log_size
        self.rotate = rotate
        self.log_file = log_file
        self.log_fd = _open_log(log_file) if log_file else -1
        self.proxy_fd = -1
        self.session = 0
        os.set_blocking(master_fd, False)
        self._resume()

    def _resume(self) -> None:
        if self.master_fd < 0:
            return
        if self.peer_fd < 0:
            try:
                self.peer_fd = tty.open_peer(self.master_fd)
            except OSError:
                self.loop.later(_PAUSE * 20, self._resume)
                return
        self.loop.watch(self.master_fd, READ, self._on_master)

    def _on_master(self, events: int) -> None:
        try:
            data = os.read(self.master_fd, _TURN)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            self._keep(data)
            self._show(data)
            self._pause(len(data) / _RATE)
        elif events & (CLOSED | READ):
            self._hung_up()

    def _hung_up(self) -> None:
        """No slave is open, so the master is ready for ever: open ours again, a little later.

        A vhangup(2), as a getty does it, is not seen here: the slave that we hold is dead then, but still counts.
        """
        if self.peer_fd >= 0:
            os.close(self.peer_fd)
            self.peer_fd = -1
        self._pause(_PAUSE)

    def _pause(self, seconds: float) -> None:
        self.loop.forget(self.master_fd)
        self.loop.later(seconds, self._resume)

    def _keep(self, data: bytes) -> None:
        if self.buffer_size:
            self.ring += data
            del self.ring[: max(0, len(self.ring) - self.buffer_size)]
        if self.log_fd >= 0:
            self._log(data)

    def _log(self, data: bytes) -> None:
        try:
            if self.log_size and os.fstat(self.log_fd).st_size + len(data) > self.log_size:
                self._begin_anew()
            os.write(self.log_fd, data)
        except OSError:
            if self.log_fd >= 0:
                os.close(self.log_fd)
            self.log_fd = -1

    def _begin_anew(self) -> None:
        """The full log file becomes FILE.1 where `lxc.console.rotate` is set, and is emptied where it is not."""
        if not self.rotate:
            os.ftruncate(self.log_fd, 0)
            return
        os.rename(self.log_file, f"{self.log_file}.1")
        os.close(self.log_fd)
        self.log_fd = _open_log(self.log_file)

    def _show(self, data: bytes) -> None:
        if self.proxy_fd < 0:
            return
        try:
            os.write(self.proxy_fd, data)
        except BlockingIOError:
            return  # a client that does not read loses output, not the container its console
        except OSError:
            self.detach()

    def attach(self) -> tuple[int, int]:
        """A new pty whose other end is this console; returns the master for the client, who must close it, and the session to detach."""
        master_fd = tty.open_master(None)
        try:
            self.proxy_fd = tty.open_peer(master_fd)
            tty.make_raw(self.proxy_fd)
            return master_fd, self.resume(self.proxy_fd)
        except BaseException:
            os.close(master_fd)
            self.detach()
            raise

    def resume(self, proxy_fd: int) -> int:
        """Show the console at the other end of this pty, of which another monitor may have made the session; returns the session."""
        self.proxy_fd = proxy_fd
        os.set_blocking(proxy_fd, False)
        self.loop.watch(proxy_fd, READ, self._on_proxy)
        self.session += 1
        return self.session

    def _on_proxy(self, _events: int) -> None:
        try:
            data = os.read(self.proxy_fd, 4096)
            if data:
                os.write(self.master_fd, data)
                return
        except BlockingIOError:
            return
        except OSError:
            self.detach()
            return
        self.detach()

    def detach(self, session: int = 0) -> None:
        """The client of that session (0: whichever) is gone; by then another may have attached."""
        if self.proxy_fd >= 0 and session in (0, self.session):
            self.loop.forget(self.proxy_fd)
            self.dispose(self.proxy_fd)
            self.proxy_fd = -1

    def close(self) -> None:
        """The container is gone: what it wrote last is read first."""
        self._drain()
        self.detach()
        self.loop.forget(self.master_fd)
        if self.master_fd >= 0:
            self.dispose(self.master_fd)
        for fd in (self.peer_fd, self.log_fd):
            if fd >= 0:
                os.close(fd)
        self.master_fd = self.peer_fd = self.log_fd = -1

    def _drain(self) -> None:
        try:
            for _turn in range(16):
                data = os.read(self.master_fd, _TURN)
                if not data:
                    return
                self._keep(data)
        except OSError:
            return


def _open_log(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError:
        return -1


def size(value: str, auto: int) -> int:
    """`auto`, or bytes with KB, MB or GB in any case, 1024-based and at least one page; "" is 0 (none)."""
    word = value.strip().upper()
    if not word or word == "AUTO":
        return auto if word else 0
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1), ("", 1)):
        if word.endswith(unit):
            number = word[: len(word) - len(unit)].strip()
            return max(int(number) * factor, 4096) if number.isdecimal() else 0
    return 0
