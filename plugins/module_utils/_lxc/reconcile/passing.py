# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that somebody is starting, stopping or freezing right now: how it will be is told by its monitor when it is so."""

from __future__ import annotations

import select
import time

from ..errors import TimedOut
from ..paths import Container
from ..wire import client, query
from ..wire.protocol import NotRunning, State
from .desired import Observed

_LASTING = (State.STOPPED, State.RUNNING, State.FROZEN, State.THAWED)
_LOOK = 0.5  # that nobody answers any more, which is STOPPED, comes before the word of it: a post-stop hook is in between
_PAUSE = 0.05


def leaving(one: Container, existence: str, state: State) -> Observed:
    """One that is to be removed, with what stands against that."""
    from ..lifecycle import dependents, rootowner, volumes

    rootowner.refuse(one)
    clones = dependents.of(one) or volumes.clones(one)
    return Observed(existence, state.name, snapshots=tuple(dependents.snapshots(one)), clones=tuple(clones))


def settled(one: Container, timeout: float) -> State:
    """The state once it lasts, THAWED being RUNNING; TimedOut names the one that does not go by."""
    end = time.monotonic() + timeout
    while True:
        state = query.state(one)
        if state in _LASTING:
            return State.RUNNING if state is State.THAWED else state
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise TimedOut(f"Wait for {one.name} to be started or stopped: it has been {state.name} for {timeout:.0f} s")
        _listen(one, remaining)


def _listen(one: Container, remaining: float) -> None:
    """Until the monitor has said something, or has ended the connection."""
    try:
        link, now = client.watch(one, _LASTING)
    except (NotRunning, client.Refused):  # it has ended; or its monitor is too old to tell
        time.sleep(min(_PAUSE, remaining))
        return
    with link:
        if now is None:
            poll = select.poll()
            poll.register(link, select.POLLIN)
            poll.poll(min(_LOOK, remaining) * 1000 + 1)
