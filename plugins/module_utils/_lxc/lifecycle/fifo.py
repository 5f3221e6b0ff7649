# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FIFO of lxc-monitord, which passes on to every lxc-monitor what happens to the containers of a lxcpath.

Each writes what it does itself: the monitor the start and the end, whoever freezes or thaws that. Nobody reads: nothing happens.
"""

from __future__ import annotations

import os

from .. import paths
from ..paths import Container
from ..wire.payloads import StateMessage
from ..wire.protocol import State

_STATE, _EXIT = 0, 2


def tell_state(container: Container, state: State) -> None:
    """It has come to this state."""
    _write(container, StateMessage(_STATE, container.name, int(state)))


def tell_exit(container: Container, status: int) -> None:
    """Its init has ended, with this wait status."""
    _write(container, StateMessage(_EXIT, container.name, status))


def _write(container: Container, message: StateMessage) -> None:
    """Never waited for; lost when there is no reader, or one that does not read."""
    place = f"{paths.LXC_RUN}/{container.lxc_path}/monitor-fifo"
    try:
        fifo_fd = os.open(place, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        os.write(fifo_fd, message.pack())
    except OSError:
        return
    finally:
        os.close(fifo_fd)
