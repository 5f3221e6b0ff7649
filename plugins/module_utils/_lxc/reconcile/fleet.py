# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of lxc_container: many containers in one task, each with its own result; a failure of one does not stop the others.

All are planned first. What comes before a start is done in threads, then one request to the monitor starts all that
are to be started, then come the rest, the waits and the verification, in threads again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import LxcError, StepError
from ..lifecycle import hostconf, info
from ..paths import check_lxc_path
from . import container
from .desired import Desired, desired
from .observe import Observed, observe
from .plan import Change, Diff, Report, fields_diff, verify

THREADS = 16


class Task:
    """One container on its way: what is planned, what was done, what went wrong."""

    def __init__(self, desired: Desired) -> None:
        self.desired = desired
        self.observed = Observed("absent")
        self.plan = container.Plan()
        self.done: list[Change] = []
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.error: LxcError | None = None

    def attempt(self, act: Callable[[Task], None]) -> None:
        """Do it unless something failed before; keep the failure."""
        if self.error is not None:
            return
        try:
            act(self)
        except LxcError as error:
            self.error = error
        except OSError as error:
            self.error = StepError.from_os("system", "Use", str(error.filename or self.desired.container.name), error)

    def note(self, change: Change, outcome: object) -> None:
        """The change has been made."""
        self.done.append(change)
        how = getattr(outcome, "how", "")
        self.actions.append(f"{change.describe} ({stopped_words(outcome)})" if how else change.describe)
        if isinstance(outcome, list):
            self.warnings += [str(warning) for warning in outcome]


def stopped_words(outcome: object) -> str:
    """How a container came to its end: by which signal, or killed."""
    if getattr(outcome, "how", "") == "killed":
        return f"it did not end in time and was killed with {getattr(outcome, 'signal', 'SIGKILL') or 'SIGKILL'}"
    return f"by {getattr(outcome, 'signal', '')}" if getattr(outcome, "signal", "") else str(getattr(outcome, "how", ""))


class Fleet:
    """A `Job` for several containers."""

    def __init__(self, wanted: Sequence[Desired], verbs: container.Verbs, start: Callable[[Sequence[Task]], None]) -> None:
        self._tasks = [Task(desired) for desired in wanted]
        self._verbs = verbs
        self._start = start

    def predict(self) -> Report:
        self._plan()
        for task in self._tasks:
            task.actions = [change.describe for change in task.plan.changes]
        return self._report(predicted=True)

    def apply(self) -> Report:
        self._plan()
        self._each(lambda task: _do(task, task.plan.before))
        starting = [task for task in self._tasks if task.plan.start and task.error is None]
        if starting:
            self._start(starting)
        self._each(self._finish)
        return self._report(predicted=False)

    def _plan(self) -> None:
        for task in self._tasks:
            task.attempt(self._plan_one)

    def _plan_one(self, task: Task) -> None:
        task.observed = observe(task.desired)
        task.plan = container.plan(task.desired, task.observed, self._verbs)

    def _each(self, act: Callable[[Task], None]) -> None:
        """In threads where there is work for several; most of it is waiting for others."""
        busy = [task for task in self._tasks if task.error is None and (task.plan.changes or task.desired.wait_for)]
        if len(busy) < 2:
            for task in busy:
                task.attempt(act)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(THREADS, len(busy))) as threads:
            list(threads.map(lambda task: task.attempt(act), busy))

    def _finish(self, task: Task) -> None:
        _do(task, task.plan.after)
        if task.desired.wait_for:
            from . import wait

            wait.wait(task.desired.container, task.desired.wait_for, task.desired.wait_timeout)
        if task.plan.changes:
            self._verify(task)

    def _verify(self, task: Task) -> None:
        """Observe again; `restarted` is by then the same as `started`."""
        desired = task.desired
        again = desired._replace(state="started") if desired.state == "restarted" else desired
        observed = observe(again)
        remaining = container.plan(again, observed, self._verbs).changes
        try:
            verify(remaining, desired.container.name)
        except StepError as error:
            error.log = error.log + info.log_tail(desired.container)
            raise

    def _report(self, predicted: bool) -> Report:
        entries = [_entry(task, predicted) for task in self._tasks]
        failed = [task for task in self._tasks if task.error is not None]
        result: dict[str, object] = {"containers": entries}
        if len(entries) == 1:
            result["container"] = entries[0]
            result["actions"] = self._tasks[0].actions
        if len(failed) == 1:
            result.update(_error_values(failed[0]))
        return Report(
            any(entry["changed"] for entry in entries),
            result,
            [diff for task in self._tasks for diff in _diffs(task, predicted)],
            [f"{task.desired.container.name}: {warning}" for task in self._tasks for warning in task.warnings],
            _failure(failed, len(self._tasks)),
        )


def _do(task: Task, changes: Sequence[Change]) -> None:
    for change in changes:
        task.note(change, change.apply())


def job(params: Mapping[str, Any]) -> Fleet:
    """From a task's parameters to its job; raises BadValue before anything is read or touched."""
    from .effects import Effects

    lxc_path = check_lxc_path(params.get("lxc_path") or hostconf.lxc_path())
    return Fleet(desired(params, lxc_path), Effects(), start_together)


def start_together(tasks: Sequence[Task]) -> None:
    """One request to the monitor for all."""
    from .. import runtime

    by_container = {task.desired.container: task for task in tasks}
    try:
        said = tasks[0].desired  # one task, one log file
        timeout = max(said.wait_timeout, 1.0)
        for one, error, warnings in runtime.start(list(by_container), timeout, said.log_file, said.log_level):
            task = by_container[one]
            task.error = error
            task.warnings += warnings
            if error is None and task.plan.start:
                task.note(task.plan.start, None)
    except LxcError as error:  # not even the request went through
        for task in tasks:
            task.error = task.error or error


def _entry(task: Task, predicted: bool) -> dict[str, object]:
    desired, plan = task.desired, task.plan
    changed = bool(plan.changes if predicted else task.done) and (task.error is None or bool(task.done))
    entry = _facts(task)
    states = [change.after for change in plan.changes if change.field == "state"]
    if predicted and task.error is None:
        gone = desired.state == "absent"
        entry["state"] = "ABSENT" if gone else states[-1] if states else "STOPPED" if entry["state"] == "ABSENT" else entry["state"]
    entry.update(changed=changed, actions=task.actions, pending_restart=list(plan.pending_restart), failed=task.error is not None)
    if task.error is not None:
        entry.update(msg=task.error.message, **_error_values(task))
    return entry


def _facts(task: Task) -> dict[str, object]:
    try:
        return info.summary(task.desired.container)
    except (LxcError, OSError) as error:  # facts are an extra: what was done has been done
        task.warnings.append(f"Its facts could not be read: {error}")
        return {"name": task.desired.container.name, "state": task.observed.state}


def _error_values(task: Task) -> dict[str, object]:
    return {**task.error.details(), "error": type(task.error).__name__} if task.error else {}


def _diffs(task: Task, predicted: bool) -> list[Diff]:
    changes = [change for change in (task.plan.changes if predicted else task.done) if not change.field.startswith("config")]
    diffs = [fields_diff(changes, task.desired.container.name)] if changes else []
    if task.plan.config_before != task.plan.config_after:
        from .drift import shown

        file = task.desired.container.config
        diffs.append(Diff(shown(task.plan.config_before), shown(task.plan.config_after), file, file))
    return diffs


def _failure(failed: Sequence[Task], count: int) -> str:
    if not failed:
        return ""
    if count == 1:
        return failed[0].error.message if failed[0].error else ""
    named = "; ".join(f"{task.desired.container.name}: {task.error.message}" for task in failed if task.error)
    return f"{len(failed)} of {count} containers failed: {named}"
