# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a container that gets another name: first that, and then, under the new one, whatever else the task says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..config import lines
from ..errors import InUse, LxcError
from ..paths import Container
from .course import RUN, Plan
from .desired import Desired, Observed
from .moves import steps
from .plan import Change
from .verbs import Verbs

Then = Callable[[Desired, Observed, Verbs, bool], Plan]


def plan_besides(desired: Desired, observed: Observed, verbs: Verbs, then: Then) -> Plan:
    """`then` is the plan for all the rest."""
    is_ephemeral = desired.besides is not None and desired.besides.ephemeral
    if is_ephemeral and desired.state == "stopped" and observed.existence != "defined" and observed.former is None:
        return Plan()  # what is not there does not run, and one that is made would not be used
    if observed.former is None:
        return then(desired, observed, verbs, False)
    return _plan_renaming(desired, observed, observed.former, verbs, then)


def _plan_renaming(desired: Desired, observed: Observed, former: Observed, verbs: Verbs, then: Then) -> Plan:
    """`then` is the plan for what comes afterwards."""
    after = _renamed(desired, observed, former, verbs)
    return _first(then(desired, after, verbs, False), desired, former, after.text, verbs)


def _renamed(desired: Desired, observed: Observed, former: Observed, verbs: Verbs) -> Observed:
    """How it will stand once it has its new name. Raises what stands against that."""
    old, new = _names(desired)
    if former.existence == "half-made":
        raise LxcError(
            f"Container {old.name} is half-made: its creation was cut off, and it cannot be renamed to {new.name}",
            hint="Make it anew, or remove it with state: absent",
        )
    if former.existence != "renaming" and observed.existence != "absent":
        raise InUse(
            f"Container {old.name} cannot be renamed to {new.name}: both exist in {old.lxc_path}",
            hint="Remove one of the two, or say another new_name",
        )
    if former.state != "STOPPED" and "stop" not in RUN[desired.state].get(former.state, ()):
        raise InUse(
            f"Container {old.name} is {former.state}: it cannot be renamed to {new.name} before it is stopped",
            hint="Stop it first, or say state: stopped or state: restarted",
        )
    if former.state != "STOPPED" and former.ephemeral:
        raise InUse(f"Container {old.name} is ephemeral: it is gone once it is stopped, and cannot be renamed to {new.name}")
    text = verbs.foresee_renaming(desired)
    rootfs = lines.values(text).get("lxc.rootfs.path", [observed.rootfs])[-1] if observed.rootfs else observed.rootfs
    return observed._replace(existence="defined", state="STOPPED", text=text, rootfs=rootfs, former=None)


def _first(plan: Plan, desired: Desired, former: Observed, text: str, verbs: Verbs) -> Plan:
    """The plan for what comes afterwards, with what comes before."""
    old, new = _names(desired)
    stop = steps(("stop",), desired._replace(container=old), former.state, verbs) if former.state != "STOPPED" else []
    words = f"{'finish renaming' if former.existence == 'renaming' else 'rename'} {old.name} to {new.name}"
    rename = Change("name", old.name, new.name, words, partial(verbs.rename, desired))
    return plan._replace(before=(*stop, rename, *plan.before), config_before=former.text, config_after=plan.config_after or text)


def _names(desired: Desired) -> tuple[Container, Container]:
    return (desired.besides and desired.besides.former) or desired.container, desired.container
