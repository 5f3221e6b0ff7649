# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that are sent ahead: by how many containers, what is asked again, and that nothing stays open."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import ahead, protocol, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, NotRunning, State

QUESTIONS = ((Command.GET_STATE, b"", 0), (Command.GET_INIT_PID, b"", 0))


class Monitor:
    """Answers whatever it is asked with its number, each connection when it is told to."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.container = paths.container(f"a{uuid.uuid4().hex[:8]}", "/nowhere")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(protocol.address(*self.container))
        self.socket.listen(8)
        self.socket.settimeout(5)

    def asked(self) -> list[tuple[int, socket.socket]]:
        """What waits to be answered: the command, and the connection."""
        self.socket.setblocking(False)
        found = []
        while True:
            try:
                link, _address = self.socket.accept()
            except BlockingIOError:
                self.socket.settimeout(5)
                return found
            link.setblocking(True)
            found.append((protocol.unpack_request(link.recv(16)).cmd, link))

    def answer(self, count: int) -> None:
        def serve() -> None:
            for _turn in range(count):
                link, _address = self.socket.accept()
                with link:
                    link.recv(4096)
                    link.sendall(protocol.pack_response(0, self.number))

        threading.Thread(target=serve, daemon=True).start()


@pytest.fixture
def monitors() -> Iterator[list[Monitor]]:
    made = [Monitor(number) for number in (2, 3, 4, 5)]
    yield made
    for monitor in made:
        monitor.socket.close()


def test_so_many_are_asked_before_the_first_answer_is_read(monitors: list[Monitor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_AHEAD", 2)
    before = set(os.listdir("/proc/self/fd"))
    askers = ahead.each([monitor.container for monitor in monitors], QUESTIONS)
    first = next(askers)
    waiting = [monitor.asked() for monitor in monitors]
    assert [[command for command, _link in one] for one in waiting] == [[Command.GET_STATE, Command.GET_INIT_PID]] * 2 + [[]] * 2
    for _command, link in waiting[0]:
        link.sendall(protocol.pack_response(0, int(State.FROZEN)))
    assert query.state(monitors[0].container, asker=first) == State.FROZEN
    assert query.init_pid(monitors[0].container, asker=first) == State.FROZEN
    next(askers)
    assert len(monitors[2].asked()) == 2
    askers.close()  # type: ignore[attr-defined]
    for _command, link in waiting[0] + waiting[1]:
        link.close()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_each_container_has_its_own_answers(monitors: list[Monitor]) -> None:
    for monitor in monitors:
        monitor.answer(2)
    containers = [monitor.container for monitor in monitors]
    states = [int(query.state(one, asker=asker)) for one, asker in zip(containers, ahead.each(containers, QUESTIONS))]
    assert states == [2, 3, 4, 5]


def test_who_closes_without_an_answer_is_asked_again(monitors: list[Monitor]) -> None:
    monitor = monitors[0]
    askers = ahead.each([monitor.container], QUESTIONS[:1])
    asker = next(askers)
    [(_command, link)] = monitor.asked()
    link.close()
    monitor.answer(1)
    assert query.state(monitor.container, asker=asker) == State(monitor.number)


def test_what_was_not_asked_ahead_is_asked_now(monitors: list[Monitor]) -> None:
    monitor = monitors[0]
    askers = ahead.each([monitor.container], QUESTIONS[:1])
    asker = next(askers)
    [(_command, link)] = monitor.asked()
    monitor.answer(1)
    assert query.init_pid(monitor.container, asker=asker) == monitor.number
    link.close()


def test_nobody_there_is_told_when_it_is_asked() -> None:
    container = paths.container("none", "/nowhere/at/all")
    for asker in ahead.each([container], QUESTIONS):
        assert query.state(container, asker=asker) == State.STOPPED
        with pytest.raises(NotRunning):
            query.init_pid(container, asker=asker)
