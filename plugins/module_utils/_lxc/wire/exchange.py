# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its reply on one connection to a container's command socket, with what can go wrong told apart."""

from __future__ import annotations

import array
import errno
import os
import socket
from collections.abc import Iterable
from typing import NamedTuple, NoReturn, Protocol

from ..errors import InUse, LxcError, StepError, TimedOut
from ..paths import Container
from . import connection, protocol
from .protocol import Command, NotRunning, ProtocolError

TIMEOUT = 10.0
# What can be asked twice, since it changes nothing, and is never answered by the end of the connection alone.
_QUESTIONS = "GET_STATE GET_INIT_PID GET_CLONE_FLAGS GET_CONFIG_ITEM GET_INIT_PIDFD GET_DEVPTS_FD GET_CGROUP_CTX GET_CGROUP_FD".split()


class Refused(LxcError):
    """The monitor answered with an error; `errno` is its number."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


class NoReply(NotRunning):
    """The monitor closed the connection instead of answering: the container stopped, or it has nothing to say."""


class Reply(NamedTuple):
    response: protocol.Response
    payload: bytes
    fds: list[int]


class Ask(Protocol):
    """How `ask` is called by who only asks: what takes its place may have asked before."""

    def __call__(self, container: Container, command: Command, timeout: float, *, payload: bytes = ..., max_fds: int = ...) -> Reply: ...


class Exchange:
    """One request on one connection: what it is called in errors, and until when it must be over."""

    def __init__(self, container: Container, command: Command, timeout: float, address: bytes = b"") -> None:
        self.container = container
        self.command = command
        self.deadline = connection.Deadline(timeout)
        self._address = address or protocol.address(*container)

    @property
    def title(self) -> str:
        return f"{self.command.name} to the monitor of {self.container.name} in {self.container.lxc_path}"

    def connect(self) -> socket.socket:
        try:
            link = connection.connect(self._address, self.deadline)
        except OSError as error:
            self.fail(error)
        try:
            self._check_peer(link)
        except BaseException:
            link.close()
            raise
        return link

    def _check_peer(self, link: socket.socket) -> None:
        """Anybody may bind an abstract name: who is neither root, nor we, nor the container's owner is not its monitor."""
        pid, uid, _gid = connection.peer(link)
        if uid in (0, os.geteuid()):
            return
        try:
            owner = os.lstat(self.container.directory).st_uid
        except OSError:
            owner = 0
        if uid != owner:
            raise InUse(f"The command socket of {self.container.name} in {self.container.lxc_path} is held by pid {pid} of uid {uid}")

    def send(self, link: socket.socket, data: int, payload: bytes) -> None:
        try:
            link.settimeout(self.deadline.remaining())
            message = protocol.pack_request(self.command, data, payload) + payload
            sent = link.sendmsg([message], [connection.credentials()], socket.MSG_NOSIGNAL)
            if sent < len(message):
                link.sendall(message[sent:], socket.MSG_NOSIGNAL)
        except OSError as error:
            self.fail(error)

    def receive(self, link: socket.socket, size: int, max_fds: int = 0) -> tuple[bytes, list[int]]:
        """Exactly `size` bytes and what descriptors came with them; b"" when the other end closed before the first."""
        data, fds = b"", []
        try:
            while len(data) < size:
                link.settimeout(self.deadline.remaining())
                part, got, cut = _receive_fds(link, size - len(data), max_fds)
                fds += got
                if cut:
                    raise ProtocolError(f"{self.title}: the answer brought more descriptors than were asked for")
                if not part:
                    break
                data += part
            if data and len(data) < size:
                raise ProtocolError(f"{self.title}: the answer ended after {len(data)} of {size} bytes")
        except BaseException as error:
            close(fds)
            if isinstance(error, OSError):
                self.fail(error)
            raise
        return data, fds

    def fail(self, error: OSError) -> NoReturn:
        if isinstance(error, socket.timeout):
            raise TimedOut(f"{self.title} was not answered within {self.deadline.timeout:g} s") from None
        if error.errno == errno.ECONNREFUSED:
            raise NotRunning(f"Container {self.container.name} in {self.container.lxc_path} is not running") from None
        if error.errno in (errno.EPIPE, errno.ECONNRESET):
            raise NoReply(f"{self.title} was not answered: it closed the connection") from None
        raise StepError.from_os("command socket", "Send", self.title, error) from None

    def reply(self, link: socket.socket, max_fds: int = 0) -> Reply:
        header, fds = self.receive(link, protocol.HEADER, max_fds)
        if not header:
            raise NoReply(f"{self.title} was not answered: it closed the connection")
        try:
            response = protocol.unpack_response(header)
            if response.ret < 0:
                raise Refused(f"{self.title} was refused: {os.strerror(-response.ret)}", -response.ret)
            if response.datalen < 0 or (response.datalen > protocol.MAX_PAYLOAD and self.command != Command.CONSOLE_LOG):
                raise ProtocolError(f"{self.title}: an answer of {response.datalen} bytes")
            payload, _fds = self.receive(link, response.datalen)
            if len(payload) != response.datalen:
                raise ProtocolError(f"{self.title}: the answer ended before its {response.datalen} bytes")
        except BaseException:
            close(fds)
            raise
        return Reply(response, payload, fds)


def _receive_fds(link: socket.socket, size: int, max_fds: int) -> tuple[bytes, list[int], bool]:
    """As socket.recv_fds, which loses its flags, with MSG_CMSG_CLOEXEC; and whether there were more descriptors than that."""
    numbers = array.array("i")
    space = socket.CMSG_SPACE(max_fds * numbers.itemsize) if max_fds else 0
    data, ancillary, flags, _address = link.recvmsg(size, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    return data, list(numbers), bool(flags & socket.MSG_CTRUNC)


def close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def ask(
    container: Container,
    command: Command,
    timeout: float,
    *,
    data: int = 0,
    payload: bytes = b"",
    max_fds: int = 0,
    address: bytes = b"",
) -> Reply:
    exchange = Exchange(container, command, timeout, address)
    try:
        return _ask(exchange, data, payload, max_fds)
    except NoReply:  # the monitor may have died with the question in its hands, and another has taken its place
        if command.name not in _QUESTIONS:
            raise
    return _ask(exchange, data, payload, max_fds)


def _ask(exchange: Exchange, data: int, payload: bytes, max_fds: int) -> Reply:
    with exchange.connect() as link:
        exchange.send(link, data, payload)
        return exchange.reply(link, max_fds)


def ask_fd(container: Container, command: Command, timeout: float, payload: bytes = b"") -> int:
    return only_fd(container, command, ask(container, command, timeout, payload=payload, max_fds=1))


def only_fd(container: Container, command: Command, reply: Reply) -> int:
    """The one descriptor that a reply must have brought."""
    if len(reply.fds) != 1:
        close(reply.fds)
        raise Refused(f"{command.name} of {container.name} brought no descriptor", errno.EBADF)
    return reply.fds[0]
