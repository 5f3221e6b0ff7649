# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several requests to one container at once: all are sent before the first reply is read, so their ways there and back overlap."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from ..paths import Container
from .exchange import TIMEOUT, Exchange, Reply
from .protocol import Command

Pending = Callable[[], Reply]


class Several:
    """Each request has a connection of its own, as the protocol wants it; `close` ends them, and what was not read is dropped."""

    def __init__(self, container: Container, timeout: float = TIMEOUT) -> None:
        self._container = container
        self._timeout = timeout
        self._links: list[socket.socket] = []

    def send(self, command: Command, payload: bytes = b"", max_fds: int = 0) -> Pending:
        """Returns what waits for the reply; each raises what `exchange.ask` does."""
        exchange = Exchange(self._container, command, self._timeout)
        link = exchange.connect()
        self._links.append(link)
        exchange.send(link, 0, payload)
        return partial(exchange.reply, link, max_fds)

    def close(self) -> None:
        for link in self._links:
            link.close()
