# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that this runtime raises on purpose.

Who should act tells them apart: the author of the task (``BadValue``, ``ConfigError``), the one who looks after the
host (``Unsupported``), whoever holds the thing (``InUse``), or the reader of the log (``StepError``).
Messages name the action and the object, begin with a capital and have no full stop.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence


class LxcError(Exception):
    """The base; `hint` says what to do about it, in one sentence."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def details(self) -> dict[str, object]:
        """What a module returns beside the message, as plain JSON values."""
        return {"hint": self.hint} if self.hint else {}


class BadValue(LxcError):
    """A value that cannot be used, refused before anything is touched.

    `option` is the module option or the function's argument, `expected` completes "expected ...".
    """

    def __init__(self, option: str, value: object, expected: str, hint: str = "") -> None:
        super().__init__(f"Bad value {value!r:.300} for {option}: expected {expected}", hint)
        self.option = option
        self.value = value
        self.expected = expected

    def details(self) -> dict[str, object]:
        return {**super().details(), "option": self.option, "value": repr(self.value), "expected": self.expected}


class ConfigError(LxcError):
    """A line of a container's config that cannot be used: file, line (from 1; 0 is unknown), key and what was expected."""

    def __init__(self, file: str, line: int, key: str, problem: str, hint: str = "") -> None:
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {key}: {problem}" if key else f"{where}: {problem}", hint)
        self.file = file
        self.line = line
        self.key = key

    def details(self) -> dict[str, object]:
        return {**super().details(), "file": self.file, "line": self.line, "key": self.key}


class NotFound(LxcError):
    """What was named does not exist."""


class InUse(LxcError):
    """Something else holds it: a lock, a socket, a dependent container. The message names the holder."""


class Unsupported(LxcError):
    """This host's kernel or programs lack what was asked for. The message names what is missing."""


class TimedOut(LxcError):
    """A wait with a bound came to its end. The message says what was seen last."""


class StepError(LxcError):
    """One step of a larger piece of work failed.

    `step` is the stage ("mount", "network", "hook"), `action` what was done ("Mount"), `object` what it was done to,
    `errno` the kernel's number (0: none), `log` the last lines that were logged.
    """

    def __init__(
        self, step: str, action: str, object: str, errno: int = 0, text: str = "", log: Sequence[str] = (), hint: str = ""
    ) -> None:
        reason = text or (os.strerror(errno) if errno else "failed")
        super().__init__(f"{action} {object}: {reason}", hint)
        self.step = step
        self.action = action
        self.object = object
        self.errno = errno
        self.text = reason
        self.log = list(log)

    def details(self) -> dict[str, object]:
        return {
            **super().details(),
            "step": self.step,
            "action": self.action,
            "object": self.object,
            "errno": self.errno,
            "text": self.text,
            "log": self.log,
        }

    @classmethod
    def from_os(cls, step: str, action: str, object: str, error: OSError, log: Sequence[str] = ()) -> StepError:
        """The same, from what the kernel said."""
        return cls(step, action, object, error.errno or 0, error.strerror or str(error), log)

    @classmethod
    def from_details(cls, details: Mapping[str, object]) -> StepError:
        """Back from `details()`, as it came over a socket."""
        log = details.get("log")
        errno = details.get("errno")
        return cls(
            str(details.get("step", "")),
            str(details.get("action", "")),
            str(details.get("object", "")),
            errno if isinstance(errno, int) else 0,
            str(details.get("text", "")),
            [str(line) for line in log] if isinstance(log, list) else [],
            str(details.get("hint", "")),
        )
