# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who connects to a container's command socket: how long, and how many of which kind."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import places, serve
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.answers import Actions, Answer
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.serve import Client, Server
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

LONG = 3 << 20  # more than what a socket holds
STATE = protocol.pack_request(Command.GET_STATE)
LOG = payloads.ConsoleLog().pack()


class Near:
    """A container's server in this process, and connections to it."""

    def __init__(self, loop: Loop, path: str, save: Callable[[Record], None]) -> None:
        self.loop, self.path = loop, path
        self.links: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.listener.bind(path)
        self.listener.listen(100)
        self.record = Record(Container("/lxc", "u1"), self.listener)
        self.record.state = State.RUNNING
        self.record.console = SimpleNamespace(buffer_size=LONG, ring=bytearray(LONG))  # type: ignore[assignment]
        self.server = Server(loop, self.record, Actions(lambda _record, _state: None, lambda _record: None, save))
        save(self.record)

    def connect(self, *said: bytes) -> socket.socket:
        """One client more, which says this; all of it is heard by the end of the next two rounds."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(5)
        link.connect(self.path)
        self.links.append(link)
        for piece in said:
            link.sendall(piece)
        for _round in range(2):
            self.loop.later(0, lambda: None)
            self.loop.turn()
        return link


@pytest.fixture
def near(loop: Loop, tmp_path: Path, save: Callable[[Record], None]) -> Iterator[Near]:
    made = Near(loop, str(tmp_path / "command"), save)
    yield made
    for client in list(made.record.clients):
        client.close()
    for link in [*made.links, made.listener]:
        link.close()


def state(link: socket.socket) -> int:
    return protocol.unpack_response(link.recv(protocol.HEADER)).value


def wait_for(*states: State) -> bytes:
    return protocol.pack_request(Command.ADD_STATE_CLIENT, 0, payloads.pack_interest(states)) + payloads.pack_interest(states)


SLOW: dict[str, list[bytes]] = {
    "silent": [],
    "half a header": [STATE[:-1]],
    "half a payload": [protocol.pack_request(Command.CONSOLE_LOG, 0, LOG), LOG[:-1]],
    "an unread answer": [protocol.pack_request(Command.CONSOLE_LOG, 0, LOG), LOG],
}


@pytest.mark.parametrize("said", SLOW.values(), ids=SLOW)
def test_who_lets_us_wait_is_dropped_and_nobody_else(near: Near, clock: Any, is_closed: Any, said: list[bytes]) -> None:
    waiting = near.connect(wait_for(State.STOPPED))
    link = near.connect(*said)
    clock.let_pass(9)
    assert not is_closed(link) and len(near.record.clients) == 2
    assert state(near.connect(STATE)) == State.RUNNING
    clock.let_pass(2)
    assert is_closed(link) and not is_closed(waiting)
    assert [client.states[State.STOPPED] for client in near.record.clients] == [1]
    assert state(near.connect(STATE)) == State.RUNNING


def test_who_takes_a_long_answer_slowly_gets_it_whole(near: Near, clock: Any) -> None:
    link, got = near.connect(*SLOW["an unread answer"]), 0
    assert not near.record.console.ring, "it is taken out by who reads it"
    while got < protocol.HEADER + LONG:
        clock.let_pass(9)
        data = link.recv(1 << 20)
        assert data
        got += len(data)
    assert link.recv(1) == b""


@pytest.fixture
def come_from(monkeypatch: pytest.MonkeyPatch) -> Any:
    """come_from(where): who connects from now on is `here`, or in the namespaces of a container."""
    return lambda where: monkeypatch.setattr(places, "same_namespaces", lambda _pid: where == "here")


def test_a_crowd_from_a_container_takes_nobodys_place(near: Near, come_from: Any, is_closed: Any) -> None:
    """It may share the host's network, and wait for a state: only for each other do they make room."""
    waiting, silent = near.connect(wait_for(State.STOPPED)), near.connect()
    come_from("a container")
    crowd = [near.connect(wait_for(State.STOPPED)) for _number in range(40)]
    assert [is_closed(link) for link in crowd] == [True] * 24 + [False] * 16
    assert state(near.connect(STATE)) == State.RUNNING, "one of them that asks is told"
    assert [is_closed(link) for link in crowd] == [True] * 25 + [False] * 15
    come_from("here")
    assert state(near.connect(STATE)) == State.RUNNING
    assert not is_closed(waiting) and not is_closed(silent)
    assert len(near.record.clients) == 17


def test_who_has_come_just_now_is_heard_however_many_wait(
    near: Near, come_from: Any, is_closed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes of those who are missed least."""
    monkeypatch.setattr(serve, "_MAX_CLIENTS", 6)
    session = near.connect(wait_for(State.STOPPED))
    near.record.clients[0].waiting = {"tty": 1}
    waiting = [near.connect(wait_for(State.STOPPED)), near.connect(wait_for(State.STOPPED))]
    silent = [near.connect(), near.connect()]
    come_from("a container")
    foreign = near.connect(wait_for(State.STOPPED))
    come_from("here")
    for leaver in (foreign, *silent, *waiting):
        assert not is_closed(leaver)
        if leaver is not foreign:
            near.connect(wait_for(State.STOPPED))
        assert state(near.connect(STATE)) == State.RUNNING
        assert is_closed(leaver)
    assert not is_closed(session)


def test_who_was_foreign_when_it_came_stays_so(near: Near, come_from: Any) -> None:
    """The process may have ended, and its number have come to one of the host's."""
    come_from("a container")
    link = near.connect()
    come_from("here")
    link.sendall(protocol.pack_request(Command.STOP))
    near.loop.turn()
    assert protocol.unpack_response(link.recv(protocol.HEADER)).ret == -1


PART: dict[str, list[bytes]] = {"half a header": SLOW["half a header"], "half a payload": SLOW["half a payload"]}


@pytest.mark.parametrize("said", PART.values(), ids=PART)
def test_a_part_of_a_question_stays_where_it_is_and_is_not_looked_at_again(near: Near, is_closed: Any, said: list[bytes]) -> None:
    """Until more comes; or the end, with which it is dropped."""
    link, gone = near.connect(*said), near.connect(*said)
    assert near.loop._epoll.poll(0) == []
    assert near.record.clients[0].connection.recv(9000, socket.MSG_PEEK) == b"".join(said)
    gone.shutdown(socket.SHUT_WR)
    near.loop.turn()
    assert is_closed(gone) and not is_closed(link)
    near.record.console.ring = bytearray(b"x")  # type: ignore[union-attr]
    link.sendall((STATE if len(said) == 1 else LOG)[-1:])
    near.loop.turn()
    assert protocol.unpack_response(link.recv(protocol.HEADER)).ret == 0


def test_the_largest_question_is_heard_whole(near: Near) -> None:
    payload = bytes(protocol.MAX_PAYLOAD)
    link = near.connect(protocol.pack_request(Command.GET_CONFIG_ITEM, 0, payload), payload[:5000], payload[5000:])
    assert protocol.unpack_response(link.recv(protocol.HEADER)).ret < 0


@pytest.mark.parametrize("command", [Command.GET_STATE, Command.TERMINAL_WINCH])
def test_who_says_more_than_a_question_is_answered_and_sees_the_end(near: Near, command: Command) -> None:
    """And no error, as of a connection that is closed with something in it."""
    link = near.connect(protocol.pack_request(command) + bytes(4000))
    if command == Command.GET_STATE:
        assert state(link) == State.RUNNING
    assert link.recv(1) == b""


def test_who_is_to_be_answered_later_is_not_looked_at_meanwhile(near: Near, is_closed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.answers, "answer", lambda *_asked: Answer(silent=True))
    link, gone = near.connect(STATE), near.connect(STATE)
    assert near.loop._epoll.poll(0) == []
    [first, second] = near.record.clients
    assert first.connection.recv(99, socket.MSG_PEEK) == STATE, "another monitor would begin it anew"
    gone.close()
    near.loop.turn()
    assert near.record.clients == [first] and second.fd < 0
    first.reply(Answer(0, 7))
    assert state(link) == 7 and link.recv(1) == b""


class Next(Near):
    """The monitor after one that was killed: `take` is given what its keeper holds."""

    def take(self, listed: list[dict[str, Any]], **names: socket.socket) -> None:
        held = {name.replace("_", " "): sock.detach() for name, sock in names.items()}
        self.server.resume(listed, held)
        for _round in range(2):
            self.loop.later(0, lambda: None)
            self.loop.turn()


@pytest.fixture
def after(loop: Loop, tmp_path: Path, save: Callable[[Record], None]) -> Iterator[Next]:
    made = Next(loop, str(tmp_path / "next"), save)
    yield made
    for client in list(made.record.clients):
        client.close()
    save(made.record)
    made.listener.close()


def test_who_had_asked_another_monitor_is_answered_by_the_next(after: Next, clock: Any, is_closed: Any) -> None:
    """Who has not said all yet can say the rest, and who never does is dropped in the end."""
    pairs = [socket.socketpair() for _number in range(3)]
    for (_near, far), said in zip(pairs, (STATE, STATE[:9], b"")):
        far.settimeout(5)
        far.sendall(said)
    after.take([], asked_7=pairs[0][0], asked_8=pairs[1][0], asked_9=pairs[2][0])
    far = [pair[1] for pair in pairs]
    assert state(far[0]) == State.RUNNING and far[0].recv(1) == b""
    assert after.loop._epoll.poll(0) == []
    far[1].sendall(STATE[9:])
    after.loop.turn()
    assert state(far[1]) == State.RUNNING
    clock.let_pass(9)
    assert not is_closed(far[2])
    clock.let_pass(2)
    assert is_closed(far[2]) and after.record.clients == []


def test_what_somebody_wanted_who_has_gone_is_not_done(after: Next) -> None:
    """It may have been done, and answered; and something else have been asked for since."""
    stopped: list[Record] = []
    after.server.actions = after.server.actions._replace(stop=stopped.append)
    for is_gone in (True, False):
        near, far = socket.socketpair()
        after.links.append(far)
        far.sendall(protocol.pack_request(Command.STOP))
        if is_gone:
            far.close()
        after.take([], asked_7=near)
        assert len(stopped) == (0 if is_gone else 1)
    assert [client.waiting for client in after.record.clients] == [{"stop": True}]


def test_who_is_to_wait_is_written_down_before_it_is_told(near: Near) -> None:
    saved: list[list[dict[str, Any]]] = []

    def save(record: Record) -> None:
        link.setblocking(False)
        with pytest.raises(BlockingIOError):
            link.recv(1)
        assert record.clients[0].connection.recv(9000, socket.MSG_PEEK) == wait_for(State.STOPPED)
        saved.append([client.waiting for client in record.clients])

    near.server.actions = near.server.actions._replace(save=save)
    link = near.connect()
    link.sendall(wait_for(State.STOPPED))
    near.loop.turn()
    assert saved == [[{"states": (1, 0, 0, 0, 0, 0, 0, 0)}]]
    assert state(link) == protocol.MAX_STATE


@pytest.mark.parametrize(("written", "told"), [(True, True), (True, False), (False, False)])
def test_who_waits_goes_on_waiting_and_is_told_so_if_it_was_not(after: Next, is_closed: Any, written: bool, told: bool) -> None:
    """One that the keeper holds has asked, though the ledger does not have it yet."""
    near, far = socket.socketpair()
    far.settimeout(5)
    if not told:
        far.sendall(wait_for(State.STOPPED))
    listed = [{"states": [1, 0, 0, 0, 0, 0, 0, 0], "serial": 41}] if written else []
    after.take(listed, client_41=near)
    if not told:
        assert state(far) == protocol.MAX_STATE
    [client] = after.record.state_clients
    assert client.states[State.STOPPED] == 1 and not is_closed(far)
    assert (client.serial == 41) == written and next(Client.serials) > client.serial
    client.push(b"stopped")
    assert far.recv(99) == b"stopped"
