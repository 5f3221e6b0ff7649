# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts for a user or for the whole host, and how much of it is in use: the limits of sysctl(8) that many containers meet.

Counting inotify means to look at every descriptor of every process, which takes tens of milliseconds: never for nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_INOTIFY = "anon_inode:inotify"


class Usage(NamedTuple):
    """A limit by its sysctl's name, and how much of it is used; `user` where it holds for each user by himself."""

    sysctl: str
    value: int
    used: int
    user: str = ""


def read() -> list[Usage]:
    """Of what is counted for each user, who uses most. What this kernel or this user cannot tell is left out."""
    found: list[Usage] = []
    for reading in (_inotify, _tasks, _keys, _files):
        try:
            found += reading()
        except (OSError, ValueError, IndexError):
            continue
    return found


def _number(sysctl: str) -> int:
    with open(f"/proc/sys/{sysctl.replace('.', '/')}", encoding="ascii") as file:
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
    with open("/proc/loadavg", encoding="ascii") as file:
        threads = int(file.read().split()[3].partition("/")[2])
    for sysctl in ("kernel.pid_max", "kernel.threads-max"):
        yield Usage(sysctl, _number(sysctl), threads)


def _keys() -> Iterator[Usage]:
    """keyrings(7): each service of systemd has one. /proc/key-users has `uid: usage keys/instantiated quota/max bytes/max`."""
    with open("/proc/key-users", encoding="ascii") as file:
        rows = [line.replace(":", " ").replace("/", " ").split() for line in file]
    for column, what in ((4, "keys"), (6, "bytes")):
        user, used, limit = max(
            ((int(row[0]), int(row[column]), int(row[column + 1])) for row in rows), key=lambda row: row[1] / max(row[2], 1)
        )
        yield Usage(f"kernel.keys.{'' if user else 'root_'}max{what}", limit, used, f"uid {user}")


def _files() -> Iterator[Usage]:
    with open("/proc/sys/fs/file-nr", encoding="ascii") as file:
        used, _unused, limit = (int(word) for word in file.read().split())
    yield Usage("fs.file-max", limit, used)
