# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroup that everything begun by one attach, or by a container's hooks, is in, so that all of it can be ended, whatever
forked and called setsid(2).

A pid namespace hands orphans to the container's init, so descent tells nothing; a cgroup is inherited and nobody leaves it by accident.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Iterable
from typing import NamedTuple, Optional

from ..kernel import cgroupfs, process

_ENOUGH = 5.0
_ROUND = 0.05
_LEAF = ".lxc"


def is_v2(directory_fd: int) -> bool:
    """Whether a descriptor of a cgroup is one of the unified hierarchy: only v1 has `tasks`."""
    return not _has(directory_fd, "tasks")


def _has(directory_fd: int, file: str) -> bool:
    try:
        os.stat(file, dir_fd=directory_fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _open_procs(directory_fd: int, name: str = "") -> int:
    return os.open(f"{name}/cgroup.procs" if name else "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory_fd)


def _open_directory(directory_fd: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory_fd)


class Entry(NamedTuple):
    """How a process gets into cgroups, by descriptors of their directories.

    It is made in the unified hierarchy's (-1: there is none; else it belongs to whoever has the entry), and joins the others itself.
    """

    born_fd: int
    join_fds: list[int]


class Scope:
    """A cgroup of our own below one that was given. `leaf` is where below that its survivors go on v2, "" for that one itself."""

    def __init__(self, parent_fd: int, name: str, leaf: str = _LEAF) -> None:
        self.parent_fd = parent_fd
        self.name = name
        self.leaf = leaf
        self.path = f"/proc/self/fd/{parent_fd}/{name}"
        self.v2 = is_v2(parent_fd)
        self.fd = _open_directory(parent_fd, name)

    def entry(self, others: Iterable[int] = ()) -> Entry:
        """Into it, and into these of version 1."""
        return Entry(os.dup(self.fd), list(others)) if self.v2 else Entry(-1, [self.fd, *others])

    def kill(self) -> bool:
        """End everything in it; True when nothing is left after a bounded while."""
        end = time.monotonic() + _ENOUGH
        while time.monotonic() < end:
            cgroupfs.kill(self.path)
            if self._await_empty(end if self.v2 else min(end, time.monotonic() + _ROUND)):
                return True
        return False

    def _await_empty(self, end: float) -> bool:
        """cgroup.events announces itself by POLLPRI (cgroups(7)); v1 announces nothing."""
        if not self.v2:
            while self.members() and time.monotonic() < end:
                time.sleep(0.001)
            return not self.members()
        events_fd = os.open(f"{self.path}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        try:
            poll = select.poll()
            poll.register(events_fd, select.POLLPRI)
            while b"populated 1" in os.pread(events_fd, 4096, 0):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                poll.poll(left * 1000)
        finally:
            os.close(events_fd)
        return True

    def members(self) -> list[int]:
        """The living, below too."""
        return [pid for pid in cgroupfs.all_procs(self.path) if pid and process.alive(pid)]

    def release(self) -> None:
        """Let survivors live on beside the cgroup, as where the container's other processes are, and take it away."""
        try:
            os.rmdir(self.name, dir_fd=self.parent_fd)  # most leave nothing behind
        except OSError:
            self._release_survivors()
        self.close()

    def _release_survivors(self) -> None:
        for _attempt in range(20):
            for pid in self.members():
                self._move_out(pid)
            try:
                cgroupfs.remove_tree(self.path, timeout=_ROUND)
                return
            except OSError as error:
                if error.errno != errno.EBUSY:
                    return

    def _move_out(self, pid: int) -> None:
        """On v2 into the leaf that LXC uses too, of a container's: that itself may hold no processes once it hands controllers down."""
        for name in (self.leaf, "") if self.v2 and self.leaf else ("",):
            try:
                if name:
                    os.makedirs(f"/proc/self/fd/{self.parent_fd}/{name}", exist_ok=True)
                target_fd = _open_procs(self.parent_fd, name)
            except OSError:
                continue
            try:
                os.write(target_fd, b"%d" % pid)
                return
            except OSError:
                continue
            finally:
                os.close(target_fd)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.parent_fd)


def create(directory_fd: int, stem: str = "", leaf: str = _LEAF) -> Optional[Scope]:
    """A scope below that cgroup, None where none can be made. It keeps a duplicate of the descriptor."""
    stem = stem or f".lxc-attach-{os.getpid()}"
    for suffix in range(32):
        name = stem + (f"-{suffix}" if suffix else "")
        try:
            os.mkdir(name, 0o755, dir_fd=directory_fd)
        except FileExistsError:
            continue
        except OSError:
            return None
        parent_fd = os.dup(directory_fd)
        try:
            return Scope(parent_fd, name, leaf)
        except OSError:
            os.close(parent_fd)
            os.rmdir(name, dir_fd=directory_fd)
            return None
    return None


def within(directory_fds: Iterable[int]) -> tuple[Optional[Scope], Entry]:
    """A scope in the hierarchy that is best for it, and the way into all of them, which needs these descriptors to stay open.

    The unified hierarchy ends all at once, the freezer can hold it still meanwhile, any other will do.
    """
    unified: list[int] = []
    plain: list[int] = []
    for directory_fd in directory_fds:
        (unified if is_v2(directory_fd) else plain).append(directory_fd)
    for directory_fd in unified:
        scope = create(directory_fd)
        if scope:
            return scope, scope.entry(plain)
    born_fd = _leaf(unified[0]) if unified else -1
    for directory_fd in sorted(plain, key=lambda fd: 0 if _has(fd, "freezer.state") else 1):
        scope = create(directory_fd)
        if scope:
            return scope, Entry(born_fd, [scope.fd, *(fd for fd in plain if fd != directory_fd)])
    return None, Entry(born_fd, plain)


def _leaf(directory_fd: int) -> int:
    """Where the container's other processes are, or the cgroup itself where no leaf can be made."""
    try:
        os.makedirs(f"/proc/self/fd/{directory_fd}/{_LEAF}", exist_ok=True)
        return _open_directory(directory_fd, _LEAF)
    except OSError:
        return os.dup(directory_fd)


def beside_caller(stem: str = "") -> Optional[Scope]:
    """A scope below the caller's own cgroup, for what does not join the container's."""
    for directory in own_directories():
        try:
            directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            scope = create(directory_fd, stem, leaf="")
        finally:
            os.close(directory_fd)
        if scope:
            return scope
    return None


def own_directories() -> list[str]:
    """The caller's own cgroups that will do for a scope, the best first: unified, else the freezer's."""
    paths = cgroupfs.own_path()
    candidates = [(hierarchy, "") for hierarchy in cgroupfs.hierarchies() if hierarchy.version == 2]
    candidates += [(hierarchy, "freezer") for hierarchy in cgroupfs.hierarchies() if "freezer" in hierarchy.controllers]
    found = []
    for hierarchy, controller in candidates:
        try:
            found.append(cgroupfs.directory(hierarchy, paths.get(controller, "")))
        except FileNotFoundError:  # above what is mounted here
            continue
    return found
