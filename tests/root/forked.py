# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a piece of a test in a child with namespaces of its own, so that what it mounts or changes ends with it.

A test says `in_child(function, flags)` (the fixture), or `from forked import run`.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount_old, process

Value = TypeVar("Value")


class ChildFailed(Exception):
    """The child did not come to an answer."""


class ChildTraceback(Exception):
    """The cause of an exception that was raised in the child: where."""

    def __str__(self) -> str:
        return f"\nin the child:\n{self.args[0]}"


def run(function: Callable[[], Value], flags: int = libc.CLONE_NEWNS, timeout: float = 60) -> Value:
    """What the function returns, or raises, in a child made with these clone flags; values go through pickle.

    With a mount namespace every mount of it is private; with a pid namespace as well, /proc shows that one. The child leads a session;
    what is left of its process group at its end is killed. It has no terminal to lose and may exit, exec or be killed: ChildFailed says so.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    read_fd, write_fd = os.pipe()
    pid, pidfd = process.clone3(flags, signal.SIGCHLD)
    if pid == 0:
        os.close(read_fd)
        _child(function, flags, write_fd)
    os.close(write_fd)
    try:
        answer, in_time = _receive(read_fd, pidfd, timeout)
    finally:
        os.close(read_fd)
        status = _end(pid, pidfd)
    if not in_time:
        raise ChildFailed(f"the child was killed after {timeout:g} s")
    if not answer:
        raise ChildFailed(f"the child ended without an answer, wait status {status:#x}")
    succeeded, value, where = pickle.loads(answer)
    if succeeded:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        pytest.skip(value)
    raise value from ChildTraceback(where)


def _child(function: Callable[[], Any], flags: int, write_fd: int) -> NoReturn:
    try:
        os.setsid()
        if flags & libc.CLONE_NEWNS:
            mount_old.mount("", "/", "", libc.MS_REC | libc.MS_PRIVATE)
            if flags & libc.CLONE_NEWPID:
                mount_old.mount("proc", "/proc", "proc")
        answer = _pickled(True, function(), "")
    except pytest.skip.Exception as skipped:
        answer = _pickled(False, str(skipped), "")
    except BaseException as error:  # a failed assert goes back too
        answer = _pickled(False, error, traceback.format_exc())
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        while answer:
            answer = answer[os.write(write_fd, answer) :]
    finally:
        os._exit(0)


def _pickled(succeeded: bool, value: object, where: str) -> bytes:
    """What cannot make the journey there and back goes as its text."""
    try:
        answer = pickle.dumps((succeeded, value, where))
        pickle.loads(answer)
    except Exception as problem:
        text = f"{type(value).__name__}: {value}" if not succeeded else f"the value {value!r} cannot be pickled: {problem}"
        answer = pickle.dumps((False, ChildFailed(text), where))
    return answer


def _receive(read_fd: int, pidfd: int, timeout: float) -> tuple[bytes, bool]:
    """The answer, and whether the child ended in time. A grandchild that keeps the pipe open is not waited for."""
    os.set_blocking(read_fd, False)
    deadline = time.monotonic() + timeout
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    answer = b""
    while True:
        events = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if not events:
            return answer, False
        chunk = _drain(read_fd)
        answer += chunk
        if pidfd in events:
            return answer, True
        if not chunk and read_fd in events:
            poll.unregister(read_fd)


def _drain(read_fd: int) -> bytes:
    data = b""
    try:
        while True:
            chunk = os.read(read_fd, 65536)
            if not chunk:
                return data
            data += chunk
    except BlockingIOError:
        return data


def _end(pid: int, pidfd: int) -> int:
    """Kill what is left, by the pid that nobody can have taken while it is not reaped; returns the wait status."""
    try:
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.pidfd_wait(pidfd)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    os.close(pidfd)
    return process.wait(pid)[1]
