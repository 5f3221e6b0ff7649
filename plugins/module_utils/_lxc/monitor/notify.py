# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State changes, told to the state clients of the command protocol."""

from __future__ import annotations

from ..wire import payloads
from ..wire.protocol import State
from .record import Record

_SURVIVES_REBOOT = 2


def broadcast(record: Record, state: State) -> None:
    """Push one message to each client that waits for this state, and forget it; a client that is gone is no error."""
    message = payloads.StateMessage(0, record.container.name, int(state)).pack()
    for client in list(record.state_clients):
        if client.states[int(state)]:
            record.state_clients.remove(client)
            client.push(message)


def close_all(record: Record) -> None:
    """The container has ended. LXC only ends the connections; who waits for STOPPED is told here, for a dead monitor's end, too."""
    broadcast(record, State.STOPPED)
    clients, record.state_clients = record.state_clients, []
    for client in clients:
        client.close()


def close_for_reboot(record: Record) -> None:
    """A reboot is an end: only who asked to be kept over it, for the RUNNING that follows, goes on waiting."""
    broadcast(record, State.STOPPED)
    for client in list(record.state_clients):
        if client.states[int(State.RUNNING)] != _SURVIVES_REBOOT:
            client.close()
