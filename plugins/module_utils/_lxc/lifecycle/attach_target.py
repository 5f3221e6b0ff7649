# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known and opened of a running container before anybody joins it, all of it by one pidfd's process."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

from ..errors import LxcError, StepError
from ..kernel import cgroupfs, process
from ..paths import Container
from ..wire import client
from ..wire.protocol import NotRunning, State
from .attach_child import NAMESPACES

_PER_LINUX32 = 8  # personality(2)
_ARCH_32 = (
    "x86",
    "i386",
    "i486",
    "i586",
    "i686",
    "athlon",
    "linux32",
    "arm",
    "armel",
    "armhf",
    "armv7l",
    "mips",
    "mipsel",
    "ppc",
    "powerpc",
)


class Target(NamedTuple):
    """Descriptors belong to whoever called `find`; `root_fd` is the container's root, or the host's when mnt is not joined."""

    root_fd: int
    namespaces: list[tuple[str, int]]
    cgroup_fds: list[int]
    bounding: Optional[int]
    no_new_privs: bool
    persona: Optional[int]
    environment: list[str]

    @property
    def joins_mnt(self) -> bool:
        return any(name == "mnt" for name, _fd in self.namespaces)

    def close(self) -> None:
        client.close([self.root_fd, *(fd for _name, fd in self.namespaces), *self.cgroup_fds])


def find(container: Container, wanted: Optional[list[str]], elevated: bool) -> Target:
    """Everything, or an error that says why it cannot be attached to; NotRunning when it is stopped."""
    state = client.state(container)
    if state == State.STOPPED:
        raise NotRunning(f"Container {container.name} in {container.lxc_path} is not running")
    if state in (State.FROZEN, State.FREEZING):
        raise StepError("attach", "Attach to", container.name, text="it is frozen", hint="Thaw it first")
    init_fd = client.init_pidfd(container)
    opened: list[int] = []
    try:
        return _open(container, init_fd, wanted, elevated, opened)
    except BaseException as error:
        client.close(opened)
        if isinstance(error, OSError):
            raise StepError.from_os("attach", "Open", str(error.filename or f"the first process of {container.name}"), error) from None
        raise
    finally:
        os.close(init_fd)


def _open(container: Container, init_fd: int, wanted: Optional[list[str]], elevated: bool, opened: list[int]) -> Target:
    pid = process.pidfd_pid(init_fd)
    namespaces = _namespaces(pid, wanted, opened)
    root = f"/proc/{pid}/root" if any(name == "mnt" for name, _fd in namespaces) else "/"
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.append(root_fd)
    bounding = None if elevated else int(process.status(pid)["CapBnd"], 16)
    if process.pidfd_wait(init_fd, 0):  # had it ended, the number could be another's
        raise NotRunning(f"Container {container.name} in {container.lxc_path} has just ended")
    cgroup_fds = [] if elevated else _cgroups(container)
    opened += cgroup_fds
    no_new_privs = not elevated and (client.config_item(container, "lxc.no_new_privs") or "").strip() == "1"
    persona = _PER_LINUX32 if (client.config_item(container, "lxc.arch") or "").strip() in _ARCH_32 else None
    environment = (client.config_item(container, "lxc.environment") or "").splitlines()
    return Target(root_fd, namespaces, cgroup_fds, bounding, no_new_privs, persona, environment)


def _namespaces(pid: int, wanted: Optional[list[str]], opened: list[int]) -> list[tuple[str, int]]:
    """Those that are not ours already, of those wanted (None: all), in the order of joining."""
    own, theirs = process.namespaces(os.getpid()), process.namespaces(pid)
    chosen = []
    for name in NAMESPACES:
        if name in theirs and theirs[name] != own.get(name) and (wanted is None or name in wanted):
            fd = process.open_namespace(pid, name)
            opened.append(fd)
            chosen.append((name, fd))
    return chosen


def _cgroups(container: Container) -> list[int]:
    """A directory a hierarchy, asked for one by one where the monitor is too old. Attaching outside them must not happen unnoticed."""
    try:
        _layout, fds = client.cgroup_fds(container)
    except (client.Refused, NotRunning):
        fds = []
    if not fds:
        fds = _cgroups_by_path(container)
    if not fds:
        raise StepError("attach", "Find", f"the cgroups of {container.name}", text="its monitor does not tell them")
    return fds


def _cgroups_by_path(container: Container) -> list[int]:
    fds: list[int] = []
    for hierarchy in cgroupfs.hierarchies():
        controller = hierarchy.controllers[0] if hierarchy.version == 1 else None
        try:
            path = client.cgroup(container, controller)
        except LxcError:
            continue
        try:
            fds.append(os.open(hierarchy.mount_point + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            continue
    return fds
