# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a container, and a plan of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .desired import Desired
from .plan import Change


class Outcome(NamedTuple):
    """What an act came to, where there is more to say than that it was done. `was_so`: somebody else had done it by then, and so
    this task has not. `how` says by which signal a container ended, or that it was killed."""

    warnings: Sequence[str] = ()
    was_so: bool = False
    how: str = ""


class Verbs(Protocol):
    """What can be done to a container. A plan only names these, but for the first; `effects.py` has the real ones."""

    def foresee(self, desired: Desired) -> str:
        """The config that a new container will have. Raises what stands against its creation, and touches nothing."""

    def create(self, desired: Desired) -> Outcome: ...

    def destroy(self, desired: Desired) -> Outcome: ...

    def rehearse(self, desired: Desired, config: str) -> None: ...
    def write_config(self, desired: Desired) -> Outcome: ...
    def resize(self, desired: Desired) -> Outcome: ...

    def start(self, desired: Desired) -> Outcome: ...

    def stop(self, desired: Desired) -> Outcome: ...

    def freeze(self, desired: Desired) -> Outcome: ...

    def thaw(self, desired: Desired) -> Outcome: ...


class Plan(NamedTuple):
    """Three stretches: what comes before the start, the start (one request for all containers of a task), what follows it."""

    before: tuple[Change, ...] = ()
    pending_restart: tuple[str, ...] = ()
    config_before: str = ""
    config_after: str = ""
    start: Change | None = None
    after: tuple[Change, ...] = ()

    @property
    def changes(self) -> list[Change]:
        return [*self.before, *([self.start] if self.start else []), *self.after]


# What is done to the run state, for each state that a container can have. `restart` is stop and start.
RUN: dict[str, dict[str, tuple[str, ...]]] = {
    "present": {},
    "absent": {"RUNNING": ("stop",), "FROZEN": ("stop",)},
    "started": {"STOPPED": ("start",), "FROZEN": ("thaw",)},
    "stopped": {"RUNNING": ("stop",), "FROZEN": ("stop",)},
    "restarted": {"STOPPED": ("start",), "RUNNING": ("stop", "start"), "FROZEN": ("stop", "start")},
    "frozen": {"STOPPED": ("start", "freeze"), "RUNNING": ("freeze",)},
}
