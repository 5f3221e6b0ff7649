# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launchers at work, and one that waits for more: who has launched well may launch again.

A fork of the monitor and the pages that the new process has to copy as it touches them cost more than the rest of a launch.
One that waits has them already. It waits for 20 seconds: then its memory (3 MiB) is given back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Optional

from . import launcher
from .loop import READ, Loop, Timer
from .record import Record

_REST = 20.0
_RESTING = 1

Note = Callable[[dict[str, Any], Sequence[int]], None]
Done = Callable[[int], None]


class Launcher:
    """One process: `note` and `done` belong to the launch that it is at, and are None while it waits for one."""

    def __init__(self, end: socket.socket, pid: int) -> None:
        self.end = end
        self.pid = pid
        self.note: Optional[Note] = None
        self.done: Optional[Done] = None
        self.rest: Optional[Timer] = None


class Launchers:
    """All of this monitor. Each ends when its socket does, which the keeper sees to when the monitor has died."""

    def __init__(self, loop: Loop, root_mount: str) -> None:
        self.loop = loop
        self.root_mount = root_mount
        self._resting: list[Launcher] = []

    def launch(self, record: Record, note: Note, done: Done) -> None:
        """Launch its container and put the pid into the record: `note(message, fds)` for what is reported, `done(wait status)` once."""
        job = launcher.job(record)
        while self._resting:
            worker = self._resting.pop()
            if self._begin(worker, job):
                break
        else:
            worker = self._fork()
            self._begin(worker, job)
        record.launcher_pid = worker.pid
        worker.note, worker.done = note, done

    @staticmethod
    def _begin(worker: Launcher, job: bytes) -> bool:
        """False where it was killed while it waited, and is not reaped yet."""
        if worker.rest is not None:
            worker.rest.cancel()
        try:
            worker.end.send(job, socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def _fork(self) -> Launcher:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                worker = Launcher(ours, launcher.fork_launcher(theirs, self.root_mount))
            except OSError:
                ours.close()
                raise
        self.loop.watch(ours.fileno(), READ, lambda _events: self._hear(worker))
        self.loop.on_exit(worker.pid, lambda status: self._ended(worker, status), is_new=True)
        return worker

    def _hear(self, worker: Launcher) -> None:
        for message, fds in launcher.messages(worker.end):
            if worker.note is not None:
                worker.note(message, fds)
            if message.get("free"):
                self._free(worker)
            if message.get("lost"):
                launcher.end_group(worker.pid)

    def _free(self, worker: Launcher) -> None:
        done, worker.note, worker.done = worker.done, None, None
        worker.rest = self.loop.later(_REST, lambda: self._dismiss(worker))
        self._resting.append(worker)
        if done is not None:
            done(0)
        for other in self._resting[:-_RESTING]:
            self._dismiss(other)

    def dismiss(self) -> None:
        """Let none rest any more: those that are forked from now on have another parent."""
        for worker in list(self._resting):
            self._dismiss(worker)

    def _dismiss(self, worker: Launcher) -> None:
        if worker in self._resting:
            self._resting.remove(worker)
        if worker.rest is not None:
            worker.rest.cancel()
        if worker.end.fileno() >= 0:
            self.loop.forget(worker.end.fileno())
            worker.end.close()

    def _ended(self, worker: Launcher, status: int) -> None:
        done, worker.done = worker.done, None
        try:
            if worker.end.fileno() >= 0:
                self._hear(worker)
        finally:
            self._dismiss(worker)
            if done is not None:
                done(status)
