# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container stands: read from its files and from its command socket, so it does not matter who started it."""

from __future__ import annotations

import os

from ..paths import SPENT, Container
from ..wire import query
from ..wire.protocol import State
from .desired import NOTHING, Desired, Observed

_SETTLE = 30.0


def observe(desired: Desired) -> Observed:
    """Read what this task needs to know, and no more."""
    if desired.besides is not None:
        from .beside import look

        return look(desired, desired.besides, observe)
    one = desired.container
    state = settled_state(one)
    existence = _existence(one, state)
    if desired.state == "absent" and existence != "absent":
        from .passing import leaving

        return leaving(one, existence, state)
    observed = Observed(existence, state.name, template=_template(one) if existence == "defined" and desired.template else "")
    if state is not State.STOPPED and (desired.state in ("stopped", "restarted") or desired.restart_if_needed):
        from ..lifecycle.ephemeral import is_ephemeral

        observed = observed._replace(ephemeral=is_ephemeral(one))
    if existence == "defined" and desired.says_storage:
        from .origin import storage

        observed = storage(desired, observed, one)
    if existence != "defined" or not desired.says_config:
        return observed
    from .observe_config import read_config, running_items

    text = read_config(one)
    return observed._replace(text=text, running=NOTHING if state is State.STOPPED else running_items(desired, text))


def _template(one: Container) -> str:
    """As the first line of a config names it, in LXC's words; "" where it does not."""
    try:
        with open(one.config, "rb") as file:
            return file.readline(4096).decode("utf-8", "replace").partition("# Template used to create this container: ")[2].strip()
    except OSError:  # whoever needs the config says so
        return ""


def settled_state(one: Container) -> State:
    """The state once it lasts. A container that somebody is starting or stopping right now is waited for."""
    state = query.state(one)
    if state in (State.STOPPED, State.RUNNING, State.FROZEN):
        return state
    from . import passing

    return passing.settled(one, _SETTLE)


def _existence(one: Container, state: State) -> str:
    if state is not State.STOPPED:
        return "defined"
    is_there = os.path.lexists(one.config) and not os.path.lexists(f"{one.directory}/{SPENT}")
    if os.path.lexists(one.partial) or (os.path.lexists(one.directory) and not is_there):
        from ..lifecycle import ephemeral, partial

        if partial.is_abandoned(one, _SETTLE) or partial.is_empty(one) or ephemeral.is_spent(one):
            return "half-made"
        is_there = os.path.lexists(one.config)  # somebody may have made or removed it meanwhile
    return "defined" if is_there else "absent"
