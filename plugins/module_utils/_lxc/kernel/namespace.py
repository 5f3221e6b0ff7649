# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces (namespaces(7)): their names and flags, joining them, and a visit to one with the way back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from . import libc, process

# By the names of /proc/PID/ns, in the order to join them in: the user namespace gives the right to the others.
FLAGS = {
    "user": libc.CLONE_NEWUSER,
    "cgroup": libc.CLONE_NEWCGROUP,
    "ipc": libc.CLONE_NEWIPC,
    "uts": libc.CLONE_NEWUTS,
    "net": libc.CLONE_NEWNET,
    "pid": libc.CLONE_NEWPID,
    "time": libc.CLONE_NEWTIME,
    "mnt": libc.CLONE_NEWNS,
}


def flags(names: Iterable[str]) -> int:
    """The CLONE_NEW* mask of some names. Raises KeyError for an unknown one."""
    mask = 0
    for name in names:
        mask |= FLAGS[name]
    return mask


def names(mask: int) -> list[str]:
    """The names in a CLONE_NEW* mask, in the order to join them in."""
    return [name for name, flag in FLAGS.items() if mask & flag]


def open_all(pid: int, wanted: Iterable[str], pidfd: int = -1) -> dict[str, int]:
    """A descriptor of each. With a pidfd they are that process's for certain: a pid that has been reused raises ProcessLookupError."""
    opened: dict[str, int] = {}
    try:
        for name in wanted:
            opened[name] = process.open_namespace(pid, name)
        if pidfd >= 0:
            process.pidfd_send_signal(pidfd, 0)
    except BaseException:
        close_all(opened)
        raise
    return opened


def close_all(opened: Mapping[str, int]) -> None:
    """Close what `open_all` has opened."""
    for fd in opened.values():
        os.close(fd)


def join(opened: Mapping[str, int]) -> None:
    """Enter each of these; a pid or time namespace is for the children (setns(2)). The descriptors stay open."""
    for name, flag in FLAGS.items():
        if name in opened:
            libc.setns(opened[name], flag)


@contextmanager
def inside(namespace_fd: int, name: str) -> Iterator[None]:
    """The calling thread is in that namespace for the time of the `with`. Not for user and pid, which have no way back."""
    own_fd = os.open(f"/proc/thread-self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.setns(namespace_fd, FLAGS[name])
        try:
            yield
        finally:
            libc.setns(own_fd, FLAGS[name])
    finally:
        os.close(own_fd)


@contextmanager
def in_network_namespace(namespace_fd: int) -> Iterator[None]:
    """`inside`, for the network namespace. A socket that is opened there stays of it."""
    with inside(namespace_fd, "net"):
        yield
