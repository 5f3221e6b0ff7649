# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State changes, told to who asked: the command protocol's state clients, and the FIFO of lxc-monitord where there is one."""

from __future__ import annotations

import os

from ..paths import LXC_RUN
from ..wire import protocol
from ..wire.protocol import State
from .record import Record

_SURVIVES_REBOOT = 2


def broadcast(record: Record, state: State) -> None:
    """Push one message to each client that waits for this state, and forget it; a client that is gone is no error."""
    message = protocol.StateMessage(0, record.container.name, int(state)).pack()
    for client in list(record.state_clients):
        wanted = client.states[int(state)]
        if not wanted or (state == State.STOPPED and record.listener is not None and client.states[int(State.RUNNING)] == _SURVIVES_REBOOT):
            continue
        record.state_clients.remove(client)
        client.push(message)
    _tell_fifo(record, message)


def close_all(record: Record) -> None:
    """The container has ended: the connections that are still open end too, which tells the rest."""
    clients, record.state_clients = record.state_clients, []
    for client in clients:
        client.close()


def _tell_fifo(record: Record, message: bytes) -> None:
    try:
        fifo_fd = os.open(f"{LXC_RUN}/{record.container.lxc_path}/monitor-fifo", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        os.write(fifo_fd, message)
    except OSError:
        return
    finally:
        os.close(fifo_fd)
