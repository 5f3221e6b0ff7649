# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired against observed gives a list of changes; an empty list is `changed=false`. Nothing here has an effect of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from ..errors import StepError


class Change(NamedTuple):
    """One difference and how to make it go away. `describe` is an imperative: "start p1"."""

    field: str
    before: object
    after: object
    describe: str
    apply: Callable[[], object]


class Diff(NamedTuple):
    """Two texts and what each is of: a file, or the list of changed fields."""

    before: str
    after: str
    before_header: str
    after_header: str


class Report(NamedTuple):
    """What a module gives back. `failed` is the message that makes the task fail though there is a result."""

    changed: bool
    result: Mapping[str, object] = MappingProxyType({})
    diff: Sequence[Diff] = ()
    warnings: Sequence[str] = ()
    failed: str = ""


class Job(Protocol):
    """What a module does: say what would be done, or do it. Both give the same kind of report."""

    def predict(self) -> Report: ...

    def apply(self) -> Report: ...


def fields_diff(changes: Sequence[Change], subject: str) -> Diff:
    """The changes as text, one `field: value` a line; what has no value on one side is left out there."""
    before = "".join(f"{change.field}: {_text(change.before)}\n" for change in changes if change.before is not None)
    after = "".join(f"{change.field}: {_text(change.after)}\n" for change in changes if change.after is not None)
    return Diff(before, after, subject, subject)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


def verify(remaining: Sequence[Change], subject: str) -> None:
    """After applying and observing again: a difference that is still there is an error that names the field."""
    if remaining:
        first = remaining[0]
        raise StepError(
            "verify",
            "Change",
            f"{first.field} of {subject}",
            text=f"it is {_text(first.before)} after the change, not {_text(first.after)}",
            log=[f"{change.field}: {_text(change.before)}, wanted {_text(change.after)}" for change in remaining],
        )


class Reconciliation:
    """The ordinary job, for one subject: `plan` observes and compares, `result` says how it stands."""

    def __init__(self, subject: str, plan: Callable[[], Sequence[Change]], result: Callable[[], Mapping[str, object]]) -> None:
        self._subject = subject
        self._plan = plan
        self._result = result

    def predict(self) -> Report:
        return self._report(self._plan())

    def apply(self) -> Report:
        changes = self._plan()
        for change in changes:
            change.apply()
        if changes:
            verify(self._plan(), self._subject)
        return self._report(changes)

    def _report(self, changes: Sequence[Change]) -> Report:
        result = {**self._result(), "actions": [change.describe for change in changes]}
        return Report(bool(changes), result, [fields_diff(changes, self._subject)] if changes else [])
