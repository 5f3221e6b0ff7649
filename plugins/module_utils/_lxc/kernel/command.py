# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host, run without a shell: the only place that imports subprocess."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 65536


class Result(NamedTuple):
    """How it ended: the exit status (-N for signal N), and what it wrote, as text."""

    rc: int
    stdout: str
    stderr: str


def which(name: str) -> Optional[str]:
    """Where a program is, looked for in the system's directories whatever the caller's PATH says."""
    for directory in _PATH.split(":"):
        path = f"{directory}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def run(
    argv: Sequence[str],
    *,
    stdin: Optional[bytes] = None,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    timeout: Optional[float] = None,
    on_line: Optional[Callable[[str], None]] = None,
) -> Result:
    """Run it to its end, in the C locale. `on_line` is given each line of output and of errors as it comes.

    After `timeout` seconds it is killed with all of its process group, which shows as status -9. What it leaves running in the
    background is not waited for. Raises OSError when it cannot be started.
    """
    environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **(env or {})}
    # run_command belongs to a module; the monitor has none.
    started = subprocess.Popen(  # pylint: disable=ansible-bad-function
        list(argv),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )
    with started:  # waits and closes, also after the caller's interrupt, at which it is killed
        conversation = _Conversation(started, stdin or b"", on_line)
        conversation.follow(None if timeout is None else time.monotonic() + timeout)
    return Result(started.returncode, *(_text(data) for data in conversation.outputs()))


def _kill(started: subprocess.Popen[bytes]) -> None:
    """The whole group; its leader has not been waited for, so the number is still its own."""
    try:
        os.killpg(started.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _pidfd_open(pid: int) -> int:
    """Python's own where it was built with one; ours loads much more."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    from . import process

    return process.pidfd_open(pid)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


class _Conversation:
    """The three streams of a process: what goes in, what came out, what is left of a line."""

    def __init__(self, started: subprocess.Popen[bytes], stdin: bytes, on_line: Optional[Callable[[str], None]]) -> None:
        self._started = started
        self._unsent = stdin
        self._on_line = on_line
        self._order = [stream.fileno() for stream in (started.stdout, started.stderr) if stream]
        self._read = {fd: bytearray() for fd in self._order}
        self._shown = dict.fromkeys(self._order, 0)
        self._poll = select.poll()
        for fd in self._order:
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLIN)
        if started.stdin:
            os.set_blocking(started.stdin.fileno(), False)
            self._poll.register(started.stdin.fileno(), select.POLLOUT)

    def outputs(self) -> list[bytes]:
        return [bytes(self._read[fd]) for fd in self._order]

    def follow(self, deadline: Optional[float]) -> None:
        """Until the process has ended, and what it wrote by then is read."""
        pidfd = _pidfd_open(self._started.pid)
        self._poll.register(pidfd, select.POLLIN)
        ended = False
        try:
            while not ended:
                left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
                ready = [fd for fd, _event in self._poll.poll(left)]
                if not ready:
                    _kill(self._started)
                    deadline = None
                ended = pidfd in ready
                for fd in self._order if ended else ready:
                    self._attend(fd)
        except BaseException:
            _kill(self._started)
            raise
        finally:
            os.close(pidfd)
        for fd in self._order:
            self._show(fd, len(self._read[fd]))

    def _attend(self, fd: int) -> None:
        try:
            if fd not in self._read:
                self._send(fd)
            while fd in self._read:
                data = os.read(fd, _CHUNK)
                if not data:
                    self._poll.unregister(fd)
                    break
                self._read[fd] += data
                self._show(fd, self._read[fd].rfind(b"\n") + 1)
        except (BlockingIOError, KeyError):  # nothing more for now; or it was unregistered already
            return

    def _send(self, fd: int) -> None:
        try:
            self._unsent = self._unsent[os.write(fd, self._unsent[:_CHUNK]) :]
        except BrokenPipeError:  # it does not want to read all of it
            self._unsent = b""
        if not self._unsent and self._started.stdin:
            self._poll.unregister(fd)
            self._started.stdin.close()

    def _show(self, fd: int, end: int) -> None:
        if self._on_line is None or end <= self._shown[fd]:
            return
        lines = bytes(self._read[fd][self._shown[fd] : end])
        self._shown[fd] = end
        for line in lines.splitlines():
            self._on_line(_text(line))
