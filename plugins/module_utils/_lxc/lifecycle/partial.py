# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's marker of a container that is not whole: the file `partial`, locked for as long as somebody is at work.

Unlocked it was left behind by a process that was killed: LXC and we destroy such a container. In it we write the text of
`lxc.rootfs.path` that was made for it, so that the clean-up touches no storage that was there before.
"""

from __future__ import annotations

import os
import time

from ..errors import InUse
from ..kernel import filelock
from ..paths import Container

_POLL = 0.05
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def mark(container: Container, what: str) -> int:
    """Make the marker, or take over one that was left behind; the locked descriptor. InUse names who is at work."""
    fd = os.open(container.partial, _FLAGS | os.O_CREAT, 0o600)
    if not filelock.try_lock(fd):
        os.close(fd)
        raise busy(container, what)
    return fd


def busy(container: Container, what: str) -> InUse:
    holder = filelock.holder(container.partial)
    return InUse(f"Container {container.name} is being made or removed by {holder}", hint=f"Wait for it, in order to {what}")


def state(container: Container) -> str:
    """One of "whole" (no marker), "busy" and "abandoned"."""
    try:
        fd = os.open(container.partial, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return "whole"
    try:
        return "busy" if filelock.is_locked(fd) else "abandoned"
    finally:
        os.close(fd)


def is_abandoned(container: Container, timeout: float) -> bool:
    """Whether it is half-made with nobody at work on it. Who is gets `timeout` seconds to come to an end; InUse names them."""
    deadline = time.monotonic() + timeout
    while True:
        marker = state(container)
        if marker != "busy":
            return marker == "abandoned"
        if time.monotonic() > deadline:
            raise busy(container, "see how it stands")
        time.sleep(_POLL)


def contents(container: Container) -> list[str]:
    """What is in its directory but for a log, which an older one may have left. Where a creation was killed before it had its marker
    there is nothing."""
    return sorted(set(os.listdir(container.directory)) - {os.path.basename(container.log)})


def is_empty(container: Container) -> bool:
    """Whether there is no more than a directory of it, without so much as the marker."""
    return os.path.isdir(container.directory) and not os.path.islink(container.directory) and not contents(container)


def remember_storage(fd: int, rootfs_path: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, rootfs_path.encode("utf-8", "surrogateescape"), 0)
    os.fsync(fd)


def storage(fd: int) -> str:
    """The text of `lxc.rootfs.path` that was made for it; "" when none was, or when LXC was at work."""
    return os.pread(fd, 8192, 0).decode("utf-8", "surrogateescape")
