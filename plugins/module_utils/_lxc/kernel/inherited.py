# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process passes on to all that it starts, beside its rights and limits: taken over from another process."""

from __future__ import annotations

import os

from . import libc, process

_WHO_PROCESS = 1


def take_schedule(pid: int) -> None:
    """Its policy and priority (sched(7)), nice value and processors."""
    policy = os.sched_getscheduler(pid)
    if (policy, os.sched_getparam(pid)) != (os.sched_getscheduler(0), os.sched_getparam(0)):
        os.sched_setscheduler(0, policy, os.sched_getparam(pid))
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, pid))
    os.sched_setaffinity(0, os.sched_getaffinity(pid))


def take_io_priority(pid: int) -> None:
    """ioprio_set(2)"""
    wanted = libc.syscall(f"process {pid}", "ioprio_get", _WHO_PROCESS, pid)
    libc.syscall("our I/O priority", "ioprio_set", _WHO_PROCESS, 0, wanted)


def take_timer_slack(pid: int) -> None:
    """How late a timer may be (proc(5), timerslack_ns)."""
    libc.prctl(libc.PR_SET_TIMERSLACK, int(_read(pid, "timerslack_ns")))


def take_file(pid: int, name: str) -> None:
    """A value that is written to the file in /proc that it is read from: oom_score_adj, coredump_filter."""
    wanted = _read(pid, name)
    if _read(os.getpid(), name) != wanted:
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            # A mask is shown in hexadecimal without saying so.
            file.write(f"0x{wanted}" if name == "coredump_filter" else wanted)


def take_personality(pid: int) -> None:
    """personality(2)"""
    libc.personality(process.personality(pid))


def take_groups(pid: int) -> None:
    """Its group, and its supplementary groups."""
    gid, groups = process.status_values(pid, "Gid", "Groups")
    os.setgroups([int(word) for word in groups.split()])
    os.setresgid(*(int(word) for word in gid.split()[:3]))


def clear_securebits() -> None:
    """As every process has them that did not ask for others (capabilities(7))."""
    if libc.prctl(libc.PR_GET_SECUREBITS):
        libc.prctl(libc.PR_SET_SECUREBITS, 0)


def _read(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", encoding="ascii") as file:
        return file.read().strip()
