# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor knows of one container. Descriptors are owned here, and closed by way of `dispose()`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from ..cgroup.devices import Rules
from ..cgroup.layout import Cgroup, from_fields
from ..errors import LxcError
from ..lifecycle import ledger
from ..paths import Container
from ..wire.protocol import State
from .console import Console
from .loop import Loop, Timer

# Called once with the error (None: it runs) and the warnings.
Waiter = Callable[[Optional[LxcError], "list[str]"], None]


class Again(NamedTuple):
    """A request to start it that came while it was ending."""

    timeout: float
    log_file: str
    log_level: str
    waiter: Waiter


class Record:
    """One container from the request to start it until its post-stop hook has ended."""

    def __init__(self, container: Container, listener: socket.socket | None) -> None:
        self.container = container
        self.key = ledger.key_of(container)
        self.listener: socket.socket | None = listener
        self.state = State.STARTING
        self.log_file = ""
        self.log_level = ""
        self.waiters: list[Waiter] = []
        self.again: list[Again] = []
        self.stop_asked = False
        # Connections, in the order in which they came; of these some wait for the container's end, some for a state.
        self.server: Any = None
        self.clients: list[Any] = []
        self.stop_clients: list[Callable[[], None]] = []
        self.state_clients: list[Any] = []
        self.console: Console | None = None
        self.launcher_pid = 0
        self.cleaner_pid = 0
        self.cleaner_deadlines: list[Timer] = []  # the usual one, and the nearer one of a stop
        self.unfinished: list[str] = []  # what of the end did not go well: said to who waits for the next start
        self.releasing: list[Callable[[], None]] | None = None  # what waits for the command socket's address to be free
        self.error: LxcError | None = None
        self.rebooting = False
        # What the ledger and the keeper have of it; `run` tells the descriptors of one run of init from those of the next.
        self.run = 0
        self.touched = True  # since it was written last
        self.disposed: list[int] = []
        self.is_over = False
        self.written: dict[str, object] = {}
        self.held: tuple[object, ...] = ()
        self.fresh()

    def fresh(self) -> None:
        """As before a launch: also what a reboot begins with."""
        self.run += 1
        self.init_pid = 0
        self.start_time = 0
        self.init_inode = 0  # of its pidfd, where that says who it is
        self.pidfd = -1
        self.exit_status: int | None = None
        self.flags = 0
        self.pairs: list[list[str]] = []
        self.cgroups: list[list[Any]] = []
        self.device_rules: Optional[Rules] = None  # None: those of the config
        self.links: list[list[Any]] = []
        self.namespaces: dict[str, int] = {}
        self.warnings: list[str] = []
        self.devpts_fd = -1
        self.tty_fds: list[int] = []
        # A slave of each that a client has: with none open, before a getty comes or when it starts anew, the client is hung up.
        self.tty_peers: dict[int, int] = {}
        self.error = None

    def dispose(self, fd: int) -> None:
        """Have one closed that the keeper holds, as soon as it knows that it does not (`Link.close`)."""
        if self.is_over:
            os.close(fd)
            return
        self.disposed.append(fd)
        self.touched = True

    def release(self, loop: Loop) -> None:
        """Have closed what belongs to one run of init: its pidfd, terminals and namespaces."""
        if self.console is not None:
            self.console.close()
            self.console = None
        if self.pidfd >= 0:
            loop.forget(self.pidfd)
        for fd in (self.pidfd, self.devpts_fd, *self.tty_fds, *self.tty_peers.values(), *self.namespaces.values()):
            if fd >= 0:
                self.dispose(fd)
        self.pidfd = self.devpts_fd = -1
        self.tty_fds, self.namespaces = [], {}
        self.tty_peers.clear()

    @property
    def is_up(self) -> bool:
        """It runs, or is being started and nothing has gone wrong yet."""
        return self.error is None if self.state == State.STARTING else self.state not in (State.STOPPED, State.STOPPING, State.ABORTING)

    def get(self, key: str) -> str:
        """The last value of a key of the config that it was started with."""
        for name, value in reversed(self.pairs):
            if name == key:
                return value
        return ""

    def config_pairs(self) -> list[tuple[str, str]]:
        """The config that it was started with, as the parser takes it."""
        return [(pair[0], pair[1]) for pair in self.pairs]

    def cgroup_list(self) -> list[Cgroup]:
        return [from_fields(fields) for fields in self.cgroups]

    def settle(self) -> None:
        """Tell everybody who waits for the start how it went."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter(self.error, self.warnings)
