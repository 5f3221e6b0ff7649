# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a plan a container is written to an archive: once all that it says is done, and while nothing runs in it."""

from __future__ import annotations

from functools import partial

from ..errors import InUse
from .besides import Besides
from .course import Plan
from .desired import Desired, Observed
from .plan import Change
from .verbs import Verbs

_STILL = ("STOPPED", "FROZEN")


def archived(plan: Plan, desired: Desired, observed: Observed, verbs: Verbs) -> Plan:
    """The plan with that in it; as it is where there is such a file, or where nothing is left to be written."""
    besides = desired.besides or Besides()
    is_there = verbs.has_archive(desired)
    if (is_there and not besides.force) or (desired.state == "absent" and observed.existence != "defined"):
        return plan
    if observed.existence != "defined" and not plan.changes:
        return plan  # what is not to be made
    words = f"archive {desired.container.name} to {besides.archive}"
    change = Change("archive", "there" if is_there else "absent", besides.archive, words, partial(verbs.archive, desired))
    at = _place(plan, observed)
    if at is not None:
        return plan._replace(before=(*plan.before[:at], change, *plan.before[at:]))
    states = [one.after for one in plan.changes if one.field == "state"]
    if states[-1:] == ["FROZEN"]:
        return plan._replace(after=(*plan.after, change))
    if verbs.is_atomic(desired):
        return plan._replace(before=(*plan.before, change))
    raise InUse(
        f"Container {desired.container.name} is {observed.state}: its files may change while they are written to {besides.archive}",
        hint="Stop or freeze it first, or say a state in which it does not run",
    )


def _place(plan: Plan, observed: Observed) -> int | None:
    """The last one before the start at which it is there, and still; None for none."""
    is_there, state, found = observed.existence == "defined", observed.state, None
    for index, change in enumerate((*plan.before, None)):
        if is_there and state in _STILL:
            found = index
        if change is not None and change.field == "state":
            state = str(change.after)
        elif change is not None and change.field == "existence":
            is_there, state = change.after == "defined", "STOPPED"
    return found
