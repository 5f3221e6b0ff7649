# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired against observed gives a list of changes; an empty list is `changed=false`. Nothing here has an effect of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol


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
