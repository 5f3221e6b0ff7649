# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze and thaw a running container, whoever started it: through its freezer (v1) or its cgroup.freeze (v2), as lxc-freeze(1) does."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import NamedTuple

from ..errors import StepError, TimedOut
from ..kernel import cgroupfs
from ..paths import Container
from ..wire import client
from ..wire.protocol import NotRunning, State
from . import fifo

_LONGEST_PAUSE = 0.02


class Freezer(NamedTuple):
    """The directory (a descriptor, ours) whose processes stop and go on together."""

    directory_fd: int
    v2: bool

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.directory_fd}"

    def frozen(self) -> bool:
        if self.v2:
            return "frozen 1" in cgroupfs.read(self.path, "cgroup.events")
        return cgroupfs.read(self.path, "freezer.state").strip() == "FROZEN"

    def thawed(self) -> bool:
        if self.v2:
            return "frozen 0" in cgroupfs.read(self.path, "cgroup.events")
        return cgroupfs.read(self.path, "freezer.state").strip() == "THAWED"

    def write(self, freeze: bool) -> None:
        if self.v2:
            cgroupfs.write(self.path, "cgroup.freeze", "1" if freeze else "0")
        else:
            cgroupfs.write(self.path, "freezer.state", "FROZEN" if freeze else "THAWED")

    def wait(self, freeze: bool, timeout: float) -> bool:
        """Until it is so, or the time is over. v2 announces it on cgroup.events (cgroups(7)); v1 can only be read again."""
        end = time.monotonic() + timeout
        reached = self.frozen if freeze else self.thawed
        if self.v2:
            return self._wait_for_event(freeze, end)
        pause = 0.0005
        while not reached():
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return True

    def _wait_for_event(self, freeze: bool, end: float) -> bool:
        events_fd = os.open(f"{self.path}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        try:
            poll = select.poll()
            poll.register(events_fd, select.POLLPRI)
            while (b"frozen 1" in os.pread(events_fd, 4096, 0)) is not freeze:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                poll.poll(left * 1000 + 1)
        finally:
            os.close(events_fd)
        return True


def find(container: Container) -> Freezer:
    """The freezer of the cgroup that carries the limits, so what an inner cgroup manager does cannot thaw it."""
    for ask in (_freezer_fd, client.limit_cgroup2_fd):
        try:
            return _freezer(ask(container))
        except client.Refused:
            continue
    for hierarchy in cgroupfs.hierarchies():
        if "freezer" in hierarchy.controllers or hierarchy.version == 2:
            path = client.limit_cgroup(container, "freezer" if hierarchy.version == 1 else None)
            return _freezer(os.open(hierarchy.mount_point + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    raise StepError("freeze", "Find", f"the freezer of {container.name}", errno.ENOENT, "no hierarchy with a freezer is mounted")


def _freezer_fd(container: Container) -> int:
    """On a unified host LXC hands out the unified directory for it."""
    return client.limit_cgroup_fd(container, "freezer")


def _freezer(directory_fd: int) -> Freezer:
    return Freezer(directory_fd, not os.path.exists(f"/proc/self/fd/{directory_fd}/freezer.state"))


def freeze(container: Container, timeout: float = 30.0) -> bool:
    """Stop all its processes where they are; False when they were. NotRunning for a stopped one; TimedOut leaves it thawed."""
    return _change(container, True, timeout)


def thaw(container: Container, timeout: float = 30.0) -> bool:
    """Let them go on; False when they did."""
    return _change(container, False, timeout)


def _change(container: Container, freeze: bool, timeout: float) -> bool:
    state = client.state(container)
    if state == State.STOPPED:
        raise NotRunning(f"Container {container.name} in {container.lxc_path} is not running")
    freezer = find(container)
    try:
        if freezer.frozen() is freeze and (state == State.FROZEN) is freeze:
            return False
        _apply(container, freezer, freeze, timeout)
    except OSError as error:
        raise StepError.from_os("freeze", "Freeze" if freeze else "Thaw", container.name, error) from None
    finally:
        os.close(freezer.directory_fd)
    return True


def _apply(container: Container, freezer: Freezer, freeze: bool, timeout: float) -> None:
    if freeze:
        _tell(container, State.FREEZING)
    freezer.write(freeze)
    if not freezer.wait(freeze, timeout):
        if freeze:
            freezer.write(False)
            _tell(container, State.THAWED)
        raise TimedOut(f"Container {container.name} was not {'frozen' if freeze else 'thawed'} within {timeout:g} s")
    _tell(container, State.FROZEN if freeze else State.THAWED)


def _tell(container: Container, state: State) -> None:
    """The monitor, which answers from memory, and whoever watches with lxc-monitor."""
    client.set_state(container, state)
    fifo.tell_state(container, state)
