# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for `absent`."""

from __future__ import annotations

from functools import partial

from ..errors import InUse
from .course import RUN, Plan
from .desired import Desired, Observed
from .moves import is_out_of_place, steps
from .plan import Change
from .verbs import Verbs


def plan_removal(desired: Desired, observed: Observed, verbs: Verbs) -> Plan:
    """Stop what runs, then destroy; raises what stands against it before either."""
    name = desired.container.name
    if observed.existence == "absent" and not is_out_of_place(desired, observed):
        return Plan()
    if observed.clones:
        raise InUse(f"Container {name} cannot be removed: its files are used by its clones: {', '.join(observed.clones)}")
    if observed.snapshots and not desired.delete_snapshots:
        raise InUse(
            f"Container {name} has snapshots: {', '.join(observed.snapshots)}", hint="Say delete_snapshots: true to remove them with it"
        )
    stop = steps(RUN["absent"].get(observed.state, ()), desired, observed.state, verbs)
    destroy = Change("existence", observed.existence, "absent", f"destroy {name}", partial(verbs.destroy, desired))
    return Plan(before=(*stop, destroy))
