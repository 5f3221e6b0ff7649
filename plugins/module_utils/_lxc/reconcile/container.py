# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for one container: what is wanted against what is there. Pure, but for the error that names what there is instead.

The table of all states stands in docs/states.md, and tests/unit/reconcile/test_container.py has a case for each cell.
"""

from __future__ import annotations

from functools import partial

from .desired import Desired, Observed
from .plan import Change
from .verbs import RUN, Plan, Verbs, steps


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

        base = plan_config(desired, observed, verbs)
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
