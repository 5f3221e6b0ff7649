# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keeper takes through execve(2) when a newer runtime takes its place: its monitor, its children's statuses, what it holds.

The process stays, and with it its children; descriptors keep their numbers, which are written down in a memfd.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..kernel import process

Held = dict[str, dict[str, int]]  # key -> name -> descriptor


class Handover(NamedTuple):
    """As it was written: the monitor's pid, the descriptor of the socket to it, and the rest of a `Keeper`."""

    child: int
    end_fd: int
    held: Held
    statuses: dict[int, int]


def descriptors(held: Held) -> list[int]:
    return [fd for names in held.values() for fd in names.values()]


def execute(left: Handover, command: Sequence[str]) -> str:
    """Become that program; returns only when it cannot be executed, with the reason. A signal to end waits meanwhile."""
    table = {"child": left.child, "end": left.end_fd, "held": left.held, "statuses": list(left.statuses.items())}
    table_fd = os.memfd_create("hostkit-keeper")
    passed = [table_fd, left.end_fd, *descriptors(left.held)]
    try:
        os.write(table_fd, json.dumps(table).encode())
        _inherit(passed, True)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.execve(command[0], [*command, "keep", str(table_fd)], process.CLEAN_ENVIRONMENT)
    except OSError as error:
        _inherit(passed, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(table_fd)
        return f"{command[0]}: {error.strerror}"


def _inherit(fds: Iterable[int], inheritable: bool) -> None:
    for fd in fds:
        os.set_inheritable(fd, inheritable)


def read(table_fd: int) -> Handover:
    """In the new program: what the old one wrote. Every descriptor closes on exec again."""
    with open(table_fd, "rb") as file:
        file.seek(0)
        table = json.load(file)
    held: Held = table["held"]
    _inherit([table["end"], *descriptors(held)], False)
    return Handover(table["child"], table["end"], held, {int(pid): int(status) for pid, status in table["statuses"]})


def reopen(end_fd: int) -> socket.socket:
    """The socket to the monitor."""
    end = socket.socket(fileno=end_fd)
    end.setblocking(False)
    return end
