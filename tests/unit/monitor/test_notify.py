# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told which state, and who goes on waiting."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import notify
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.payloads import StateMessage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


class Waiting:
    """A state client as the record knows it; like the real one it leaves the record when it is closed."""

    def __init__(self, record: Record, **wanted: int) -> None:
        self.record = record
        self.states = tuple(wanted.get(state.name, 0) for state in State)
        self.told: list[int] = []
        self.open = True
        record.state_clients.append(self)

    def push(self, message: bytes) -> None:
        self.told.append(StateMessage.unpack(message).value)
        self.close()

    def close(self) -> None:
        self.open = False
        if self in self.record.state_clients:
            self.record.state_clients.remove(self)


@pytest.fixture
def record() -> Record:
    return Record(Container("/lxc", "u1"), socket.socket())


def test_each_is_told_once_of_what_it_waits_for(record: Record) -> None:
    one, other = Waiting(record, FROZEN=1), Waiting(record, STOPPING=1)
    notify.broadcast(record, State.FROZEN)
    notify.broadcast(record, State.FROZEN)
    assert (one.told, one.open) == ([State.FROZEN], False)
    assert (other.told, other.open) == ([], True)


def test_a_reboot_ends_the_waiting_but_for_who_asked_to_be_kept(record: Record) -> None:
    stopped, starting = Waiting(record, STOPPED=1), Waiting(record, STARTING=1)
    kept, both = Waiting(record, RUNNING=2), Waiting(record, STOPPED=1, RUNNING=2)
    notify.close_for_reboot(record)
    assert [one.told for one in (stopped, starting, kept, both)] == [[State.STOPPED], [], [], [State.STOPPED]]
    assert record.state_clients == [kept] and kept.open and not starting.open
    notify.broadcast(record, State.RUNNING)
    assert kept.told == [State.RUNNING]


def test_at_the_end_all_connections_end_and_who_waits_for_it_is_told(record: Record) -> None:
    waiting = [Waiting(record, STOPPED=1), Waiting(record, RUNNING=2)]
    notify.close_all(record)
    assert [one.open for one in waiting] == [False, False] and [one.told for one in waiting] == [[State.STOPPED], []]
