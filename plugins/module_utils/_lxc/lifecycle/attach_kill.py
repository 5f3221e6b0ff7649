# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a tree of processes: by its cgroup, or where there is none by descent, which a process that lost its parent escapes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Optional

from ..kernel import process
from .attach_scope import Scope

_ENOUGH = 5.0
_PAUSE = 0.0005


class Tree(NamedTuple):
    """What one attach began: its cgroup, or else the children that the caller had before, which are none of it."""

    scope: Optional[Scope]
    others: AbstractSet[int]

    def children(self) -> set[int]:
        """Those of it that are the caller's own."""
        if self.scope:
            return children() & set(self.scope.members())
        return children() - self.others

    def end(self, children: Iterable[int]) -> None:
        """Kill these children of ours, and everything that they began; by descent only as long as the parents live."""
        below = set() if self.scope else descendants(self.children())
        ending = {*children, *below}
        for pid in ending:
            _signal(pid, signal.SIGKILL)
        if self.scope:
            self.scope.kill()
        _await(_has_ended, ending)

    def release(self) -> None:
        if self.scope:
            self.scope.release()


def children() -> set[int]:
    """The caller's own, now."""
    return _below({os.getpid()})


def _below(parents: AbstractSet[int]) -> set[int]:
    return {pid for pid, parent in _parents().items() if parent in parents}


def descendants(roots: AbstractSet[int]) -> set[int]:
    """They and everything below, held still on the way so that it makes no more: asked again until there is nothing new.

    Who is just forking does that first, so its children are looked for when it has come to a halt.
    """
    held: set[int] = set()
    fresh = set(roots)
    while fresh:
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        _await(process.is_still, fresh)
        held |= fresh
        fresh = _below(held) - held
    return held


def _await(is_done: Callable[[int], bool], pids: AbstractSet[int]) -> None:
    """A signal only asks. For a bounded while: one that waits for a vfork(2) or a device may not come to it, and does nothing meanwhile."""
    end = time.monotonic() + _ENOUGH
    for pid in pids:
        while not is_done(pid) and time.monotonic() < end:
            time.sleep(_PAUSE)


def _has_ended(pid: int) -> bool:
    return not process.alive(pid)


def _parents() -> dict[int, int]:
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = int(process.status(int(entry))["PPid"])
            except (OSError, KeyError):
                continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
