# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever went wrong in a start as one of our errors, with the last log lines."""

from __future__ import annotations

from ..errors import LxcError, StepError
from .log import Log

_LINES = 20


def as_lxc_error(error: BaseException, log: Log) -> LxcError:
    """The error itself where it is ours; else a StepError that names what the kernel or Python said."""
    lines = list(log.last)[-_LINES:]
    if isinstance(error, StepError):
        error.log = error.log or lines
        return error
    if isinstance(error, LxcError):
        return error
    if isinstance(error, OSError):
        return StepError.from_os("start", "Access", str(error.filename or "the container"), error, lines)
    return StepError("start", "Start", "the container", text=f"{type(error).__name__}: {error}", log=lines)
