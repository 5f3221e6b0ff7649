# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sysctl, or another limit, that is too low for so many containers, by its name: what it is, how much of it is used, what to set.

Inside a container nothing says so: a service fails with "Too many open files" and its systemd is degraded.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

from .. import paths
from ..errors import LxcError, StepError, TimedOut
from ..kernel import filelock, processusage, usage
from ..kernel.usage import Usage
from ..wire import client

_MANY = 8  # with fewer containers than that, a host as it is delivered is short of nothing
_CLOSE = 0.8
# What distributions and LXC's own documentation raise them to for many containers.
_ENOUGH = {
    "fs.inotify.max_user_instances": 1024,
    "user.max_inotify_instances": 1024,
    "fs.inotify.max_user_watches": 1048576,
    "user.max_inotify_watches": 1048576,
    "kernel.keys.maxkeys": 2000,
    "kernel.keys.maxbytes": 2000000,
    "kernel.pid_max": 4194304,
}
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.ETIMEDOUT)


def close_to(usages: Iterable[Usage]) -> list[str]:
    """A sentence for each of which less than a fifth is left, or less than one more container needs."""
    return [_sentence(one) for one in usages if one.used >= one.value * _CLOSE or one.used + one.needs > one.value]


def _sentence(one: Usage) -> str:
    wanted = max(_ENOUGH.get(one.sysctl, 0), 2 * one.value)
    whose = f", of which {one.user} uses {one.used}" if one.user else f", of which {one.used} are used"
    order = (one.order or f"sysctl -w {one.sysctl}={{}}").replace("{}", str(wanted))
    return f"{one.sysctl} is {one.value}{whose}: more containers need more, so set it to {wanted} ({order})"


def found() -> list[str]:
    """As the host is now, and the monitor on it with its keeper: both have its claim open, and nobody else has."""
    return close_to(_usages())


def _usages() -> list[Usage]:
    return usage.read() + processusage.read(filelock.openers(paths.MONITOR_CLAIM))


def look(errors: Iterable[LxcError]) -> list[str]:
    """After starts. A start that failed for want of something gets it as its hint; else it is a warning, where many containers run."""
    unexplained = [error for error in errors if _is_want(error)]
    if not unexplained and client.count_running() < _MANY:
        return []
    if not unexplained:  # what is forbidden is not short: no user namespaces, for one, where no container asks for them
        return close_to(one for one in _usages() if one.value)
    sentences = found()
    for error in unexplained:
        error.hint = ". ".join([error.hint, *sentences] if error.hint else sentences)
    return []


def _is_want(error: LxcError) -> bool:
    return isinstance(error, TimedOut) or (isinstance(error, StepError) and error.errno in _EXHAUSTED)
