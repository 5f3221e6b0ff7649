# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a container that gets another name, or another storage: first that, and then whatever else the task says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..config import lines
from ..errors import InUse, LxcError
from ..paths import Container
from ..storage import backends
from .course import RUN, Plan
from .desired import Desired, Observed
from .moves import steps
from .plan import Change
from .verbs import Verbs

Then = Callable[[Desired, Observed, Verbs, bool], Plan]


def plan_besides(desired: Desired, observed: Observed, verbs: Verbs, then: Then) -> Plan:
    """`then` is the plan for all the rest."""
    plan = _plan_more(desired, observed, verbs, then)
    if desired.besides is None or not desired.besides.archive:
        return plan
    from .archiving import archived

    return archived(plan, desired, observed.former or observed, verbs)


def _plan_more(desired: Desired, observed: Observed, verbs: Verbs, then: Then) -> Plan:
    is_ephemeral = desired.besides is not None and desired.besides.ephemeral
    if is_ephemeral and desired.state == "stopped" and observed.existence != "defined" and observed.former is None:
        return Plan()  # what is not there does not run, and one that is made would not be used
    if observed.former is None:
        if desired.besides is not None and desired.besides.migrate and observed.existence == "defined":
            return _plan_move(desired, observed, verbs, then)
        return then(desired, observed, verbs, False)
    return _plan_renaming(desired, observed, observed.former, verbs, then)


def _plan_renaming(desired: Desired, observed: Observed, former: Observed, verbs: Verbs, then: Then) -> Plan:
    """`then` is the plan for what comes afterwards."""
    after = _renamed(desired, observed, former, verbs)
    return _first(then(desired, after, verbs, False), desired, former, after.text, verbs)


def _plan_move(desired: Desired, observed: Observed, verbs: Verbs, then: Then) -> Plan:
    """Only one that does not run: all of its files are copied."""
    name, wanted, root = desired.container.name, desired.backing_store or "", observed.rootfs or ""
    kind = backends.kind_of(root) if root else "none"
    is_left = verbs.is_unfinished(desired)
    if not root or (kind in (wanted, backends.by_name(wanted).kind if wanted != "best" else kind) and not is_left):
        return then(desired, observed, verbs, False)
    if observed.state != "STOPPED":
        if "stop" not in RUN[desired.state].get(observed.state, ()):
            raise InUse(
                f"Container {name} is {observed.state}: it cannot be moved to {wanted} before it is stopped",
                hint="Stop it first, or say state: stopped or state: restarted",
            )
        if observed.ephemeral:
            raise InUse(f"Container {name} is ephemeral: it is gone once it is stopped, and cannot be moved to {wanted}")
    stop = steps(("stop",), desired, observed.state, verbs) if observed.state != "STOPPED" else []
    text = verbs.foresee_move(desired) if kind != wanted else ""
    words = f"{'finish moving' if kind == wanted else 'move'} {name} to {wanted}"
    move = Change("backing_store", kind if kind != wanted else "unfinished", wanted, words, partial(verbs.move, desired))
    before, after = observed.text, text or observed.text
    rootfs = lines.values(text).get("lxc.rootfs.path", [root])[-1] if text else root
    options = {key: value for key, value in desired.backing_options.items() if key == "directory"}
    plan = then(
        desired._replace(backing_options=options), observed._replace(state="STOPPED", text=after, rootfs=rootfs, size=None), verbs, False
    )
    return plan._replace(before=(*stop, move, *plan.before), config_before=before, config_after=plan.config_after or after)


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
