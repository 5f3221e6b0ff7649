# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer collection's runtime takes the place of this one, under running containers.

Its program is tried first, with what the ledger says; then the keeper executes it in place and makes itself warm, while
this monitor goes on; then, between two requests, this monitor ends, and the new keeper forks the next one. Nobody replaces
a newer one, and nobody one of the same version: two collections on one host must not take turns.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ..errors import BadValue, InUse, StepError
from ..kernel import process
from ..wire import host
from .link import Link
from .loop import READ, Loop, Timer, fork, say
from .supervise import Supervisor

_TIMEOUT = 30.0
_LAST_WORDS = 2.0  # seconds in which clients that have connected can say what they want
_SAID = 2000

Reply = Callable[[Mapping[str, Any]], None]


class Replacement:
    """At most one at a time; whoever asks meanwhile hears how it ended."""

    def __init__(self, loop: Loop, link: Link, supervisor: Supervisor, version: str, leave: Callable[[], None]) -> None:
        """`leave` ends this monitor; `pause`, to be set, lets nobody in at the host's own socket."""
        self.loop, self.link, self.supervisor, self.version, self.leave = loop, link, supervisor, version, leave
        self.pause: Callable[[], None] = lambda: None
        self._waiting: list[Reply] = []
        self._command: list[str] = []
        self._deadline: Optional[Timer] = None
        link.on_word = self._hear

    def request(self, message: Mapping[str, Any], reply: Reply) -> None:
        """{"op": "replace", "collection": version, "command"}: answered when the new one takes over, or with what went wrong."""
        command = message.get("command")
        version = message.get("collection")
        if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
            raise BadValue("command", command, "a program with its arguments")
        if not isinstance(version, str) or not host.is_newer(version, self.version):
            raise InUse(f"The monitor is of version {self.version}, which {version} does not replace")
        self._waiting.append(reply)
        if len(self._waiting) == 1:
            self._command = command
            self._deadline = self.loop.later(_TIMEOUT, lambda: self.failed(f"not done within {_TIMEOUT:g} s"))
            self._try()

    def _try(self) -> None:
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        command = [*self._command, "try", "2"]

        def run() -> None:
            os.dup2(write_fd, 2)
            process.close_range(3)
            os.execve(command[0], command, process.CLEAN_ENVIRONMENT)

        said = bytearray()

        def hear(_events: int = 0) -> bytes:
            data = os.read(read_fd, 65536)
            said.extend(data)
            if not data:
                self.loop.forget(read_fd)
            return data

        def ended(status: int) -> None:
            with contextlib.suppress(BlockingIOError):  # something that it started may hold the other end
                while hear():
                    continue
            self.loop.forget(read_fd)
            os.close(read_fd)
            self._tried(status, said[-_SAID:].decode("utf-8", "replace"))

        try:
            pid = fork(run, [write_fd], lambda: None)
        finally:
            os.close(write_fd)
        self.loop.watch(read_fd, READ, hear)
        self.loop.on_exit(pid, ended, is_new=True)

    def _tried(self, status: int, said: str) -> None:
        if not self._waiting:
            return
        if status:
            self.failed(f"its trial ended with wait status {status}", said.splitlines()[-20:])
        else:
            self.supervisor.pause(lambda: self.link.execute(self._command))

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "failed" in message:
            self.failed(str(message["failed"]))
        elif "ready" in message and self._waiting:
            self._take_leave()

    def failed(self, why: str, log: Sequence[str] = ()) -> None:
        """This monitor goes on."""
        if self._deadline is not None:
            self._deadline.cancel()
        waiting, self._waiting = self._waiting, []
        if waiting:
            error = StepError("replace", "Replace", f"the monitor of version {self.version}", text=why, log=log)
            say(f"{error}\n")
            self.supervisor.go_on()
            for reply in waiting:
                reply(host.failure(error))

    def _take_leave(self) -> None:
        """Let nobody in any more (the keeper holds the sockets: who comes now waits there), and hear those who are in."""
        if self._deadline is not None:
            self._deadline.cancel()
        for reply in self._waiting:
            reply(host.reply({"replaced": True}))
        self.pause()
        for record in self.supervisor.records.values():
            record.server.close()
        end = self.loop.later(_LAST_WORDS, self.leave)

        def look() -> None:
            talking = any(client.is_waited_for for record in self.supervisor.records.values() for client in record.clients)
            if not talking and self.link.is_idle:
                end.cancel()
                self.leave()

        self.loop.at_end_of_turn(look)
