# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts for a user or for the whole host, and how much of it is in use: the limits of sysctl(8) that many containers meet.

Counting inotify means to look at every descriptor of every process, which takes tens of milliseconds: never for nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from . import libc, mountinfo, process

_PROC = "/proc"
_INOTIFY = "anon_inode:inotify"
_NS_GET_USERNS = 0x2000B701 if libc.machine().startswith("ppc") else 0xB701  # ioctl_ns(2)
_NAMESPACE = re.compile(r"([a-z]+):\[([0-9]+)\]")
_FIRST_MADE = 0xF0000000  # the numbers below it are those of the first namespaces, which nobody made and nobody counts


class Usage(NamedTuple):
    """A limit by its sysctl's name, and how much of it is used; `user` where it holds for each user by himself.

    `order` is what sets another that is no sysctl, with {} for the number. `needs` is what one more container takes, for a while at least.
    """

    sysctl: str
    value: int
    used: int
    user: str = ""
    order: str = ""
    needs: int = 0


def read() -> list[Usage]:
    """Of what is counted for each user, who uses most. What this kernel or this user cannot tell is left out."""
    found: list[Usage] = []
    for reading in (_inotify, _tasks, _keys, _files, _terminals, _namespaces):
        try:
            found += reading()
        except (OSError, ValueError, IndexError):
            continue
    return found


def _number(sysctl: str) -> int:
    with open(f"{_PROC}/sys/{sysctl.replace('.', '/')}", encoding="ascii") as file:
        return int(file.read().split()[-1])


def _inotify() -> Iterator[Usage]:
    """inotify(7). In a user namespace its own limit holds beside the host's: the lower one is the one that is met."""
    instances, watches = count_inotify()
    for used, of_host, of_namespace in (
        (instances, "fs.inotify.max_user_instances", "user.max_inotify_instances"),
        (watches, "fs.inotify.max_user_watches", "user.max_inotify_watches"),
    ):
        user, most = max(used.items(), key=lambda item: item[1], default=(os.getuid(), 0))
        sysctl = of_namespace if _number(of_namespace) < _number(of_host) else of_host
        yield Usage(sysctl, _number(sysctl), most, f"uid {user}")


def count_inotify() -> tuple[Counter[int], Counter[int]]:
    """Instances and watches of each user. What a user namespace uses counts for who made it, too: for root, here."""
    instances: Counter[int] = Counter()
    watches: Counter[int] = Counter()
    own = os.stat("/proc/self/ns/user").st_ino
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            fds = [fd for fd in os.listdir(f"/proc/{pid}/fd") if _is_inotify(f"/proc/{pid}/fd/{fd}")]
            if fds:
                user = os.stat(f"/proc/{pid}").st_uid if os.stat(f"/proc/{pid}/ns/user").st_ino == own else 0
                instances[user] += len(fds)
                watches[user] += sum(_watches(f"/proc/{pid}/fdinfo/{fd}") for fd in fds)
        except OSError:  # it has ended
            continue
    return instances, watches


def _is_inotify(path: str) -> bool:
    try:
        return os.readlink(path) == _INOTIFY
    except OSError:
        return False


def _watches(path: str) -> int:
    with open(path, encoding="ascii", errors="replace") as file:
        return sum(line.startswith("inotify ") for line in file)


def _tasks() -> Iterator[Usage]:
    """Threads, each of which has a pid (proc(5), loadavg: the number behind the slash)."""
    with open(f"{_PROC}/loadavg", encoding="ascii") as file:
        threads = int(file.read().split()[3].partition("/")[2])
    for sysctl in ("kernel.pid_max", "kernel.threads-max"):
        yield Usage(sysctl, _number(sysctl), threads)


def _keys() -> Iterator[Usage]:
    """keyrings(7): each service of systemd has one. /proc/key-users has `uid: usage keys/instantiated quota/max bytes/max`."""
    with open(f"{_PROC}/key-users", encoding="ascii") as file:
        rows = [line.replace(":", " ").replace("/", " ").split() for line in file]
    for column, what in ((4, "keys"), (6, "bytes")):
        user, used, limit = max(
            ((int(row[0]), int(row[column]), int(row[column + 1])) for row in rows), key=lambda row: row[1] / max(row[2], 1)
        )
        yield Usage(f"kernel.keys.{'' if user else 'root_'}max{what}", limit, used, f"uid {user}")


def _files() -> Iterator[Usage]:
    with open(f"{_PROC}/sys/fs/file-nr", encoding="ascii") as file:
        used, _unused, limit = (int(word) for word in file.read().split())
    yield Usage("fs.file-max", limit, used)


def _terminals() -> Iterator[Usage]:
    """pty(7): of all that there may be, those that `reserve` says are only for a devpts that was mounted in the first mount namespace.

    A devpts may be mounted with fewer.
    """
    number, kept = _number("kernel.pty.nr"), _number("kernel.pty.reserve")
    yield Usage("kernel.pty.max", _number("kernel.pty.max"), number + kept)
    with open(f"{_PROC}/self/mountinfo", "rb") as file:
        mounts = mountinfo.of_type(file.read(), "devpts")
    for found in mounts:
        most = re.search(r"(?:^|,)max=([0-9]+)", found.super_options)
        if most:
            used = sum(name.isdigit() for name in os.listdir(found.target))
            yield Usage(f"max of {found.target}", int(most[1]), used, "", f"mount -o remount,max={{}} {found.target}")


def _namespaces() -> Iterator[Usage]:
    """namespaces(7), /proc/sys/user: of each kind those that our user namespace and those below it own, of all users together."""
    counted = Counter(kind for (kind, _number), path in _all_namespaces().items() if _is_owned_here(path))
    for kind in process.NAMESPACES:
        sysctl = f"user.max_{kind}_namespaces"
        try:
            yield Usage(sysctl, _number(sysctl), counted[kind])
        except FileNotFoundError:  # a kernel without that kind
            continue


def _all_namespaces() -> dict[tuple[str, int], str]:
    """A place to open each: one lives as long as a process is in it, has it open, or it is mounted somewhere (of which we see our own)."""
    found: dict[tuple[str, int], str] = {}
    for path, link in _links():
        shown = _NAMESPACE.fullmatch(link)
        if shown and int(shown[2]) >= _FIRST_MADE:
            found.setdefault((shown[1], int(shown[2])), path)
    return found


def _links() -> Iterator[tuple[str, str]]:
    """What every process has open and is in; and what of the kernel's own file system of namespaces is mounted."""
    for pid in filter(str.isdigit, os.listdir(_PROC)):
        for directory in (f"{_PROC}/{pid}/ns", f"{_PROC}/{pid}/fd"):
            for path in _listed(directory):
                try:
                    yield path, os.readlink(path)
                except OSError:  # closed meanwhile
                    continue
    with open(f"{_PROC}/self/mountinfo", "rb") as file:
        yield from ((found.target, found.root) for found in mountinfo.of_type(file.read(), "nsfs"))


def _listed(directory: str) -> list[str]:
    try:
        return [f"{directory}/{name}" for name in os.listdir(directory)]
    except OSError:  # the process has ended
        return []


def _is_owned_here(path: str) -> bool:
    """The kernel tells the owner to those who are in it or above it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.close(fcntl.ioctl(fd, _NS_GET_USERNS))
        finally:
            os.close(fd)
    except OSError:
        return False
    return True
