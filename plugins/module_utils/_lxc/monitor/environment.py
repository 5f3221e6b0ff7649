# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the task that started the monitor brought along, and must not taint later containers.

Nice value, umask, processor affinity, limits, oom_score_adj become those of process 1; what cannot be changed back
(no_new_privs, seccomp, a smaller bounding set) is reported.
"""

from __future__ import annotations

import os
import resource

from ..kernel import process

_LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS,
}
_restored: dict[int, tuple[int, int]] = {}


def normalise() -> list[str]:
    """Called once, at the monitor's start. Returns what could not be made as process 1 has it, in words."""
    problems = []
    os.umask(0o022)
    for what, act in (("nice value", _nice), ("processors", _affinity), ("oom_score_adj", _oom), ("limits", _limits)):
        try:
            act()
        except (OSError, ValueError) as error:
            problems.append(f"the {what} of process 1 could not be taken on: {error}")
    return problems + _differences()


def _nice() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 1))


def _affinity() -> None:
    os.sched_setaffinity(0, os.sched_getaffinity(1))


def _oom() -> None:
    with open("/proc/1/oom_score_adj", encoding="ascii") as file:
        wanted = file.read()
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        if file.read() == wanted:
            return
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(wanted)


def _limits() -> None:
    """Process 1's limits; but as many open files as the hard limit allows, which launchers give back."""
    with open("/proc/1/limits", encoding="ascii") as file:
        for line in file:
            number = _LIMITS.get(line[:26].strip())
            if number is not None:
                soft, hard = (_bound(word) for word in line[26:].split()[:2])
                _set(number, soft, hard)
    _restored.update({number: resource.getrlimit(number) for number in _LIMITS.values()})
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _bound(word: str) -> int:
    return resource.RLIM_INFINITY if word == "unlimited" else int(word)


def _set(number: int, soft: int, hard: int) -> None:
    """As near as our own hard limit lets us: raising that takes CAP_SYS_RESOURCE."""
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError):
        ceiling = resource.getrlimit(number)[1]
        low = ceiling if soft == resource.RLIM_INFINITY or (ceiling != resource.RLIM_INFINITY and soft > ceiling) else soft
        resource.setrlimit(number, (low, ceiling))


def restore_limits() -> None:
    """In a forked child: the limits that containers get."""
    for number, bounds in _restored.items():
        resource.setrlimit(number, bounds)


def _differences() -> list[str]:
    own, first = process.status(os.getpid()), process.status(1)
    words = {
        "NoNewPrivs": "no_new_privs is set",
        "Seccomp": "a seccomp filter is on",
        "CapBnd": "the capability bounding set differs from process 1's",
    }
    return [text for key, text in words.items() if own.get(key) != first.get(key)]
