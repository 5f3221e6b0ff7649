# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known and opened of a running container before anybody joins it, all of it by one pidfd's process."""

from __future__ import annotations

import marshal
import os
import socket
from types import TracebackType
from typing import NamedTuple, Optional

from ..errors import LxcError, StepError
from ..kernel import cgroupfs, namespace, process, sockets
from ..paths import Container
from ..wire import client
from ..wire.payloads import CGROUP_MAX_FDS, CgroupCtx
from ..wire.protocol import Command, NotRunning, State, pack_text
from ..wire.several import Pending, Several

_PER_LINUX32 = 8  # personality(2)
_LONGEST = 1 << 18  # of a message to the joiner
_PERSONA = 0xFF  # the part of it that is no flag
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

_Ids = dict[str, tuple[int, int]]


class Target(NamedTuple):
    """Descriptors belong to whoever has it; `root_fd` is the container's root, or the host's when mnt is not joined."""

    root_fd: int
    namespaces: list[tuple[str, int]]
    bounding: Optional[int]
    no_new_privs: bool
    persona: Optional[int]
    environment: list[str]

    @property
    def joins_mnt(self) -> bool:
        return any(name == "mnt" for name, _fd in self.namespaces)

    def send(self, link: socket.socket) -> None:
        """To the joiner, which is this process's image: its own words for values will do."""
        names, fds = [name for name, _fd in self.namespaces], [self.root_fd, *(fd for _name, fd in self.namespaces)]
        sockets.send_with_fds(link, marshal.dumps((names, *self[2:])), fds)

    @classmethod
    def receive(cls, link: socket.socket) -> Optional[Target]:
        """What was sent; None when the other end has closed."""
        data, fds = sockets.recv_with_fds(link, _LONGEST, 1 + len(namespace.FLAGS))
        if not data:
            return None
        names, *others = marshal.loads(data)
        return cls(fds[0], list(zip(names, fds[1:])), *others)

    def close(self) -> None:
        client.close([self.root_fd, *(fd for _name, fd in self.namespaces)])


class Inquiry:
    """What a monitor is asked about a container, all of it at once; an answer is waited for when it is needed. A context manager."""

    def __init__(self, container: Container, wanted: Optional[list[str]], elevated: bool, pty: bool) -> None:
        """`wanted` are the namespaces to join, None all."""
        self.container = container
        self._several = several = Several(container)
        try:
            self._state = several.send(Command.GET_STATE)
            self._cgroups = None if elevated else several.send(Command.GET_CGROUP_CTX, CgroupCtx().pack(), CGROUP_MAX_FDS)
            self._devpts = several.send(Command.GET_DEVPTS_FD, max_fds=1) if pty else None
            self._init = several.send(Command.GET_INIT_PIDFD, max_fds=1)
            self._environment = several.send(Command.GET_CONFIG_ITEM, pack_text("lxc.environment"))
            self._own = _wanted(process.namespaces(os.getpid()), wanted)
        except BaseException:
            several.close()
            raise

    def __enter__(self) -> Inquiry:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._several.close()

    def check_state(self) -> None:
        """Raises what says why it cannot be attached to; NotRunning when it is stopped."""
        state = client.state_of(self.container, self._state().response.value)
        if state == State.STOPPED:
            raise NotRunning(f"Container {self.container.name} in {self.container.lxc_path} is not running")
        if state in (State.FROZEN, State.FREEZING):
            raise StepError("attach", "Attach to", self.container.name, text="it is frozen", hint="Thaw it first")

    def cgroup_fds(self) -> list[int]:
        """A directory a hierarchy, none when the cgroups are the caller's; they belong to who asks."""
        return _cgroups(self.container, self._cgroups) if self._cgroups else []

    def devpts_fd(self) -> Optional[int]:
        """None from a monitor that is too old, for a container without devpts, or when it was not asked for: the host's will do."""
        try:
            return client.only_fd(self.container, Command.GET_DEVPTS_FD, self._devpts()) if self._devpts else None
        except (client.Refused, NotRunning):
            return None

    def target(self) -> Target:
        """All the rest."""
        init_fd = client.read_init_pidfd(self.container, self._init)
        opened: list[int] = []
        try:
            return self._open(init_fd, opened)
        except BaseException as error:
            client.close(opened)
            if isinstance(error, OSError):
                what = str(error.filename or f"the first process of {self.container.name}")
                raise StepError.from_os("attach", "Open", what, error) from None
            raise
        finally:
            os.close(init_fd)

    def _open(self, init_fd: int, opened: list[int]) -> Target:
        pid = process.pidfd_pid(init_fd)
        namespaces = _namespaces(pid, self._own, opened)
        root = f"/proc/{pid}/root" if any(name == "mnt" for name, _fd in namespaces) else "/"
        opened.append(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        capabilities, cannot_gain = process.status_values(pid, "CapBnd", "NoNewPrivs")
        may_be_32_bit = process.personality(pid) & _PERSONA == _PER_LINUX32
        if process.pidfd_wait(init_fd, 0):  # had it ended, the number could be another's
            raise NotRunning(f"Container {self.container.name} in {self.container.lxc_path} has just ended")
        confined = self._cgroups is not None
        return Target(
            root_fd=opened[-1],
            namespaces=namespaces,
            bounding=int(capabilities, 16) if confined else None,
            no_new_privs=confined and cannot_gain == "1" and self._says("lxc.no_new_privs") == "1",
            persona=_PER_LINUX32 if may_be_32_bit and self._says("lxc.arch") in _ARCH_32 else None,
            environment=(client.read_config_item(self._environment) or "").splitlines(),
        )

    def _says(self, key: str) -> str:
        """The config's word. It counts only for what init shows to have become of it, so most containers need not be asked."""
        return (client.config_item(self.container, key) or "").strip()


def _wanted(own: _Ids, wanted: Optional[list[str]]) -> _Ids:
    """Our namespaces, the names in the order of joining; of those wanted (None: all)."""
    return {name: own.get(name, (0, 0)) for name in namespace.FLAGS if wanted is None or name in wanted}


def _namespaces(pid: int, own: _Ids, opened: list[int]) -> list[tuple[str, int]]:
    """Of these, those of the process that are not ours already."""
    theirs = process.namespaces(pid)
    chosen = []
    for name, ours in own.items():
        if theirs.get(name, ours) != ours:
            opened.append(process.open_namespace(pid, name))
            chosen.append((name, opened[-1]))
    return chosen


def _cgroups(container: Container, asked: Pending) -> list[int]:
    """A directory a hierarchy, asked for one by one where the monitor is too old. Attaching outside them must not happen unnoticed."""
    try:
        _layout, fds = client.read_cgroup_fds(container, asked())
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
