# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for one container, and what is done to its run state."""

from __future__ import annotations

from typing import NamedTuple

from .plan import Change


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
