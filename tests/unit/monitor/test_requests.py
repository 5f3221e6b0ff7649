# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own requests, with a supervisor that only pretends."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import NotFound
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.requests import Requests
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import host


class Supervisor:
    def __init__(self) -> None:
        self.records: dict[Any, Any] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.hold = False

    def is_up(self, container: Any) -> bool:
        return bool(container.name == "up")

    def start(self, container: Any, timeout: float, log_file: str, log_level: str, waiter: Any) -> None:
        self.asked.append((container, timeout, log_file, log_level, waiter))
        if not self.hold:
            waiter(NotFound("it is not there") if container.name == "gone" else None, ["a warning"])


class Near:
    def __init__(self, loop: Loop, tmp_path: Path) -> None:
        self.loop, self.supervisor, self.path = loop, Supervisor(), str(tmp_path / "monitor.sock")
        self.replaced: list[Any] = []
        self.requests = Requests(loop, self.supervisor, {"digest": "d"}, self._replace, self.path)  # type: ignore[arg-type]

    def _replace(self, message: Any, reply: Any) -> None:
        self.replaced.append(message["collection"])
        reply(host.reply({"replaced": True}))

    def connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(5)
        link.connect(self.path)
        self.loop.turn()
        return link

    def ask(self, link: socket.socket, message: dict[str, Any]) -> dict[str, Any]:
        link.sendall(host.encode(message))
        self.loop.turn()
        return host.Decoder().feed(link.recv(1 << 20))[0]


@pytest.fixture
def near(loop: Loop, tmp_path: Path) -> Near:
    return Near(loop, tmp_path)


def kind(answer: dict[str, Any]) -> str:
    return str(answer["error"]["kind"])


def test_hello_list_and_what_is_unknown(near: Near) -> None:
    link = near.connect()
    assert os.stat(near.path).st_mode & 0o777 == 0o600
    assert near.ask(link, {"op": "hello"}) == {
        "version": 1, "ok": True, "digest": "d", "pid": os.getpid(), "keeper": os.getppid(), "containers": 0,
    }  # fmt: skip
    assert near.ask(link, {"op": "list"})["containers"] == []
    assert kind(near.ask(link, {"op": "dance"})) == "BadValue"
    assert kind(near.ask(link, {"op": 7})) == "ProtocolError"
    assert kind(near.ask(link, {"op": "list", "version": 99})) == "Outdated"


def test_what_is_frozen_is_answered_to_every_version(near: Near) -> None:
    """A newer collection must be able to find a monitor that speaks an older version, and to replace it."""
    link = near.connect()
    assert near.ask(link, {"op": "hello", "version": 99})["digest"] == "d"
    assert near.ask(link, {"op": "replace", "version": 99, "collection": 1})["replaced"]
    assert near.ask(link, {"op": "quit", "version": 99})["ok"]


def test_each_container_has_its_own_result(near: Near) -> None:
    answer = near.ask(near.connect(), {"op": "start", "containers": [["/lxc", "up"], ["/lxc", "gone"]], "timeout": 5, "log_level": "INFO"})
    assert [(one["name"], one["error"] and one["error"]["kind"], one["warnings"], one["was_up"]) for one in answer["results"]] == [
        ("up", None, ["a warning"], True),
        ("gone", "NotFound", ["a warning"], False),
    ]
    assert near.supervisor.asked[0][1:4] == (5.0, "", "INFO")


@pytest.mark.parametrize(("theirs", "outdated"), [("1.10.0", True), ("1.9.0", False), ("0.1.0", False), (None, False)])
def test_a_start_for_a_newer_collection_is_left_to_a_newer_monitor(near: Near, theirs: Any, outdated: bool) -> None:
    near.requests.facts["collection"] = "1.9.0"
    answer = near.ask(near.connect(), {"op": "start", "containers": [["/lxc", "a"]], **({"collection": theirs} if theirs else {})})
    assert len(near.supervisor.asked) == (not outdated)
    assert answer["ok"] is not outdated
    assert not outdated or kind(answer) == "Outdated"


def test_replace_is_handed_on_and_answered_when_it_is_done(near: Near) -> None:
    assert near.ask(near.connect(), {"op": "replace", "collection": 1})["replaced"]
    assert near.replaced == [1]


def test_the_socket_of_the_monitor_before_goes_on(near: Near, loop: Loop, tmp_path: Path) -> None:
    """Who connects while nobody reads waits, and is answered by the next."""
    near.requests.pause()
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(near.path)
    listener_fd = os.dup(near.requests.listener.fileno())
    Requests(loop, near.supervisor, {"digest": "next"}, near._replace, near.path, listener_fd)  # type: ignore[arg-type]
    loop.turn()
    assert near.ask(waiting, {"op": "hello"})["digest"] == "next"


def test_a_socket_whose_name_was_removed_is_made_anew(near: Near, loop: Loop) -> None:
    listener_fd = os.dup(near.requests.listener.fileno())
    os.unlink(near.path)
    Requests(loop, near.supervisor, {"digest": "next"}, near._replace, near.path, listener_fd)  # type: ignore[arg-type]
    assert near.ask(near.connect(), {"op": "hello"})["digest"] == "next"


BAD: list[dict[str, Any]] = [
    {"containers": []}, {"containers": "a"}, {"containers": [["/lxc", "../a"]]}, {"containers": [["lxc", "a"]]}, {"containers": [["/lxc"]]},
    {"containers": [["/lxc", "a"]], "timeout": float("nan")}, {"containers": [["/lxc", "a"]], "timeout": float("inf")},
    {"containers": [["/lxc", "a"]], "timeout": "soon"}, {"containers": [["/lxc", "a"]], "timeout": -1},
    {"containers": [["/lxc", "a"]], "log_level": "LOUD"},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD)
def test_a_bad_request_starts_nothing(near: Near, body: dict[str, Any]) -> None:
    assert near.ask(near.connect(), {"op": "start", **body})["ok"] is False
    assert near.supervisor.asked == []


def test_an_answer_to_who_has_gone_is_dropped(near: Near) -> None:
    near.supervisor.hold = True
    link = near.connect()
    link.sendall(host.encode({"op": "start", "containers": [["/lxc", "a"]]}))
    near.loop.turn()
    link.close()
    near.loop.turn()
    near.supervisor.asked[0][4](None, [])


def test_bytes_one_by_one_and_nonsense(near: Near) -> None:
    link = near.connect()
    for byte in host.encode({"op": "hello"}):
        link.sendall(bytes([byte]))
        near.loop.turn()
    assert host.Decoder().feed(link.recv(4096))[0]["ok"]
    for nonsense in (b"\xff\xff\xff\xff", b"\0\0\0\x02[]", b"\0\0\0\x01{"):
        other = near.connect()
        other.sendall(nonsense)
        near.loop.turn()
        assert other.recv(1) == b""


def test_quit_is_refused_while_containers_run(near: Near) -> None:
    near.supervisor.records["x"] = SimpleNamespace(container=SimpleNamespace(name="x"))
    assert kind(near.ask(near.connect(), {"op": "quit"})) == "InUse"
    assert os.path.exists(near.path)


def test_between_quit_and_the_end_nothing_is_started(near: Near) -> None:
    early, link = near.connect(), near.connect()
    assert near.ask(link, {"op": "quit"})["ok"]
    assert not os.path.exists(near.path), "whoever comes now brings up another"
    assert kind(near.ask(early, {"op": "start", "containers": [["/lxc", "a"]]})) == "NoMonitor"
    assert near.supervisor.asked == []
    near.loop.run()


def test_the_socket_of_who_came_after_us_stays(near: Near) -> None:
    other = near.path + ".other"
    later = socket.socket(socket.AF_UNIX)
    later.bind(other)
    os.rename(other, near.path)
    near.requests.close()
    assert os.path.exists(near.path)


def silent(_near: Near, _link: socket.socket) -> None:
    """It connects."""


def half(_near: Near, link: socket.socket) -> None:
    link.sendall(host.encode({"op": "hello"})[:-1])


def answered(near: Near, link: socket.socket) -> None:
    near.ask(link, {"op": "list"})


def unread(near: Near, link: socket.socket) -> None:
    """The answer is longer than what a socket holds."""
    near.requests.facts["long"] = "x" * (3 << 20)
    link.sendall(host.encode({"op": "hello"}))


def owed_and_unread(near: Near, link: socket.socket) -> None:
    link.sendall(host.encode({"op": "start", "containers": [["/lxc", "b"]]}))
    unread(near, link)


@pytest.mark.parametrize("kind_of_client", [silent, half, answered, unread, owed_and_unread])
def test_who_lets_us_wait_is_dropped_and_nobody_else(near: Near, clock: Any, is_closed: Any, kind_of_client: Any) -> None:
    near.supervisor.hold = True
    patient, link = near.connect(), near.connect()
    patient.sendall(host.encode({"op": "start", "containers": [["/lxc", "a"]]}))
    clock.let_pass(5)
    kind_of_client(near, link)
    clock.let_pass(4)
    assert not is_closed(link)
    clock.let_pass(11)
    assert is_closed(link)
    assert near.ask(near.connect(), {"op": "list"})["ok"]
    assert not is_closed(patient), "it waits for us, however long that takes"
    near.supervisor.asked[0][4](None, [])
    assert host.Decoder().feed(patient.recv(4096))[0]["ok"]
    clock.let_pass(11)
    assert is_closed(patient)


def test_who_takes_a_long_answer_slowly_gets_it_whole(near: Near, clock: Any, is_closed: Any) -> None:
    link, decoder, messages = near.connect(), host.Decoder(), []
    unread(near, link)
    link.sendall(host.encode({"op": "list"}))
    while len(messages) < 2:
        clock.let_pass(9)
        assert not is_closed(link)
        messages += decoder.feed(link.recv(1 << 20))
    assert len(messages[0]["long"]) == 3 << 20 and messages[1]["containers"] == []


def test_nothing_more_is_read_of_who_does_not_take_what_it_asked_for(near: Near, clock: Any) -> None:
    """Or its answers would fill the monitor's memory."""
    link = near.connect()
    unread(near, link)
    clock.let_pass(0)
    link.sendall(host.encode({"op": "replace", "collection": "1"}))
    clock.let_pass(0)
    assert near.replaced == []
    link.close()
    clock.let_pass(0)
