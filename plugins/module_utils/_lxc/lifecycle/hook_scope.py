# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroup of the programs that a start or an end runs on the host: hooks and scripts, which may call setsid(2).

It is below the monitor's own, and its name tells whose container's it is: so any monitor finds it, also after one that was killed.
A launcher or a cleaner of ours does not enter it: those are ended by their pid, and after one that was, another cleaner takes the
cgroup away with all that is in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from ..config.model import Config
from ..paths import Container
from . import attach_scope, ledger
from .attach_scope import Scope


def runs_at_start(config: Config) -> bool:
    """Whether the launcher runs programs of the user's. Those that init runs are in the container's own cgroups."""
    return any(config.hooks(kind) for kind in ("pre-start", "start-host")) or any(network.script_up for network in config.networks)


def runs_at_end(config: Config) -> bool:
    """Whether the cleaner does."""
    return any(config.hooks(kind) for kind in ("stop", "post-stop")) or any(network.script_down for network in config.networks)


def make(container: Container) -> Optional[Scope]:
    """None where no cgroup can be made: there a program that leaves its process group outlives what it was run for."""
    return attach_scope.beside_caller(_stem(container))


@contextmanager
def made(container: Container, is_wanted: bool) -> Iterator[Optional[Scope]]:
    """What has not ended at the end of the block goes on in our own cgroup: a program may leave a daemon."""
    scope = make(container) if is_wanted else None
    try:
        yield scope
    finally:
        if scope is not None:
            scope.release()


def remove(container: Container) -> None:
    """End everything in it, and take it away. What does not end within a while, since the kernel holds it, is left outside."""
    for parent, name in _found(container):
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        scope = Scope(parent_fd, name, leaf="")
        scope.kill()
        scope.release()


def _found(container: Container) -> list[tuple[str, str]]:
    """Each that there is, by the directory above it and its name: one, or none."""
    stem, found = _stem(container), []
    for parent in attach_scope.own_directories():
        if os.path.isdir(parent):
            found += [(parent, name) for name in os.listdir(parent) if name.startswith(stem)]
    return found


def _stem(container: Container) -> str:
    return f"hostkit-lxc.hooks-{ledger.key_of(container)}"
