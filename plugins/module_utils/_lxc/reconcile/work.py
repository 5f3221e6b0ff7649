# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task that has something to do does with its plans.

What comes before a start is done in threads, then one request to the monitor starts all that are to be started, then come
the rest, the waits and the verification, in threads again: most of it is waiting for others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from ..errors import LxcError, StepError
from ..lifecycle import evidence
from . import container, moves
from .observe import observe
from .plan import Change, Diff
from .reconciliation import fields_diff, verify
from .task import Task
from .verbs import Outcome, Verbs

THREADS = 16


def carry_out(tasks: Sequence[Task], verbs: Verbs, start: Callable[[Sequence[Task]], None] | None) -> None:
    """Whatever is planned. What goes wrong stays with its task."""
    rehearse(tasks, verbs)
    _each(tasks, lambda task: _do(task, task.plan.before))
    starting = [task for task in tasks if task.plan.start and task.error is None]
    if starting:
        (start or start_together)(starting)
    _each(tasks, lambda task: _finish(task, verbs))
    if starting:
        _look_for_shortage(starting)


def foretell(tasks: Sequence[Task], verbs: Verbs) -> None:
    """What would be done, as far as it could be."""
    rehearse(tasks, verbs)
    for task in tasks:
        if moves.is_out_of_place(task.desired, task.observed):
            task.warnings.append("A restore of it was killed: it is brought back first, and what its config says is not compared here")
        task.actions = [] if task.error else [change.describe for change in task.plan.changes]


def rehearse(tasks: Sequence[Task], verbs: Verbs) -> None:
    """What runs is stopped only if it can be started again."""
    for task in tasks:
        if "lxc.rootfs.options" in task.desired.config and task.plan.config_after:
            task.attempt(_check_root_options)
        if task.plan.start and task.observed.state != "STOPPED":
            task.attempt(lambda again: verbs.rehearse(again.desired, again.plan.config_after))


def _check_root_options(task: Task) -> None:
    from ..lifecycle import room

    room.check_root_options(task.plan.config_after)


def _look_for_shortage(asked: Sequence[Task]) -> None:
    """By now those that were waited for use what they use. Said once, whatever the number of containers."""
    from . import shortage

    asked[0].warnings += shortage.look([task.error for task in asked if task.error is not None])


def _each(tasks: Sequence[Task], act: Callable[[Task], None]) -> None:
    busy = [task for task in tasks if task.error is None and (task.plan.changes or task.desired.wait_for)]
    if len(busy) < 2:
        for task in busy:
            task.attempt(act)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(THREADS, len(busy))) as threads:
        list(threads.map(lambda task: task.attempt(act), busy))


def _do(task: Task, changes: Sequence[Change]) -> None:
    for change in changes:
        outcome = change.apply()
        note(task, change, outcome if isinstance(outcome, Outcome) else Outcome())


def note(task: Task, change: Change, outcome: Outcome) -> None:
    """It is so now, by this task or by somebody else."""
    if change.field == "name":
        task.standing = task.desired.container
    if not outcome.was_so:
        task.done.append(change)
        task.actions.append(f"{change.describe} ({outcome.how})" if outcome.how else change.describe)
    warn(task, outcome.warnings)


def predicted_state(task: Task, now: object) -> object:
    """The one that its plan leads to."""
    states = [change.after for change in task.plan.changes if change.field == "state"]
    known = "STOPPED" if now == "ABSENT" else now
    return "ABSENT" if task.desired.state == "absent" else states[-1] if states else known


def warn(task: Task, warnings: Sequence[object]) -> None:
    """Each once: what is wrong with a config is said when it is written and when it is used."""
    task.warnings += [text for text in dict.fromkeys(map(str, warnings)) if text not in task.warnings]


def _finish(task: Task, verbs: Verbs) -> None:
    _do(task, task.plan.after)
    if task.desired.wait_for:
        from . import wait

        wait.wait(task.desired.container, task.desired.wait_for, task.desired.wait_timeout)
    if task.plan.changes:
        _verify(task, verbs)


def _verify(task: Task, verbs: Verbs) -> None:
    """Observe again; `restarted` is by then the same as `started`."""
    desired = task.desired
    if desired.state == "stopped" and task.observed.ephemeral and not os.path.lexists(desired.container.directory):
        return
    again = desired._replace(state="started") if desired.state == "restarted" else desired
    if again.besides is not None:  # done each time
        again = again._replace(besides=again.besides._replace(force=False))
    remaining = container.plan(again, observe(again), verbs).changes
    try:
        verify(remaining, task.name)
    except StepError as error:
        error.log = error.log + evidence.log_tail(desired.container)
        raise


def start_together(tasks: Sequence[Task]) -> None:
    """One request to the monitor for all."""
    from .. import runtime

    by_container = {task.desired.container: task for task in tasks}
    said = tasks[0].desired  # one task, one log file
    timeout = max(said.wait_timeout, 1.0)
    try:
        for one, error, warnings, was_up in runtime.start(list(by_container), timeout, said.log_file, said.log_level):
            task = by_container[one]
            task.error = error
            if error is None and task.plan.start:
                note(task, task.plan.start, Outcome(warnings, was_up))
            else:
                warn(task, warnings)
    except LxcError as error:  # not even the request went through
        for task in tasks:
            task.error = task.error or error


def diffs(tasks: Sequence[Task], predicted: bool) -> list[Diff]:
    """The fields that change, and the config file."""
    found = []
    for task in tasks:
        changes = [change for change in (task.plan.changes if predicted else task.done) if not change.field.startswith("config")]
        if changes:
            found.append(fields_diff(changes, task.name))
        if task.plan.config_before != task.plan.config_after and (predicted or any(map(_writes_config, task.done))):
            from .drift import shown

            file = task.desired.container.config
            found.append(Diff(shown(task.plan.config_before), shown(task.plan.config_after), file, file))
    return found


def _writes_config(change: Change) -> bool:
    return change.field.startswith(("config", "name", "backing_store")) or (change.field, change.after) == ("existence", "defined")


def failure(failed: Sequence[Task], count: int) -> str:
    """The message of the whole task."""
    if not failed or not failed[0].error:
        return ""
    if count == 1:
        return failed[0].error.message
    named = "; ".join(f"{task.name}: {task.error.message}" for task in failed if task.error)
    return f"{len(failed)} of {count} containers failed: {named}"
