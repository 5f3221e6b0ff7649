# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keeper tells: how processes ended, also to a loop that comes to its timers first, and to who has only just been forked."""

from __future__ import annotations

import json
import os
import types
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import sockets
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import adopt, state
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.link import Link
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def test_all_that_was_said_is_heard(loop: Loop) -> None:
    keeper, ours = sockets.seqpacket_pair()
    told: dict[int, int] = {}
    for pid in (101, 102, 103):
        loop.on_exit(pid, lambda status, pid=pid: told.update({pid: status}))  # type: ignore[misc]
    link = Link(loop, ours, lambda: None)
    with keeper, ours:
        link.hear()
        assert told == {}
        for pid in (101, 102, 103):
            keeper.send(json.dumps({"ended": [pid, pid * 2]}).encode())
        link.hear()
        assert told == {101: 202, 102: 204, 103: 206}
        loop.forget(ours.fileno())


def test_a_keeper_that_has_died_is_noticed_and_no_trouble(loop: Loop) -> None:
    keeper, ours = sockets.seqpacket_pair()
    lost: list[bool] = []
    link = Link(loop, ours, lambda: lost.append(True))
    keeper.close()
    link.hear()
    link.hear()
    assert lost == [True]


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
