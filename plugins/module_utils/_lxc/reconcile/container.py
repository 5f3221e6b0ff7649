# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for one container: what is wanted against what is there. Pure: it reads nothing and does nothing.

The table of all states stands in docs/states.md, and tests/unit/reconcile/test_container.py has a case for each cell.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, Protocol

from .desired import Desired
from .observe import Observed
from .plan import Change


class Verbs(Protocol):
    """What can be done to a container. A plan only names these; `effects.py` has the real ones."""

    def create(self, desired: Desired) -> object: ...

    def destroy(self, desired: Desired) -> object: ...

    def write_config(self, desired: Desired) -> object: ...

    def start(self, desired: Desired) -> object: ...

    def stop(self, desired: Desired) -> object: ...

    def freeze(self, desired: Desired) -> object: ...

    def thaw(self, desired: Desired) -> object: ...


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
_AFTER = {"start": "RUNNING", "stop": "STOPPED", "freeze": "FROZEN", "thaw": "RUNNING"}


def plan(desired: Desired, observed: Observed, verbs: Verbs) -> Plan:
    """The changes, in the order in which they are made. Raises what stands against them."""
    if desired.state == "absent":
        from .removal import plan_removal

        return plan_removal(desired, observed, verbs)
    name = desired.container.name
    if observed.existence != "defined":
        if desired.template is None:
            from .missing import missing

            raise missing(desired.container, observed.existence)
        anew = " anew, what was half-made is removed" if observed.existence == "half-made" else ""
        words = f"make {name} from template {desired.template}{anew}"
        create = Change("existence", observed.existence, "defined", words, partial(verbs.create, desired))
        return _running(Plan(before=(create,)), desired, "STOPPED", verbs)
    base = Plan()
    if desired.says_config:
        from .settled import plan_config

        base = Plan(*plan_config(desired, observed, verbs))
    return _running(base, desired, observed.state, verbs)


def _running(base: Plan, desired: Desired, state: str, verbs: Verbs) -> Plan:
    """Append what brings the container from `state` to the wanted one."""
    words = RUN[desired.state].get(state, ())
    if base.pending_restart and desired.restart_if_needed and desired.state in ("started", "frozen", "present") and "stop" not in words:
        words = ("stop", "start", *(("freeze",) if desired.state == "frozen" or (desired.state, state) == ("present", "FROZEN") else ()))
    changes = steps(words, desired, state, verbs)
    at = words.index("start") if "start" in words else len(words)
    start = changes[at] if at < len(words) else None
    restarts = "stop" in words
    return base._replace(
        before=(*base.before, *changes[:at]),
        start=start,
        after=tuple(changes[at + 1 :]),
        pending_restart=() if restarts else base.pending_restart,
    )


def steps(words: tuple[str, ...], desired: Desired, state: str, verbs: Verbs) -> list[Change]:
    changes = []
    for word in words:
        changes.append(Change("state", state, _AFTER[word], f"{word} {desired.container.name}", partial(getattr(verbs, word), desired)))
        state = _AFTER[word]
    return changes
