# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, apply, plan again: the ordinary job, and how changes are shown and verified. Not loaded where nothing is to be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..errors import StepError
from .plan import Change, Diff, Report


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
