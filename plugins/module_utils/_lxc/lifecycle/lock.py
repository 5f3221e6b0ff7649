# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's lock on a container's definition: /run/lxc/lock/LXCPATH/.NAME, held while its config or its directory changes.

liblxc holds it for moments only, and so do we: a creation that takes minutes is guarded by `partial` instead.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from ..errors import InUse
from ..kernel import filelock
from ..paths import Container

TIMEOUT = 30.0
_POLL = 0.02


@contextlib.contextmanager
def hold(container: Container, what: str, timeout: float = TIMEOUT) -> Iterator[None]:
    """Hold the lock; InUse names who has it when `timeout` seconds were not enough. `what` completes "to ..."."""
    os.makedirs(os.path.dirname(container.lock), 0o755, exist_ok=True)
    fd = _acquire(container, what, time.monotonic() + timeout)
    try:
        filelock.note(fd, what)
        yield
    finally:
        # A child that was forked meanwhile may still have the descriptor: closing ours would not be enough.
        os.ftruncate(fd, 0)
        filelock.unlock(fd)
        os.close(fd)


def forget(container: Container) -> None:
    """Remove the lock file of a container that is gone. Only while it is held: `hold` notices and opens a new one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(container.lock)


def _acquire(container: Container, what: str, deadline: float) -> int:
    while True:
        fd = os.open(container.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
        try:
            while not filelock.try_lock(fd):
                if time.monotonic() >= deadline:
                    holder = filelock.holder(container.lock)
                    raise InUse(f"Container {container.name} is locked by {holder}", hint=f"Waited in order to {what}; try again")
                time.sleep(_POLL)
            if _is_still(fd, container.lock):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_still(fd: int, path: str) -> bool:
    """Whether the path names the open file; it does not when `forget` was quicker."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
