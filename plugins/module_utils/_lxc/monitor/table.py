# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of descriptors that the keeper and its monitor share (CLONE_FILES): what the one has open when it dies is still open.

So nobody who has connected and asked is lost with the monitor. `Held` says which numbers mean what; everything else is swept away when
a monitor has gone, but those who wait for its answer. A number in `Held` is the monitor's own: it tells the keeper before it closes one
(`Link.close`), or that number could be another's by the time that the keeper passes it on.
An execve(2) ends the sharing (`replace.py`): each has a table then, and the keeper duplicates, until it forks the next monitor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterable
from typing import NamedTuple

from ..kernel import libc, process, sockets
from .handover import Held, descriptors

ASKED = "asked "  # and a number: the name in `Held` of a connection that waits for an answer


class Own(NamedTuple):
    """What a keeper has in the table for itself: the two ends of the pipe that signals wake it by, and a pidfd of itself."""

    wake_fd: int
    signal_fd: int
    pidfd: int

    @classmethod
    def open(cls) -> Own:
        return cls(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK), process.pidfd_open(os.getpid()))


class Bond(NamedTuple):
    """A monitor's end of the talk with its keeper, what tells of the keeper's death, and whatever else that has in the table."""

    end: socket.socket
    pidfd: int
    others: tuple[int, ...]


def bond(end: socket.socket, own: Own, keepers_end: socket.socket) -> Bond:
    """In the monitor, for which the keeper's end is a number in the table and no more."""
    return Bond(end, own.pidfd, (own.wake_fd, own.signal_fd, keepers_end.detach()))


def fork() -> int:
    """As os.fork(), but for the table."""
    pid, pidfd = process.clone3(libc.CLONE_FILES, signal.SIGCHLD)
    if pid:
        os.close(pidfd)
    return pid


def leave(keep: Iterable[int]) -> None:
    """Share it no longer, and have no more than these of it."""
    libc.unshare(libc.CLONE_FILES)
    process.close_all_but([0, 1, 2, *keep])


def sweep(held: Held, own: Own, spares: bool = True) -> None:
    """Close what a monitor that has gone left behind; it `spares` connections on which nothing was answered: they are held from here on."""
    kept = {0, 1, 2, *own, *descriptors(held)}
    try:
        found = set(map(int, os.listdir("/proc/self/fd")))
    except OSError:  # not one descriptor is to be had
        process.close_all_but(kept)
        return
    sought = {}
    for key, names in held.items():
        for name in [name for name, fd in names.items() if fd not in found]:
            del names[name]
        if spares and "listener" in names:
            sought[sockets.abstract_name(names["listener"], True)] = key
    sought.pop(b"", None)  # of our own requests, which are asked again
    for fd in found - kept:
        key = sought.get(sockets.abstract_name(fd, False), "")
        if key:
            held[key][f"{ASKED}{fd}"] = fd
        else:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(fd)
