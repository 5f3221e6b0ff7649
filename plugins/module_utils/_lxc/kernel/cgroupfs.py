# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cgroup file systems, version 1, 2 and both (cgroups(7)): where they are mounted, and their files."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Iterable
from typing import NamedTuple, Union

from . import mountinfo, process

# Options of a version 1 hierarchy that are not controllers (the kernel's cgroup1_show_options).
_PLAIN_OPTIONS = ("rw", "ro", "none", "all", "noprefix", "clone_children", "xattr", "cpuset_v2_mode", "favordynmods", "seclabel")
_ROUNDS = 100
_CHUNK = 16384


class Hierarchy(NamedTuple):
    """A version 1 hierarchy by its controllers (a named one as name=NAME), or the version 2 one, which names none here.

    `root` is what of it is mounted there: "/" is all that our cgroup namespace shows.
    """

    controllers: tuple[str, ...]
    mount_point: str
    version: int
    root: str = "/"


_known: list[tuple[bytes, list[Hierarchy]]] = []  # what was found, and in which mountinfo


def hierarchies() -> list[Hierarchy]:
    """Each hierarchy once, at a place where it can be reached, in the order of /proc/self/mountinfo."""
    mounts = mountinfo.text()
    if not _known or _known[0][0] != mounts:
        _known[:] = [(mounts, find(found for found in mountinfo.of_type(mounts, "cgroup") if not _is_covered(found)))]
    return list(_known[0][1])


def _is_covered(found: mountinfo.Mount) -> bool:
    """Something else is mounted over it."""
    try:
        device = os.stat(found.target).st_dev
    except OSError:
        return True
    return f"{os.major(device)}:{os.minor(device)}" != found.device


def find(mounts: Iterable[mountinfo.Mount]) -> list[Hierarchy]:
    """The hierarchies among these mounts. Of several mounts of one, the whole one is taken before a bind of a part of it."""
    chosen: dict[str, mountinfo.Mount] = {}
    for found in mounts:
        known = chosen.get(found.device)
        if found.fstype in ("cgroup", "cgroup2") and (known is None or (known.root != "/" and found.root == "/")):
            chosen[found.device] = found
    return [_hierarchy(found) for found in chosen.values()]


def _hierarchy(found: mountinfo.Mount) -> Hierarchy:
    if found.fstype == "cgroup2":
        return Hierarchy((), found.target, 2, found.root)
    words = found.super_options.split(",")
    controllers = tuple(word for word in words if word not in _PLAIN_OPTIONS and not word.startswith("release_agent="))
    return Hierarchy(controllers, found.target, 1, found.root)


def own_path(pid: Union[int, str] = "self") -> dict[str, str]:
    """The cgroup of a process by controller, "" for version 2, as /proc/PID/cgroup has it: relative to the hierarchy's root."""
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        return paths(file.read().decode("utf-8", "surrogateescape"))


def paths(text: str) -> dict[str, str]:
    """/proc/PID/cgroup's lines, number:controllers:path, by controller."""
    found = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def directory(hierarchy: Hierarchy, path: str) -> str:
    """Where a cgroup, by its path in /proc/PID/cgroup, is here. FileNotFoundError when what is mounted does not show it."""
    root = hierarchy.root.rstrip("/")
    if path != root and not path.startswith(root + "/"):
        raise FileNotFoundError(errno.ENOENT, f"not below {hierarchy.root}, which is what is mounted there", path)
    return hierarchy.mount_point + path[len(root) :].rstrip("/")


def read(directory: str, file: str) -> str:
    """A value file, as it is."""
    fd = os.open(_file(directory, file), os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = list(iter(lambda: os.read(fd, _CHUNK), b""))
    finally:
        os.close(fd)
    return b"".join(chunks).decode("utf-8", "replace")


def write(directory: str, file: str, value: str) -> None:
    """A value file, in one write(2), as the kernel wants it."""
    path = _file(directory, file)
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def _file(directory: str, file: str) -> str:
    """A name from a config must not lead elsewhere."""
    if "/" in file or "\0" in file or file in ("", ".", ".."):
        raise OSError(errno.EINVAL, "no name of a cgroup's file", file)
    return f"{directory}/{file}"


def attach(directory: str, pid: int) -> None:
    """Move a process, with all its threads; 0 is the caller."""
    write(directory, "cgroup.procs", str(pid))


def join(directory_fd: int) -> None:
    """Move the caller, who must be the only thread of its process, into the cgroup that this descriptor is of.

    A thread that moves itself by version 1's `tasks` takes no lock over every fork of the host (since Linux 5.5). A writer of
    cgroup.procs does, and waits for it, after an idle moment, one RCU grace period: 5 to 16 ms. Version 2 is best joined by clone3(2).
    """
    try:
        file_fd = os.open("tasks", os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory_fd)
    except FileNotFoundError:
        file_fd = os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        os.write(file_fd, b"0")
    finally:
        os.close(file_fd)


def procs(directory: str) -> list[int]:
    """The processes in this one cgroup, not in those below; 0 stands for one that our pid namespace does not show."""
    return [int(word) for word in read(directory, "cgroup.procs").split()]


def all_procs(directory: str) -> set[int]:
    """Those in it and below."""
    found: set[int] = set()
    for path, _directories, _files in os.walk(directory):
        try:
            found.update(procs(path))
        except OSError as error:
            # Removed meanwhile; or threaded, whose processes its domain lists.
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                raise
    return found


def populated(directory: str) -> bool:
    """Whether any process is in it or below."""
    try:
        return "populated 1" in read(directory, "cgroup.events")
    except FileNotFoundError:
        return bool(all_procs(directory))


def kill(directory: str, sig: int = signal.SIGKILL) -> None:
    """Signal every process in it and below, those that are forked meanwhile too; does not wait for their end.

    A frozen one of version 1 ends when it is thawed.
    """
    if sig == signal.SIGKILL:
        try:
            write(directory, "cgroup.kill", "1")
            return
        except FileNotFoundError:  # version 1, or before Linux 5.14
            pass
    signalled: set[int] = set()
    for _round in range(_ROUNDS):
        fresh = all_procs(directory) - signalled - {0}
        if not fresh:
            return
        _signal_members(directory, fresh, sig)
        signalled |= fresh


def _signal_members(directory: str, pids: Iterable[int], sig: int) -> None:
    """By pidfd, and only those that are still members when it is open: a pid may have become another's."""
    pidfds = {}
    for pid in pids:
        try:
            pidfds[pid] = process.pidfd_open(pid)
        except ProcessLookupError:
            continue
    members = all_procs(directory)
    for pid, pidfd in pidfds.items():
        try:
            if pid in members:
                process.pidfd_send_signal(pidfd, sig)
        except ProcessLookupError:
            continue
        finally:
            os.close(pidfd)


def remove_tree(directory: str, timeout: float = 5.0) -> None:
    """Remove a cgroup with all below it; none there is no error. Kills nothing: waits up to `timeout` for the last processes to leave.

    Raises the last EBUSY with the cgroup that it was about.
    """
    if os.path.ismount(directory):
        raise OSError(errno.EBUSY, "a hierarchy's root is not removed", directory)
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        busy = _remove_what_is_empty(directory)
        if busy is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise busy
        _wait_for_end(str(busy.filename), left, pause)
        pause = min(pause * 2, 0.05)


def _remove_what_is_empty(directory: str) -> OSError | None:
    busy = None
    for path, _directories, _files in os.walk(directory, topdown=False):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                raise
            busy = busy or error
    return busy


def _wait_for_end(directory: str, left: float, pause: float) -> None:
    """Version 2 tells when its last process has gone (POLLPRI on cgroup.events); version 1 has to be asked again."""
    try:
        events_fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        time.sleep(min(left, pause))
        return
    try:
        poll = select.poll()
        poll.register(events_fd, select.POLLPRI)
        is_populated = b"populated 1" in os.read(events_fd, 4096)
        poll.poll((left if is_populated else min(left, pause)) * 1000)
    except OSError:  # it has gone meanwhile
        return
    finally:
        os.close(events_fd)
