# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a monitor that has gone: in children, since all that is not named is closed."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import table
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.handover import Held


def in_a_child(run: Callable[[int], object]) -> Any:
    """What `run(where it is said)` returns there."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_fd, json.dumps(run(write_fd)).encode())
        finally:
            os._exit(0)
    os.close(write_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (0, -signal.SIGKILL)
    with open(read_fd, "rb") as file:
        return json.load(file)


def listen(address: Any) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(10)
    return listener


def let_in(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    far = socket.socket(socket.AF_UNIX)
    far.connect(listener.getsockname())
    return listener.accept()[0], far


@pytest.mark.parametrize("spares", [True, False])
def test_only_what_is_held_and_who_waits_for_an_answer_is_left(tmp_path: Path, spares: bool, is_open: Callable[[int], bool]) -> None:
    def run(said_fd: int) -> object:
        one, other, gone, ours = (listen(name) for name in (b"\0one", b"\0other", b"\0gone", str(tmp_path / "ours")))
        waiting, asking, silent, late, asking_us = (let_in(listener)[0] for listener in (one, one, other, gone, ours))
        stray, pair, datagrams = os.open("/", os.O_RDONLY), socket.socketpair(), socket.socketpair(type=socket.SOCK_DGRAM)
        held: Held = {
            "one": {"listener": one.fileno(), "client 1": waiting.fileno(), "init": said_fd},
            "other": {"listener": other.fileno(), "was closed": 1000},
            "ours": {"listener": ours.fileno()},
            "empty": {},
        }
        own = table.Own.open()
        table.sweep(held, own, spares)
        asked = [asking, silent] if spares else []
        kept = (one, other, ours, waiting, *asked)
        swept = (gone, late, asking_us, *pair, *datagrams, *({asking, silent} - {*asked}))
        return [
            {key: sorted(name.rstrip("0123456789") for name in names) for key, names in held.items()},
            all(held[key].get(f"asked {sock.fileno()}", -1) == sock.fileno() for key, sock in zip(("one", "other"), asked)),
            [is_open(sock.fileno()) for sock in kept] + [is_open(fd) for fd in (0, 1, 2, *own)],
            [is_open(sock.fileno()) for sock in swept] + [is_open(stray)],
        ]

    names, is_named, kept, swept = in_a_child(run)
    asked = ["asked "] if spares else []
    assert names == {"one": [*asked, "client ", "init", "listener"], "other": [*asked, "listener"], "ours": ["listener"], "empty": []}
    assert is_named and all(kept) and not any(swept)


def test_where_no_descriptor_is_to_be_had_who_waits_is_lost_and_nothing_else(is_open: Callable[[int], bool]) -> None:
    def run(said_fd: int) -> object:
        one = listen(b"\0one")
        asking, _far = let_in(one)
        held: Held = {"one": {"listener": one.fileno(), "init": said_fd}}
        own = table.Own.open()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        table.sweep(held, own)
        return [list(held["one"]), is_open(one.fileno()), is_open(asking.fileno())]

    assert in_a_child(run) == [["listener", "init"], True, False]


def opens_and_dies(said_fd: int) -> None:
    os.write(said_fd, str(os.open("/", os.O_RDONLY)).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_the_monitor_had_open_its_keeper_has_when_it_dies(is_open: Callable[[int], bool]) -> None:
    def run(_said_fd: int) -> object:
        number_fd, own_fd = os.pipe()
        pid = table.fork()
        if pid == 0:
            opens_and_dies(own_fd)
        status = os.waitpid(pid, 0)[1]
        return [status, is_open(int(os.read(number_fd, 9)))]

    assert in_a_child(run) == [signal.SIGKILL, True]


def test_what_the_keeper_had_open_its_monitor_has_when_it_dies_and_is_told(is_open: Callable[[int], bool]) -> None:
    def run(said_fd: int) -> object:
        number_fd, own_fd = os.pipe()
        own = table.Own.open()
        if table.fork():
            opens_and_dies(own_fd)
        return [process.pidfd_wait(own.pidfd, 20), is_open(int(os.read(number_fd, 9)))]

    assert in_a_child(run) == [True, True]


def test_who_leaves_has_a_table_of_its_own_and_less_in_it(is_open: Callable[[int], bool]) -> None:
    def run(said_fd: int) -> object:
        kept_fd, shared_fd = os.pipe()
        if table.fork() == 0:
            table.leave([kept_fd, said_fd])
            left = [is_open(kept_fd), is_open(shared_fd)]
            os.close(kept_fd)
            return left
        os.wait()
        os._exit(0 if is_open(kept_fd) and is_open(shared_fd) else 1)

    assert in_a_child(run) == [True, False]
