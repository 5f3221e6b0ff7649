# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of lxc_container: many containers in one task, each with its own result; a failure of one does not stop the others.

Here is what every task does, one that changes nothing included; `work.py` is loaded when there is something to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import LxcError
from ..lifecycle import info
from ..paths import SPENT, check_lxc_path
from ..wire import query
from ..wire.exchange import Ask
from . import container
from .desired import Desired
from .observe import observe
from .parameters import desired
from .place import lxc_path_of
from .plan import Report
from .task import Task

if TYPE_CHECKING:
    from .verbs import Verbs


class Fleet:
    """A `Job` for several containers. `start` starts all that are to be started by one request; the monitor's, when it is None."""

    def __init__(self, wanted: Sequence[Desired], verbs: Verbs, start: Callable[[Sequence[Task]], None] | None = None) -> None:
        self._tasks = [Task(desired) for desired in wanted]
        self._verbs = verbs
        self._start = start

    def predict(self) -> Report:
        self._plan()
        if any(task.plan.changes for task in self._tasks):
            from . import work

            work.foretell(self._tasks, self._verbs)
        return self._report(predicted=True)

    def apply(self) -> Report:
        for task in self._tasks:
            task.attempt(_recover)
        self._plan()
        if any(task.plan.changes or task.desired.wait_for for task in self._tasks):
            from . import work

            work.carry_out(self._tasks, self._verbs, self._start)
        return self._report(predicted=False)

    def _plan(self) -> None:
        for task in self._tasks:
            task.attempt(self._plan_one)

    def _plan_one(self, task: Task) -> None:
        task.observed = observe(task.desired)
        task.standing = (task.observed.former and task.desired.besides and task.desired.besides.former) or task.standing
        task.plan = container.plan(task.desired, task.observed, self._verbs)
        made_from, asked = task.observed.template, task.desired.template
        if made_from and asked and made_from != f"hostkit.lxc {asked}":
            from .origin import other_template

            task.warnings += filter(None, [other_template(made_from, asked)])

    def _report(self, predicted: bool) -> Report:
        containers = [task.standing for task in self._tasks]
        entries = [_entry(task, predicted, asker) for task, asker in zip(self._tasks, query.askers(containers, info.QUESTIONS))]
        failed = [task for task in self._tasks if task.error]
        result: dict[str, object] = {"containers": entries}
        if len(entries) == 1:
            result.update(container=entries[0], actions=self._tasks[0].actions)
        if len(failed) == 1:
            result.update(failed[0].error_values())
        warnings = [f"{task.name}: {warning}" for task in self._tasks for warning in task.warnings]
        report = Report(any(entry["changed"] for entry in entries), result, [], warnings)
        if not report.changed and not failed:
            return report
        from . import work

        return report._replace(diff=work.diffs(self._tasks, predicted), failed=work.failure(failed, len(self._tasks)))


class _Later:
    """The effects, loaded with the first one that is planned."""

    def __getattr__(self, verb: str) -> Any:
        from .effects import Effects

        return getattr(Effects(), verb)


def job(params: Mapping[str, Any]) -> Fleet:
    """From a task's parameters to its job; raises BadValue before anything is read or touched."""
    lxc_path = check_lxc_path(lxc_path_of(params))
    verbs: Any = _Later()
    return Fleet(desired(params, lxc_path), verbs)


def _recover(task: Task) -> None:
    """From somebody's being killed who put it in its place, or from the end of an ephemeral one, which a removal counts as its own."""
    place = task.desired.container.directory
    is_spent = task.desired.state != "absent" and os.path.lexists(f"{place}/{SPENT}")
    if is_spent or not os.path.isdir(place) or os.path.islink(place):
        from ..lifecycle import recovery

        recovery.bring_to_end(task.desired.container, "bring it back to its place")


def _entry(task: Task, predicted: bool, asker: Ask) -> dict[str, object]:
    plan = task.plan
    entry = _facts(task, asker)
    if predicted and task.error is None and plan.changes:
        from .work import predicted_state

        entry["state"] = predicted_state(task, entry["state"])
    changed = bool(task.done) or (predicted and task.error is None and bool(plan.changes))
    entry.update(changed=changed, actions=task.actions, pending_restart=list(plan.pending_restart), failed=task.error is not None)
    if task.error is not None:
        entry.update(msg=task.error.message, **task.error_values())
    return entry


def _facts(task: Task, asker: Ask) -> dict[str, object]:
    try:
        return info.summary(task.standing, asker)
    except (LxcError, OSError) as error:  # facts are an extra: what was done has been done
        task.warnings.append(f"Its facts could not be read: {error}")
        return {"name": task.name, "state": task.observed.state}
