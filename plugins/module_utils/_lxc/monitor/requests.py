# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own requests to the monitor (`wire/host.py`), the server's half: hello, start, list, replace, quit.

The socket is below a directory that only root can enter; its peer must be root all the same.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Optional

from .. import paths
from ..errors import BadValue, InUse, LxcError, StepError
from ..kernel import sockets
from ..lifecycle.log import level_number
from ..wire import host
from .loop import READ, WRITE, Loop
from .supervise import Supervisor

_DEADLINE = 10.0
_MAX_NAMES = 10000
_MAX_TIMEOUT = 1e9
_REST = 0.1
_BACKLOG = 100


class Requests:
    """The host's socket and who is connected to it."""

    def __init__(
        self,
        loop: Loop,
        supervisor: Supervisor,
        facts: Mapping[str, Any],
        replace: Callable[[Mapping[str, Any], Callable[[Mapping[str, Any]], None]], None],
        path: str = paths.MONITOR_SOCKET,
        listener_fd: int = -1,
    ) -> None:
        """`listener_fd` is the socket of the monitor before this one, where there was one: nobody who asks is refused meanwhile."""
        self.loop = loop
        self.supervisor = supervisor
        self.facts = dict(facts)
        self.replace = replace
        self.path = path
        # One whose name somebody has removed would be asked by nobody.
        self.listener = socket.socket(fileno=listener_fd) if listener_fd >= 0 and os.path.exists(path) else _listen(path)
        self.listener.setblocking(False)
        self._inode = os.stat(path).st_ino
        self.closed = False
        self._look()

    def _look(self) -> None:
        if not self.closed:
            self.loop.watch(self.listener.fileno(), READ, self._accept)

    def pause(self) -> None:
        """Let nobody in: who comes now waits for the next monitor."""
        self.loop.forget(self.listener.fileno())

    def close(self) -> None:
        """Nobody finds this monitor from here on. A socket that another has put in our place stays."""
        if self.closed:
            return
        self.closed = True
        self.loop.forget(self.listener.fileno())
        self.listener.shutdown(socket.SHUT_RDWR)  # not closed: the keeper holds that number
        try:
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        except FileNotFoundError:
            return

    def _accept(self, _events: int) -> None:
        try:
            connection, _address = self.listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):  # or it would be told again and again
                self.loop.forget(self.listener.fileno())
                self.loop.later(_REST, self._look)
            return
        _pid, uid, _gid = sockets.peer_credentials(connection)
        if uid not in (0, os.geteuid()):
            connection.close()
            return
        Connection(self, connection)


def _listen(path: str) -> socket.socket:
    """A socket under that name, which only root can open from the first moment on."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    temporary = f"{path}.{os.getpid()}"
    listener.bind(temporary)
    os.chmod(temporary, 0o600)
    listener.listen(_BACKLOG)
    os.rename(temporary, path)
    return listener


class Connection:
    """One client: requests come in, replies go out in the order in which they are ready.

    It has ten seconds to say what it wants, whole, or the next thing, and ten to take what it is sent, or more of it. While it
    waits for a reply there is no deadline, and while it does not take one nothing more is read.
    """

    def __init__(self, requests: Requests, connection: socket.socket) -> None:
        self.requests = requests
        self.loop = requests.loop
        self.connection = connection
        self.fd = connection.fileno()
        self._decoder = host.Decoder()
        self._unsent = b""
        self._owed = 0  # replies that are still to come
        connection.setblocking(False)
        self.deadline = self.loop.later(_DEADLINE, self.close)
        self.loop.watch(self.fd, READ, self._turn)

    def _turn(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and self.fd >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = self.connection.recv(65536)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return
        except (OSError, LxcError):
            self.close()
            return
        if not data:
            self.close()
            return
        for message in messages:
            self._owed += 1
            self._handle(message)
        if messages:
            self._wait()

    def _wait(self) -> None:
        """It is the client's turn, unless it only waits for us."""
        self.deadline.cancel()
        if self.fd >= 0 and (self._unsent or not self._owed):
            self.deadline = self.loop.later(_DEADLINE, self.close)

    def _handle(self, message: dict[str, Any]) -> None:
        try:
            answer = self._answer(host.check_request(message), message)
        except Exception as error:  # one bad request must not end the monitor
            answer = host.failure(error)
        if answer is not None:
            self.reply(answer)

    def _answer(self, op: str, message: dict[str, Any]) -> Optional[dict[str, Any]]:
        """The reply; None when it comes later."""
        supervisor = self.requests.supervisor
        if op == "hello":
            processes = {"pid": os.getpid(), "keeper": os.getppid()}
            return host.reply({**self.requests.facts, **processes, "containers": len(supervisor.records)})
        if op == "list":
            listed = [[*record.container, record.state.name, record.init_pid] for record in supervisor.records.values()]
            return host.reply({"containers": listed})
        if op == "quit":
            if supervisor.records:
                names = ", ".join(sorted(record.container.name for record in supervisor.records.values())[:10])
                raise InUse(f"The monitor runs {len(supervisor.records)} containers: {names}", "Stop them first")
            self.requests.close()
            self.loop.later(0.05, self._quit)
            return host.reply({})
        if op == "start":
            if self.requests.closed:
                raise host.NoMonitor("This monitor is about to end")
            own, theirs = (str(facts.get("collection", "")) for facts in (self.requests.facts, message))
            if host.is_newer(theirs, own):
                raise host.Outdated(f"The monitor is of version {own}, the request of {theirs}")
            _Start(self, message)
            return None
        if op == "replace":
            self.requests.replace(message, self.reply)
            return None
        raise BadValue("op", op, "hello, list, start, replace or quit")

    def _quit(self) -> None:
        self.loop.stopping = True

    def reply(self, message: Mapping[str, Any]) -> None:
        self._owed -= 1
        if self.fd >= 0:
            try:
                self._unsent += host.encode(message)
            except LxcError as error:  # too long
                self._unsent += host.encode(host.failure(error))
            self._flush()

    def _flush(self) -> None:
        try:
            sent = self.connection.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if sent:
            self._wait()
        self.loop.watch(self.fd, WRITE if self._unsent else READ, self._turn)

    def close(self) -> None:
        if self.fd >= 0:
            self.deadline.cancel()
            self.loop.forget(self.fd)
            self.connection.close()
            self.fd = -1


class _Start:
    """One request to start many: answered when the last of them has come to an end, each with its own result.

    {"op": "start", "containers": [[lxcpath, name], …], "timeout": seconds, "log_file", "log_level", "collection": version} ->
    {"results": [{"name", "lxc_path", "error": described or null, "warnings": […], "was_up"}, …]}
    """

    def __init__(self, connection: Connection, message: Mapping[str, Any]) -> None:
        self.connection = connection
        listed = message.get("containers")
        if not isinstance(listed, list) or not 0 < len(listed) <= _MAX_NAMES:
            raise BadValue("containers", listed, "a list of [lxcpath, name]")
        containers = [paths.container(name, lxc_path) for lxc_path, name in listed]
        timeout = float(message.get("timeout", 600))
        if not 0 <= timeout <= _MAX_TIMEOUT:
            raise BadValue("timeout", timeout, f"seconds, 0 to {_MAX_TIMEOUT:.0f}")
        level_number(str(message.get("log_level") or ""))
        self.results: list[dict[str, Any]] = []
        self.wanted = len(containers)
        for container in containers:
            self._start(container, timeout, str(message.get("log_file") or ""), str(message.get("log_level") or ""))

    def _start(self, container: paths.Container, timeout: float, log_file: str, log_level: str) -> None:
        supervisor = self.connection.requests.supervisor
        was_up = supervisor.is_up(container)

        def done(error: Optional[LxcError], warnings: list[str]) -> None:
            result = {"name": container.name, "lxc_path": container.lxc_path, "warnings": warnings, "was_up": was_up}
            self.results.append({**result, "error": host.describe(error) if error else None})
            if len(self.results) == self.wanted:
                self.connection.reply(host.reply({"results": self.results}))

        try:
            supervisor.start(container, timeout, log_file, log_level, done)
        except OSError as error:
            done(StepError.from_os("start", "Start", container.name, error), [])
