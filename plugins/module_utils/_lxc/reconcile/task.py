# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container on its way through a task."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import LxcError, StepError
from .course import Plan
from .desired import Desired, Observed
from .plan import Change


class Task:
    """What is planned for one container, what was done, what went wrong."""

    def __init__(self, desired: Desired) -> None:
        self.desired = desired
        self.name = ((desired.besides and desired.besides.former) or desired.container).name  # as the task says it
        self.standing = desired.container  # as it is called now
        self.observed = Observed("absent")
        self.plan = Plan()
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
            self.error = StepError.from_os("system", "Use", str(error.filename or self.name), error)

    def error_values(self) -> dict[str, object]:
        return {**self.error.details(), "error": type(self.error).__name__} if self.error else {}
