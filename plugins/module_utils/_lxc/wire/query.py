# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that every task asks of a running container. They stand apart from `client` so that little is loaded for them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence

from ..paths import Container
from . import protocol
from .exchange import TIMEOUT, Ask, Refused, Reply, ask
from .protocol import Command, NotRunning, ProtocolError, State


def state(container: Container, timeout: float = TIMEOUT, asker: Ask = ask) -> State:
    """The state; STOPPED when nobody listens."""
    try:
        value = asker(container, Command.GET_STATE, timeout).response.value
    except NotRunning:
        return State.STOPPED
    return state_of(container, value)


def state_of(container: Container, value: int) -> State:
    """The state that a monitor tells by its number."""
    try:
        return State(value)
    except ValueError:
        raise ProtocolError(f"The monitor of {container.name} tells the unknown state {value}") from None


def init_pid(container: Container, timeout: float = TIMEOUT, asker: Ask = ask) -> int:
    """The pid of the container's first process, as the monitor's pid namespace counts."""
    pid = asker(container, Command.GET_INIT_PID, timeout).response.value
    if pid <= 0:
        raise NotRunning(f"Container {container.name} in {container.lxc_path} has no init yet")
    return pid


def config_item(container: Container, key: str, timeout: float = TIMEOUT, asker: Ask = ask) -> str | None:
    """The value that the container was started with, as the monitor prints it; None when it is unset or unknown."""
    return read_config_item(lambda: asker(container, Command.GET_CONFIG_ITEM, timeout, payload=protocol.pack_text(key)))


def read_config_item(pending: Callable[[], Reply]) -> str | None:
    """`config_item`, when it has been asked for."""
    try:
        reply = pending()
    except Refused as error:
        if error.errno != errno.EPERM:  # the answer to an unset key, too
            raise
        return None
    return protocol.unpack_text(reply.payload) if reply.payload else ""


def askers(containers: Sequence[Container], questions: Sequence[tuple[Command, bytes, int]]) -> Iterable[Ask]:
    """For each container what it is asked by: of many, these questions are asked ahead (`ahead.each`)."""
    if len(containers) < 2:
        return [ask] * len(containers)
    from . import ahead

    return ahead.each(containers, questions)
