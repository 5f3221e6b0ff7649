# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's command protocol, the server's half: one connection, one request, one reply, none of it ever waited for.

Framing and credentials are as in the reference of LXC 5.0; the answers themselves are in `answers.py`. A client that
connects and says nothing, sends too little, too much or nonsense is dropped; nothing else notices.

A question stays in its socket until it is answered, so that the next monitor can read it if this one is killed first (`table.py`). What
changes something is done a second time then, of which none does harm, and only as long as somebody waits for it. Who is to wait after
the answer is written down before that is sent.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ..errors import LxcError
from ..kernel import sockets
from ..wire import protocol
from . import answers, places
from .answers import Answer
from .loop import CLOSED, EDGE, READ, SAID_ALL, WRITE, Loop
from .record import Record
from .table import ASKED

_DEADLINE = 10.0
_REST = 0.1
_MAX_CLIENTS = 256
_SIZE = protocol.HEADER + protocol.MAX_PAYLOAD
_MAX_STRANGERS = 16  # of other users, who are only refused, and of other namespaces, who may wait for a state


class Server:
    """The command socket of one container."""

    def __init__(self, loop: Loop, record: Record, actions: answers.Actions) -> None:
        self.loop = loop
        self.record = record
        self.actions = actions
        record.server = self
        self._look()

    def _accept(self, _events: int) -> None:
        if self.record.listener is None:
            return
        try:
            connection, _address = self.record.listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._rest(self.record.listener.fileno())
            return
        client = Client(self, connection)
        if client.is_stranger:
            self._make_room([other for other in self.record.clients if other.is_stranger], _MAX_STRANGERS)
        self._make_room(self.record.clients, _MAX_CLIENTS)
        client.read()  # most have said all by now
        client.await_question()

    def resume(self, listed: Sequence[Mapping[str, Any]], fds: Mapping[str, int]) -> None:
        """Go on with the connections that another monitor had and that wait for something: `listed` is what they wait for."""
        for waiting in listed:
            fd = fds.get(f"client {waiting['serial']}")
            if fd is not None:
                Client(self, socket.socket(fileno=fd)).resume(waiting)
        known = {f"client {waiting['serial']}" for waiting in listed}
        for name, fd in fds.items():  # those who were let in and not answered, and one that was not written down yet
            if name.startswith((ASKED, "client ")) and name not in known:
                Client(self, socket.socket(fileno=fd)).begin_anew()

    def close(self) -> None:
        """Nobody else is let in; those who are connected stay."""
        if self.record.listener is not None:
            self.loop.forget(self.record.listener.fileno())

    def _rest(self, fd: int) -> None:
        """No descriptor is to be had: the one who waits stays readable, so look away for a moment."""
        self.loop.forget(fd)
        self.loop.later(_REST, self._look)

    def _look(self) -> None:
        if self.record.listener is not None:
            self.loop.watch(self.record.listener.fileno(), READ, self._accept)

    @staticmethod
    def _make_room(clients: Sequence[Client], limit: int) -> None:
        """Who is missed least is dropped, of several the oldest; never who has just come, or a crowd would lock everybody out."""
        if len(clients) > limit:
            min(clients[:-1], key=lambda client: client.worth).close()


class Client:
    """One connection. `states` is what a state client waits for; `waiting` says what keeps it open after the answer."""

    serials = itertools.count(1)

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server = server
        self.loop = server.loop
        self.record = server.record
        self.connection = connection
        self.fd = connection.fileno()
        self.peer = sockets.peer_credentials(connection)
        # Once: who hands its connection on and ends leaves a number that another process gets.
        self.is_foreign = not places.same_namespaces(self.peer[0])
        self.is_stranger = self.is_foreign or self.peer[1] not in (0, os.geteuid())
        self.states: tuple[int, ...] = (0,) * protocol.MAX_STATE
        self.on_close: list[Callable[[], object]] = []
        self.serial = next(self.serials)
        self.waiting: dict[str, Any] = {}
        self._unsent = b""
        self._is_asked = self._answered = self._is_held = False
        connection.setblocking(False)
        self.deadline = self.loop.later(_DEADLINE, self.close)
        self.record.clients.append(self)

    def await_question(self) -> None:
        """The rest of it, if it has not come: told once for each part, since those that are there are not taken out."""
        if self.fd >= 0 and not self._answered:
            self.loop.watch(self.fd, READ | SAID_ALL | EDGE, self.read)

    def keep(self, waiting: dict[str, Any]) -> None:
        """It stays open after its answer, for this: whoever comes after this monitor must know."""
        self.waiting, self.record.touched, self._is_held = waiting, True, True

    def resume(self, waiting: Mapping[str, Any]) -> None:
        """It was answered by another monitor, and waits. If its question is still there it was written down, but not answered."""
        self.serial = int(waiting["serial"])
        Client.serials = itertools.count(max(next(Client.serials), self.serial + 1))
        self._answered = self._is_held = True
        self.deadline.cancel()
        self.loop.watch(self.fd, READ, self._linger)
        answers.resume(self, waiting)
        if self.fd >= 0 and self._peek():
            self.begin_anew()

    def begin_anew(self) -> None:
        """Hear its question as if nobody had heard it; one that has gone wants nothing any more."""
        self._give_back()
        self.waiting, self._answered, self._is_held = {}, False, True
        self.deadline.cancel()
        self.deadline = self.loop.later(_DEADLINE, self.close)
        self.loop.watch(self.fd, READ | SAID_ALL | EDGE, lambda events: self.close() if events & CLOSED else self.read(events))

    def _peek(self) -> Optional[bytes]:
        """What it has said so far, b"" when it has gone; None for nothing yet."""
        try:
            return self.connection.recv(_SIZE, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    @property
    def is_waited_for(self) -> bool:
        """Its request has not come, or not all of it."""
        return not self._answered

    @property
    def worth(self) -> int:
        """From a stranger, and one that has not said yet what it wants, over one that can wait for a state anew, to a session or a stop."""
        if self.is_stranger:
            return 0
        if self.is_waited_for:
            return 1
        return 2 if "states" in self.waiting else 3

    def read(self, events: int = READ) -> None:
        data = self._peek() if self.fd >= 0 else None
        if data is None:
            return
        self._is_asked = bool(data)
        try:
            request = protocol.whole_request(data)
            if request is not None:
                self._answered = True
                self.reply(answers.answer(self, request, data[protocol.HEADER : protocol.HEADER + request.datalen]))
            elif not data or events & (CLOSED | SAID_ALL):
                self.close()
        except LxcError:
            self.close()
        except Exception:
            self.close()
            raise

    def _linger(self, _events: int) -> None:
        """After the request: nothing more is expected but the end of the connection."""
        try:
            if self.connection.recv(protocol.MAX_PAYLOAD):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    def reply(self, answer: Optional[Answer]) -> None:
        """Once, after a silent answer too; one that has gone meanwhile is told nothing."""
        if self.fd < 0:
            return
        if answer is None:
            self.close()
            return
        self.deadline.cancel()
        if self.waiting:
            self._write_down()
        if answer.silent and not self.waiting:
            self.loop.watch(self.fd, 0, lambda _events: self.close())  # the question is still there, and would be seen for ever
            return
        data = b"" if answer.silent else protocol.pack_response(answer.ret, answer.data, len(answer.payload)) + answer.payload
        try:
            sent = sockets.send_with_fds(self.connection, data, list(answer.fds)) if data else 0
        except OSError:
            self.close()
            return
        finally:
            for fd in answer.fds:
                os.close(fd)
        self._take()
        self._go_on(data[sent:], close=not answer.keep and not answer.silent)

    def _write_down(self) -> None:
        try:
            self.server.actions.save(self.record)
        except OSError:  # the end of this turn tries again, and tells
            self.record.touched = True

    def _take(self) -> None:
        """The question, and whatever came with it: from here on nobody answers it again."""
        if self._is_asked:
            self._is_asked = False
            with contextlib.suppress(OSError):
                self.connection.recv(_SIZE)

    def push(self, message: bytes) -> None:
        """The one message that a state client waits for; then the connection ends."""
        self._send(message, close=True)

    def _send(self, data: bytes, close: bool) -> None:
        try:
            sent = self.connection.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._go_on(data[sent:], close)

    def _go_on(self, unsent: bytes, close: bool) -> None:
        self._unsent = unsent
        if unsent:
            self.deadline.cancel()
            self.deadline = self.loop.later(_DEADLINE, self.close)
            self.loop.watch(self.fd, WRITE, lambda _events: self._send(self._unsent, close))
        elif close:
            self.close()
        else:
            self.loop.watch(self.fd, READ, self._linger)

    def close(self) -> None:
        """Once; gives back what the connection held (a tty, a place among the state clients)."""
        if self.fd < 0:
            return
        self.deadline.cancel()
        self.loop.forget(self.fd)
        self._take()  # what is left unread would tell the other end of an error
        if self._is_held:
            self.record.dispose(self.connection.detach())
        else:
            self.connection.close()
        self.fd = -1
        self.record.clients.remove(self)
        self._give_back()

    def _give_back(self) -> None:
        if self in self.record.state_clients:
            self.record.state_clients.remove(self)
        if self.close in self.record.stop_clients:
            self.record.stop_clients.remove(self.close)
        for act in self.on_close:
            act()
        self.on_close = []
