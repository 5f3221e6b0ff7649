# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of lxc_snapshot: looked at, planned, done, looked at again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InUse, LxcError
from ..lifecycle import recovery, replacing, snapshot_list, users
from ..lifecycle.snapshot_list import Snapshot
from ..paths import Container
from ..wire.protocol import State
from . import snapshot_facts, snapshot_plan
from .observe import settled_state
from .plan import Change, Report
from .snapshot_plan import Observed, Plan, Wanted
from .verbs import Outcome

_SETTLE = 30.0
Log = Callable[[str], None]


def observe(wanted: Wanted) -> Observed:
    """How the snapshots stand. Somebody who is making or removing one is waited for. NotFound: there is no container to have one."""
    one = wanted.container
    if wanted.state != "absent":
        _check_container(one)
    half_made = []
    for entry in list(snapshot_list.entries(one)):
        if entry.problem == snapshot_list.BUSY:
            from ..lifecycle import partial

            partial.is_abandoned(entry.container, _SETTLE)
        if entry.problem and snapshot_list.is_left_over(entry.container):
            half_made.append(entry.name)
    target = wanted.restore_as
    return Observed(
        snapshot_list.snapshots(one),
        half_made,
        snapshot_list.next_name(one),
        target is not None and os.path.lexists(target.config) and not os.path.lexists(target.partial),
    )


def _check_container(one: Container) -> None:
    state = settled_state(one)
    defined = os.path.lexists(one.config)
    if defined and not (state is State.STOPPED and os.path.lexists(one.partial)):
        return
    from .missing import missing

    raise missing(one, "half-made" if os.path.lexists(one.partial) else "absent")


class Effects:
    """The verbs, for real. What none of them needs that is only planned is imported where it is used."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.flattened: dict[str, None] = {}

    def foresee_creation(self, wanted: Wanted, name: str) -> None:
        from ..lifecycle import snapshot

        try:
            snapshot.check(wanted.container, name)
        except InUse:
            if not snapshot_list.is_coming(wanted.container, name):  # else it is waited for when it comes to that
                raise

    def foresee_removal(self, wanted: Wanted, names: Sequence[str]) -> Sequence[str]:
        from ..lifecycle import snapshot

        found = [one.container for one in snapshot_list.snapshots(wanted.container) if one.name in names]
        return [users.name_of(user, wanted.container) for user in snapshot.check_removal(wanted.container, found, wanted.force)]

    def foresee_restoration(self, wanted: Wanted, found: Snapshot) -> Sequence[str]:
        from ..lifecycle import clone, restore, snapshot

        if wanted.restore_as is not None:
            clone.foresee(snapshot.request_as(found.container, wanted.restore_as))
            return []
        return [users.name_of(user, wanted.container) for user in restore.check(wanted.container, found.container, wanted.force)]

    def used(self, wanted: Wanted, name: str) -> Sequence[str]:
        one = snapshot_list.find(wanted.container, name)
        found = users.of_snapshot(one.container, wanted.container, users.scan(wanted.container.lxc_path)) if one else []
        return [users.name_of(user, wanted.container) for user in found]

    def create(self, wanted: Wanted, name: str) -> Outcome:
        from ..lifecycle import snapshot

        made, warnings = snapshot.create(wanted.container, name, wanted.comment or "", _log)
        return Outcome(warnings, not made, made)

    def set_comment(self, wanted: Wanted, found: Snapshot) -> Outcome:
        from ..lifecycle import snapshot

        snapshot.set_comment(found.container, wanted.comment or "")
        return Outcome()

    def remove(self, wanted: Wanted, names: Sequence[str]) -> Outcome:
        from ..lifecycle import snapshot

        removed, warnings = snapshot.remove(wanted.container, names, wanted.force, _log)
        return Outcome(warnings, not removed)

    def restore(self, wanted: Wanted, found: Snapshot) -> Outcome:
        from ..lifecycle import restore, snapshot

        if wanted.restore_as is None:
            return Outcome(restore.restore(wanted.container, found.container, wanted.force, _log))
        try:
            return Outcome(snapshot.restore_as(found.container, wanted.restore_as, _log))
        except InUse:
            if os.path.lexists(wanted.restore_as.config) and not os.path.lexists(wanted.restore_as.partial):
                return Outcome(was_so=True)
            raise


def _log(line: str) -> None:
    """What a copy says while it works is nothing to a task."""


class Job:
    """The reconciliation of one container's snapshots."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._wanted = snapshot_plan.read(params)
        self._verbs = Effects()

    def predict(self) -> Report:
        observed, plan = self._plan()
        return self._report(list(plan.changes), plan.warnings, self._predicted(observed, plan))

    def apply(self) -> Report:
        recovery.bring_to_end(self._wanted.container, "bring to its end what a killed task has begun")
        observed, plan = self._plan()
        if not plan.changes:
            return self._report([], plan.warnings, self._present(observed, self._wanted.snapshot))
        return self._carry_out(plan)

    def _plan(self) -> tuple[Observed, Plan]:
        observed = observe(self._wanted)
        return observed, snapshot_plan.plan(self._wanted, observed, self._verbs)

    def _carry_out(self, plan: Plan) -> Report:
        done: list[Change] = []
        warnings = list(plan.warnings)
        name, was_so = self._wanted.snapshot, False
        for change in plan.changes:
            try:
                outcome = change.apply()
            except InUse as error:
                if not _is_retention(change, plan):
                    raise
                warnings.append(f"{error.message}: it is kept")  # used by now, though it was not when we looked
                continue
            if isinstance(outcome, Outcome):
                was_so = outcome.was_so
                warnings += outcome.warnings
                name, change = _named(name, outcome, change)
            if not was_so:
                done.append(change)
        observed = observe(self._wanted)
        self._verify(name, observed)
        return self._report(done, warnings, self._present(observed, name))

    def _verify(self, name: str, observed: Observed) -> None:
        """Observe again: what is done each time is looked for under the name that it got."""
        if self._wanted.state == "restored" and self._wanted.restore_as is None:
            if replacing.is_unfinished(self._wanted.container):
                raise LxcError(f"Container {self._wanted.container.name} is not restored yet", hint="Run the task again")
            return
        from .reconciliation import verify

        again = self._wanted._replace(snapshot=name)
        verify(snapshot_plan.plan(again, observed, self._verbs).changes, self._wanted.container.name)

    def _present(self, observed: Observed, name: str) -> tuple[list[dict[str, object]], str]:
        return snapshot_facts.entries(self._wanted.container, observed.snapshots), name

    def _predicted(self, observed: Observed, plan: Plan) -> tuple[list[dict[str, object]], str]:
        """As they would be."""
        wanted, found = self._wanted, self._present(observed, self._wanted.snapshot)[0]
        after = {change.field: change.after for change in plan.changes}
        found = [entry for entry in found if after.get(f"snapshot {entry['name']}") != "absent"]
        name = wanted.snapshot or (observed.next_name if wanted.state == "present" else "")
        if after.get(f"snapshot {name}") == "present":
            new = Snapshot(Container(snapshot_list.directory(wanted.container), name), comment=wanted.comment or "")
            found += snapshot_facts.entries(wanted.container, [new])
        for entry in found:
            entry["comment"] = after.get(f"comment of {entry['name']}", entry["comment"])
        return found, name

    def _report(self, changes: list[Change], warnings: Sequence[str], present: tuple[list[dict[str, object]], str]) -> Report:
        entries, name = present
        result: dict[str, object] = {"snapshots": entries, "actions": [change.describe for change in changes]}
        mine = [entry for entry in entries if entry["name"] == name]
        if mine:
            result["snapshot"] = mine[0]
        report = Report(bool(changes), result, warnings=list(dict.fromkeys(warnings)))
        if not changes:
            return report
        from .reconciliation import fields_diff

        return report._replace(diff=[fields_diff(changes, self._wanted.container.name)])


def _is_retention(change: Change, plan: Plan) -> bool:
    return change.after == "absent" and plan.changes[0].after == "present"


def _named(name: str, outcome: Outcome, change: Change) -> tuple[str, Change]:
    """A new one that got another number than was foreseen, because somebody else made one at the same moment."""
    made = outcome.how
    foreseen = change.field.partition(" ")[2]
    if not made or made == foreseen:
        return made or name, change
    return made, change._replace(field=f"snapshot {made}", describe=change.describe.replace(f"snapshot {foreseen}", f"snapshot {made}"))
