# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keeper tells: how processes ended, also to a loop that comes to its timers first, and to who has only just been forked."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import types
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import sockets
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import adopt, state, table
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.link import Link
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def test_all_that_was_said_is_heard(loop: Loop) -> None:
    keeper, ours = sockets.seqpacket_pair()
    told: dict[int, int] = {}
    for pid in (101, 102, 103):
        loop.on_exit(pid, lambda status, pid=pid: told.update({pid: status}))  # type: ignore[misc]
    link = Link(loop, bond(ours), lambda: None)
    with keeper, ours:
        link.hear()
        assert told == {}
        for pid in (101, 102, 103):
            keeper.send(json.dumps({"ended": [pid, pid * 2]}).encode())
        link.hear()
        assert told == {101: 202, 102: 204, 103: 206}
        loop.forget(ours.fileno())


def bond(ours: socket.socket, pid: int = 0, *others: int) -> table.Bond:
    return table.Bond(ours, os.pidfd_open(pid or os.getpid()), others)


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_keeper_that_has_died_is_noticed_by_its_pidfd_and_heard_to_the_end(loop: Loop) -> None:
    """Its end of the talk, and whatever else it had, is open in our table; what waited to be said to it is said to nobody."""
    gc.collect()  # what earlier tests have left must not go meanwhile
    before = open_fds()
    keeper, ours = sockets.seqpacket_pair()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    said: list[Any] = []
    link = Link(loop, bond(ours, pid, keeper.detach()), lambda: said.append("lost"))
    link.on_word = said.append
    os.write(link.bond.others[0], b'{"news": 1}')
    while not link._unsent:
        link.hold("key", {"name": 0})
    link.close([os.dup(0)])
    os.waitid(os.P_PID, pid, os.WEXITED)
    loop.turn()
    assert said == [{"news": 1}, "lost"]
    assert open_fds() == before
    link.hold("key", {"name": 0})
    assert link.is_idle


def test_what_is_held_is_closed_after_the_keeper_was_told_and_not_before(loop: Loop, is_open: Callable[[int], bool]) -> None:
    keeper, ours = sockets.seqpacket_pair()
    link = Link(loop, bond(ours), lambda: None)
    first, second, third = (os.dup(0) for _number in range(3))
    with keeper, ours:
        link.drop("key")
        link.close([first])
        assert not is_open(first)
        while link.is_idle:
            link.hold("key", {"name": 0})
        link.close([second])
        assert is_open(second)
        keeper.setblocking(False)
        while not link.is_idle:
            with contextlib.suppress(BlockingIOError):
                while keeper.recv(4096):
                    continue
            loop.turn()
        assert not is_open(second)
        link.execute(["true"])
        link.drop("key")
        link.close([third])
        assert is_open(third), "the keeper may not have taken its table along yet"
        keeper.send(b'{"ready": true}')
        link.hear()
        assert not is_open(third)
        loop.forget(ours.fileno())
        loop.forget(link.bond.pidfd)
        os.close(link.bond.pidfd)


def test_each_look_at_what_has_ended_is_answered_on_its_own(loop: Loop) -> None:
    """What ended after the first may be heard of by the second only."""
    keeper, ours = sockets.seqpacket_pair()
    link = Link(loop, bond(ours), lambda: None)
    done: list[Any] = []
    told: list[int] = []
    loop.on_exit(102, told.append)
    with keeper, ours:
        for number in (101, 102):
            link.reap(lambda number=number: done.append((number, list(told))))  # type: ignore[misc]
        keeper.send(b'{"reaped": true}')
        link.hear()
        assert done == [(101, [])]
        for word in ({"ended": [102, 7]}, {"reaped": True}):
            keeper.send(json.dumps(word).encode())
        link.hear()
        assert done == [(101, []), (102, [7])]
        loop.forget(ours.fileno())
        loop.forget(link.bond.pidfd)
        os.close(link.bond.pidfd)


def test_numbers_are_enough_for_one_that_shares_the_table(loop: Loop) -> None:
    keeper, ours = sockets.seqpacket_pair()
    link = Link(loop, bond(ours), lambda: None)
    with keeper, ours:
        link.hold("key", {"name": 0})
        data, fds = sockets.recv_with_fds(keeper, 4096)
        assert (json.loads(data)["fds"], fds) == ([0], [])
        link.execute(["true"])
        link.hold("key", {"name": 0})
        keeper.recv(4096)
        data, fds = sockets.recv_with_fds(keeper, 4096)
        assert "fds" not in json.loads(data) and len(fds) == 1
        os.close(fds[0])
        loop.forget(ours.fileno())
        loop.forget(link.bond.pidfd)
        os.close(link.bond.pidfd)


@pytest.mark.parametrize(("known", "pidfd"), [(True, True), (False, True), (False, False)])
def test_an_init_that_ended_while_its_monitor_was_made(loop: Loop, known: bool, pidfd: bool) -> None:
    """Its status is on its way as long as there is a pidfd: the keeper held that, and so it reaps."""
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    fd = os.pidfd_open(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if known:
        loop.ended(pid, 0x300)
    awaited: list[int] = []
    ended: list[int] = []
    supervisor: Any = types.SimpleNamespace(
        loop=loop, watch_init=lambda record: awaited.append(record.init_pid), init_ended=lambda _record, status: ended.append(status)
    )
    record: Any = types.SimpleNamespace(init_pid=pid, pidfd=fd if pidfd else -1, exit_status=None, state=State.RUNNING)
    adopt._await_init(supervisor, record)
    os.close(fd)
    os.waitpid(pid, 0)
    if pidfd and not known:
        assert awaited == [pid]
        return
    loop.turn()
    assert (awaited, ended) == ([], [0x300 if known else state.UNKNOWN])
