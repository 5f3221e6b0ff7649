# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When no descriptor is to be had for who connects: he waits, the loop does not go round and round, and he is answered later."""

from __future__ import annotations

import os
import resource
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.answers import Actions
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.requests import Requests
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.serve import Server
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import host, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State


def container_socket(loop: Loop, path: str) -> tuple[Any, bytes]:
    """The command socket of a container, and a question to it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(path)
    listener.listen(10)
    record = Record(Container("/lxc", "u1"), listener)
    record.state = State.RUNNING
    actions = Actions(lambda _record, _state: None, lambda _record: None, lambda _record: None)
    return Server(loop, record, actions), protocol.pack_request(Command.GET_STATE, 0, b"")


def host_socket(loop: Loop, path: str) -> tuple[Any, bytes]:
    """The host's socket, and a request to it."""
    supervisor: Any = SimpleNamespace(records={})
    return Requests(loop, supervisor, {"digest": "d"}, lambda _message, _reply: None, path), host.encode({"op": "hello"})


@contextmanager
def no_descriptor() -> Iterator[None]:
    """To be had by this process, meanwhile."""
    bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
    free_fd = os.open("/", os.O_RDONLY)
    os.close(free_fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free_fd, bounds[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, bounds)


@pytest.mark.parametrize("make", [container_socket, host_socket])
def test_who_connects_when_no_descriptor_is_left_is_answered_later(loop: Loop, tmp_path: Path, make: Any) -> None:
    """And not at once again and again: his socket stays readable."""
    served, question = make(loop, str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(tmp_path / "socket"))
        link.sendall(question)
        link.setblocking(False)
        with no_descriptor():
            assert loop._epoll.poll(0), "he is seen"
            loop.turn()
            assert loop._epoll.poll(0) == [], "nobody looks at him"
        for _turn in range(5):
            loop.later(10, lambda: None)  # no turn is without an end
            loop.turn()
            if select.select([link], [], [], 0)[0]:
                break
        assert link.recv(1)
    del served
