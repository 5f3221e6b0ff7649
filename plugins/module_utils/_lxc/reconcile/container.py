# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for one container: what is wanted against what is there. Pure, but for the error that names what there is instead.

The table of all states stands in docs/states.md, and tests/unit/reconcile/test_container.py has a case for each cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .course import RUN, Plan
from .desired import Desired, Observed

if TYPE_CHECKING:
    from .verbs import Verbs


def plan(desired: Desired, observed: Observed, verbs: Verbs, besides: bool = True) -> Plan:
    """The changes, in the order in which they are made. Raises what stands against them."""
    if desired.besides is not None and besides:
        from .renaming import plan_besides

        return plan_besides(desired, observed, verbs, plan)
    if desired.state == "absent":
        from .removal import plan_removal

        return plan_removal(desired, observed, verbs)
    if observed.existence != "defined":
        from .moves import creation

        return creation(desired, observed, verbs)
    base = Plan()
    if desired.says_config:
        from .settled import plan_config

        base = plan_config(desired, observed, verbs)
    if observed.rootfs is not None:
        from .moves import storage

        base = storage(base, desired, observed, verbs)
    if not RUN[desired.state].get(observed.state) and not (base.pending_restart and desired.restart_if_needed):
        return base
    from .moves import running

    return running(base, desired, observed.state, verbs, observed.ephemeral)
