# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking over the containers of a monitor before this one.

With the keeper alive its descriptors are at hand, so that nothing is lost: sockets, consoles, connections, wait statuses.
Where both had died there is only the ledger: init is found again by boot, pid, start time and the inode of its pidfd; its
console is gone, and how it ends will not be known. What was under way is brought to an end: a start is given up, a clean-up done.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

from ..errors import LxcError, StepError
from ..kernel import process
from ..lifecycle import ledger
from ..wire.protocol import State
from . import state
from .handover import Held
from .loop import say
from .record import Again, Record
from .supervise import Supervisor

_REBOOT = 600.0
_UP = (State.RUNNING, State.FREEZING, State.FROZEN, State.THAWED)


def adopt(supervisor: Supervisor, held: Held) -> list[str]:
    """Every container of the ledger; `held` is what the keeper held for each. Returns what could not be taken over, in words."""
    problems = []
    for key, entry in list(ledger.entries()):
        fds = held.pop(key, {})
        try:
            _adopt(supervisor, entry, fds)
        except (LxcError, OSError, KeyError, TypeError, ValueError) as error:
            problems.append(f"{entry.get('container')} could not be adopted: {type(error).__name__}: {error}")
            _let_go(supervisor, key, fds)
    supervisor.find_orphans()
    for key, fds in held.items():
        _let_go(supervisor, key, fds)
    for problem in problems:
        say(f"{problem}\n")
    return problems


def _let_go(supervisor: Supervisor, key: str, fds: Mapping[str, int]) -> None:
    supervisor.link.drop(key)
    for fd in fds.values():
        try:
            os.close(fd)
        except OSError:  # closed with what it was for
            continue


def _adopt(supervisor: Supervisor, entry: dict[str, Any], fds: Mapping[str, int]) -> None:
    record = state.restore(entry, fds)
    try:
        if "console" in fds:
            supervisor.take_console(record, fds["console"])
            if record.console is not None and "proxy" in fds:
                record.console.resume(fds["proxy"])
        supervisor.add(record)
        record.server.resume(entry.get("clients", []), fds)
        if "init" not in fds:
            record.pidfd = state.reopen(record.init_pid, record.start_time, record.init_inode)
        _go_on(supervisor, record, entry)
    except BaseException:
        supervisor.abandon(record)
        if "init" not in fds and record.pidfd >= 0:
            os.close(record.pidfd)
        raise


def _go_on(supervisor: Supervisor, record: Record, entry: Mapping[str, Any]) -> None:
    """From the state that it was left in."""
    _await_init(supervisor, record)
    if record.state == State.STARTING:
        _give_up(supervisor, record, *entry.get("launcher", [0, 0]))
    elif record.state not in _UP:
        _bring_down(supervisor, record, *entry.get("cleaner", [0, 0]))


def _await_init(supervisor: Supervisor, record: Record) -> None:
    """A status that was kept is this init's only if it does not run."""
    if not record.init_pid or record.exit_status is not None:
        return
    if record.pidfd >= 0 and not process.pidfd_wait(record.pidfd, 0):
        supervisor.watch_init(record, is_new=True)
        return
    status = supervisor.loop.status_of(record.init_pid, state.UNKNOWN)
    if record.state in _UP and record.pidfd >= 0 and status == state.UNKNOWN:
        supervisor.watch_init(record)  # it ended after we were forked, and the keeper's word is on its way
    elif record.state in _UP:
        supervisor.loop.later(0, lambda: supervisor.init_ended(record, status))
    else:
        record.exit_status = status


def _give_up(supervisor: Supervisor, record: Record, launcher_pid: int, start_time: int) -> None:
    """Nobody hears this launcher any more. A reboot is begun again; other starts are asked for again by who wanted them."""
    text = "the monitor ended while it started"
    record.error = StepError("start", "Start", record.container.name, errno.EINTR, text)
    if record.rebooting and not record.stop_asked:
        record.again.append(Again(_REBOOT, record.log_file, record.log_level, lambda _error, _warnings: None))
    supervisor.end_start(record, launcher_pid, state.reopen(launcher_pid, start_time))


def _bring_down(supervisor: Supervisor, record: Record, cleaner_pid: int, start_time: int) -> None:
    """It was on its way down: wait for the process that cleans up, or have it done."""
    pidfd = state.reopen(cleaner_pid, start_time)
    if pidfd >= 0:
        supervisor.ending.await_cleaner(record, cleaner_pid, pidfd)
    elif cleaner_pid and supervisor.loop.status_of(cleaner_pid, state.UNKNOWN) == 0:
        supervisor.loop.later(0, lambda: supervisor.ending.cleaned(record))
    else:
        supervisor.ending.clean(record)
