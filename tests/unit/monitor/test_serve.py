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
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.answers import Actions
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.serve import Server
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
