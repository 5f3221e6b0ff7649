# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing: register the undo right after the act, keep everything on success, undo in reverse order on failure."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Rollback:
    """A context manager that undoes what was done, unless `keep()` was called.

    An undo that fails does not hide the first error and does not stop the other undos: what it said is added to the
    first error's `hint`, where it has one, and to `problems`.
    """

    def __init__(self) -> None:
        self._undos: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.problems: list[str] = []

    def add(self, undo: Callable[..., Any], *args: Any) -> None:
        """Remember how to undo the act that has just succeeded."""
        self._undos.append((undo, args))

    def keep(self) -> None:
        """The work is whole: forget the undos."""
        self._undos.clear()

    def __enter__(self) -> Rollback:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._undos.clear()
            return
        while self._undos:
            undo, args = self._undos.pop()
            try:
                undo(*args)
            except Exception as problem:  # an undo must not hide what went wrong first
                self.problems.append(f"{getattr(undo, '__name__', undo)}: {problem}")
        if self.problems and hasattr(error, "hint"):
            error.hint = "; ".join(filter(None, [error.hint, "clean-up failed too: " + ", ".join(self.problems)]))
