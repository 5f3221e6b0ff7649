# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's side of an attach: one poll loop that feeds and reads the streams, waits for the processes, and ends them when it must."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import time
from typing import NamedTuple, Optional

from ..errors import StepError
from ..kernel import process, sockets, tty
from ..wire import host
from .attach_kill import Tree
from .attach_signals import Signals

_CHUNK = 65536
_F_SETPIPE_SZ = 1031
_PIPE_SIZE = 1024 * 1024
_END_OF_FILE = b"\x04"  # what ^D is to a terminal
_LAST_WORDS = 5.0


class Streams(NamedTuple):
    """The caller's ends, non-blocking (with a pty all but the first are the master), and the command's, which the joiner gets."""

    stdin_fd: int
    stdout_fd: int
    stderr_fd: int
    inner: tuple[int, int, int]
    pty: bool


def _above_standard(fd: int) -> int:
    """The same, not as 0, 1 or 2 (which the caller may have closed) and close-on-exec."""
    if fd > 2:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def pipe() -> tuple[int, int]:
    read_fd, write_fd = map(_above_standard, os.pipe2(os.O_CLOEXEC))
    return read_fd, write_fd


def pipes() -> Streams:
    """Three pipes; never the caller's own files, not even /dev/null: the container's root could change its mode."""
    (in_read, in_write), (out_read, out_write), (err_read, err_write) = pipe(), pipe(), pipe()
    for fd in (in_write, out_read, err_read):
        os.set_blocking(fd, False)
        _enlarge(fd)
    return Streams(in_write, out_read, err_read, (in_read, out_write, err_write), False)


def _enlarge(pipe_fd: int) -> None:
    """As large as an ordinary user may have it: fewer turns for large data."""
    try:
        fcntl.fcntl(pipe_fd, _F_SETPIPE_SZ, _PIPE_SIZE)
    except OSError:
        return


def terminal(devpts_fd: Optional[int], rows: int, columns: int) -> Streams:
    """A pty, in the container's devpts where one is given: it then has a name inside."""
    master_fd = _above_standard(tty.open_master(devpts_fd))
    slave_fd = _above_standard(tty.open_peer(master_fd))
    tty.set_size(master_fd, rows, columns)
    os.set_blocking(master_fd, False)
    return Streams(master_fd, master_fd, -1, (slave_fd, slave_fd, slave_fd), True)


class Channels:
    """What leads to the joiner and to the command; both ends, until the joiner has its own."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.status_fd, self.joiners_status_fd = pipe()
        self.order, self.joiners_order = sockets.seqpacket_pair()
        self._is_inner_open = True

    def close_inner(self) -> None:
        if self._is_inner_open:
            self._is_inner_open = False
            self.joiners_order.close()
            for fd in {self.joiners_status_fd, *self.streams.inner}:
                os.close(fd)

    def close_stdin(self) -> None:
        """The command sees its end."""
        os.close(self.streams.stdin_fd)
        self.streams = self.streams._replace(stdin_fd=-1)

    def close(self) -> None:
        self.close_inner()
        self.order.close()
        for fd in {self.status_fd, self.streams.stdin_fd, self.streams.stdout_fd, self.streams.stderr_fd} - {-1}:
            os.close(fd)


class Conversation:
    """From the fork of the joiner to the command's end."""

    def __init__(self, channels: Channels, stdin: bytes, joiner_pid: int, tree: Tree) -> None:
        self._channels = channels
        self.streams = streams = channels.streams
        self._tree = tree
        self.collected = (streams.stdout_fd, streams.stderr_fd)
        self.output: dict[int, bytearray] = {fd: bytearray() for fd in self.collected if fd >= 0}
        self.error: Optional[Exception] = None
        self.refusal: Optional[tuple[int, int]] = None  # exit code and errno of an exec that failed
        self.rc: Optional[int] = None
        self.timed_out = False
        self._status_fd = channels.status_fd
        self._decoder = host.Decoder()
        self._input = memoryview(stdin)
        self._joiner_pid = joiner_pid
        self._pid = 0
        self._pidfd = -1
        self._poll = select.poll()
        for fd in (self._status_fd, *self.output):
            self._poll.register(fd, select.POLLIN)
        if streams.pty:
            self._input = memoryview(stdin + _END_OF_FILE * (1 if not stdin or stdin.endswith(b"\n") else 2))
        self._feed()

    def run(self, timeout: Optional[float], signals: Signals) -> None:
        """Until the command has ended and its output is read, or until it was ended."""
        end = None if timeout is None else time.monotonic() + timeout
        if signals.fd >= 0:
            self._poll.register(signals.fd, select.POLLIN)
        while self.rc is None and self.error is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                self.timed_out = True
                break
            for fd, _events in self._poll.poll(None if left is None else left * 1000 + 1):
                self._turn(fd, signals)
            if signals.seen:
                break
        if self.rc is None or signals.seen:
            self.end()
        self._reap_joiner()
        self._drain_status()
        self._last_words()

    def end(self) -> None:
        """End everything that was begun. The joiner goes first, to make no more; what it had made, and could not tell of, is our child."""
        if self._joiner_pid:
            os.kill(self._joiner_pid, signal.SIGKILL)
        self._reap_joiner()
        self._drain_status()
        ours = self._tree.children()
        if self._pid and self.rc is None:
            ours.add(self._pid)
        self._tree.end(ours)
        for pid in ours - {self._pid}:
            os.waitpid(pid, 0)
        if self._pid and self.rc is None:
            self._reap()

    def _turn(self, fd: int, signals: Signals) -> None:
        if fd == signals.fd:
            signals.drain()
            if signals.resized:
                signals.resized = False
                self._resize()
        elif fd == self._pidfd:
            self._reap()
        elif fd == self._status_fd:
            self._read_status()
        else:
            if fd in self.output:
                self._read(fd)
            if fd == self.streams.stdin_fd and self._input:
                self._feed()

    def _resize(self) -> None:
        """The window of the terminal that the caller sits at is the command's, too."""
        try:
            rows, columns = tty.get_size(0)
            tty.set_size(self.streams.stdout_fd, rows, columns)
        except OSError:
            return

    def _read_status(self) -> None:
        data = os.read(self._status_fd, _CHUNK)
        if not data:
            self._forget(self._status_fd)
            self._reap_joiner()
            if not self._pid and self.error is None:
                self.error = StepError("attach", "Join", "the container", text="the joining process was killed")
            return
        for message in self._decoder.feed(data):
            if "pid" in message:
                self._pid = int(message["pid"])
                self._pidfd = process.pidfd_open(self._pid)
                self._poll.register(self._pidfd, select.POLLIN)
            elif "exit" in message:
                self.refusal = int(message["exit"]), int(message["errno"])
            else:
                self.error = host.restore(message.get("error"))

    def _read(self, fd: int) -> None:
        """One chunk; the end of a pty is EIO."""
        try:
            data = os.read(fd, _CHUNK * 16)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            self.output[fd] += data
        else:
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        try:
            self._poll.unregister(fd)
        except KeyError:
            return

    def _feed(self) -> None:
        """As much as goes; then a pipe is closed, and a command that does not read is nobody's error."""
        fd = self.streams.stdin_fd
        try:
            while self._input:
                self._input = self._input[os.write(fd, self._input[: _CHUNK * 16]) :]
        except BlockingIOError:
            self._poll.register(fd, select.POLLOUT | (select.POLLIN if self.streams.pty else 0))
            return
        except OSError:
            self._input = memoryview(b"")
        if self.streams.pty:
            self._poll.register(fd, select.POLLIN)
        else:
            self._forget(fd)
            self._channels.close_stdin()
            self.streams = self._channels.streams

    def _reap(self) -> None:
        _pid, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.rc = code if code >= 0 else 128 - code
        self._forget(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1

    def _reap_joiner(self) -> None:
        if self._joiner_pid:
            os.waitpid(self._joiner_pid, 0)
            self._joiner_pid = 0

    def _drain_status(self) -> None:
        os.set_blocking(self._status_fd, False)
        try:
            self._read_status()
        except BlockingIOError:
            return

    def _last_words(self) -> None:
        """What the command wrote is there when it has ended; what children of its that live on write is not waited for. A pty hangs up."""
        end = time.monotonic() + _LAST_WORDS
        poll = select.poll()
        for fd in self.output:
            poll.register(fd, select.POLLIN)
        waiting = set(self.output)
        while waiting and time.monotonic() < end:
            ready = [fd for fd, _events in poll.poll(_LAST_WORDS * 1000 if self.streams.pty and self.rc is not None else 0)]
            if not ready:
                return
            for fd in ready:
                before = len(self.output[fd])
                self._read(fd)
                if len(self.output[fd]) == before:
                    poll.unregister(fd)
                    waiting.discard(fd)

    def close(self) -> None:
        """The channels are not ours to close."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._tree.release()
