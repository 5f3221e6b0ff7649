# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be waited for: how it stands now, and which descriptors tell that it may have changed.

`sources` are opened in the host's view of the running container, by its init's pid; the container controls what they tell,
and how often, but not what they are.
"""

from __future__ import annotations

import os
import select
import time

from ..errors import LxcError
from ..lifecycle import info
from ..paths import Container
from ..wire import query
from ..wire.protocol import State
from .inside import missing

_SYSTEMD = "/run/systemd/private"  # where systemctl asks it; made when it listens
_ANSWER = 5.0


class Running:
    """The state is told by the monitor, which `wait` listens to in any case."""

    is_told = True
    needs_init = False

    def __init__(self, one: Container, name: str) -> None:
        self.one = one
        self.name = name  # as the task says it

    def sources(self, _pid: int) -> list[tuple[int, int]]:
        """Descriptors, the caller's to close, with the events of poll(2) that mean: look again."""
        return []

    def seen(self, _end: float) -> str:
        """An empty text when it is met, else what stands against it. It may take until `end`, of time.monotonic()."""
        state = query.state(self.one)
        return "" if state is State.RUNNING else f"its state is {state.name}"


class Address(Running):
    """The kernel tells addresses by rtnetlink(7), in the container's own network namespace."""

    needs_init = True

    def sources(self, pid: int) -> list[tuple[int, int]]:
        from ..kernel import addresses

        return [(addresses.open_in(pid, addresses.ADDRESS_EVENTS).detach(), select.POLLIN)]

    def seen(self, _end: float) -> str:
        found = info.addresses(query.init_pid(self.one))
        names = found.get("names")
        listed = ", ".join(str(name) for name in names) if isinstance(names, list) and names else "none"
        return "" if found.get(self.name) else f"no global {self.name} address on its interfaces ({listed})"


class Path(Running):
    """The nearest directory that is there is watched, and the mounts, which make no entry anywhere."""

    needs_init = True

    def __init__(self, one: Container, name: str, path: str) -> None:
        super().__init__(one, name)
        self.path = path

    def sources(self, pid: int) -> list[tuple[int, int]]:
        from ..kernel import inotify

        mounts_fd = os.open(f"/proc/{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        try:
            directory_fd = self._nearest(pid)
            try:
                return [(inotify.watch_directory(directory_fd), select.POLLIN), (mounts_fd, select.POLLPRI)]
            finally:
                os.close(directory_fd)
        except BaseException:
            os.close(mounts_fd)
            raise

    def _nearest(self, pid: int) -> int:
        from ..kernel import beneath

        root_fd = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = self.path.rstrip("/")
            while place:
                place = place.rpartition("/")[0]
                try:
                    return beneath.open_in_root(root_fd, place or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                except OSError:
                    continue
            return os.dup(root_fd)
        finally:
            os.close(root_fd)

    def seen(self, _end: float) -> str:
        return missing(self.one, self.path)


class Systemd(Path):
    """Until it can be asked that is a wait for a path; then its own client waits inside, one process to the end."""

    def __init__(self, one: Container, name: str) -> None:
        super().__init__(one, name, _SYSTEMD)

    def seen(self, end: float) -> str:
        """`degraded` counts: the system is up, and which unit failed is not what was asked."""
        silent = missing(self.one, self.path)
        self.is_told = bool(silent)
        if silent:
            return f"its systemd cannot be asked yet ({silent})"
        word = self._ask("--wait", timeout=max(end - time.monotonic(), 0.1))
        if not word:  # the time was over, or it went down
            word = self._ask(timeout=_ANSWER)
        return "" if word in ("running", "degraded") else f"systemctl is-system-running says {word or 'nothing'}"

    def _ask(self, *options: str, timeout: float) -> str:
        from ..lifecycle import attach

        try:
            result = attach.attach(self.one, attach.AttachRequest(["systemctl", "is-system-running", *options], timeout=timeout))
        except LxcError as error:
            return f"nothing: it could not be run ({error.message})"
        return result.stdout.decode("utf-8", "replace").strip()


class Port(Running):
    """That somebody listens on a socket is told by nobody; the tables of sockets have to be read again and again."""

    is_told = False

    def __init__(self, one: Container, name: str, port: int) -> None:
        super().__init__(one, name)
        self.port = port

    def seen(self, _end: float) -> str:
        """Found in the tables of the container's network: nothing connects to the service."""
        pid = query.init_pid(self.one)
        for table in ("tcp", "tcp6"):
            try:
                with open(f"/proc/{pid}/net/{table}", encoding="ascii") as stream:
                    rows = [line.split() for line in stream][1:]
            except OSError:
                continue
            if any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == self.port for row in rows):  # 0A: TCP_LISTEN
                return ""
        return f"nothing listens on TCP port {self.port}"


def find(one: Container, condition: str) -> Running:
    """The condition that a task names: `running`, `ipv4`, `ipv6`, `systemd`, `path:PATH` or `port:NUMBER`."""
    word, _colon, rest = condition.partition(":")
    if word == "port":
        return Port(one, condition, int(rest))
    if word == "path":
        return Path(one, condition, rest)
    if word == "systemd":
        return Systemd(one, condition)
    return Running(one, condition) if word == "running" else Address(one, condition)
