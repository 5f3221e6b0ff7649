# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the task that started the monitor brought along, and must not taint later containers.

Whatever a process passes on becomes that of process 1: groups, limits, umask, priorities, and what fewer have heard of; what cannot be
changed back (no_new_privs, seccomp, a smaller bounding set, a namespace that runtime.py could not enter) is reported.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from functools import partial

from ..kernel import credentials, inherited, process

# As proc(5) calls them; of two Python does not know the numbers (bits/resource.h, the same on every architecture that LXC is on but MIPS).
_LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS,
    "Max file locks": 10,
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
    "Max realtime timeout": 15,
}
_NAMESPACES = ("mnt", "net", "ipc", "uts", "cgroup")
_restored: dict[int, tuple[int, int]] = {}


def normalise() -> list[str]:
    """Called once, at the monitor's start. Returns what could not be made as process 1 has it, in words."""
    problems = []
    os.umask(0o022)
    credentials.new_session_keyring()
    acts: dict[str, Callable[[int], None]] = {
        "groups": inherited.take_groups,
        "schedule": inherited.take_schedule,
        "I/O priority": inherited.take_io_priority,
        "timer slack": inherited.take_timer_slack,
        "personality": inherited.take_personality,
        "oom_score_adj": partial(inherited.take_file, name="oom_score_adj"),
        "coredump_filter": partial(inherited.take_file, name="coredump_filter"),
        "capabilities": _capabilities,
        "limits": _limits,
    }
    for what, act in acts.items():
        try:
            act(1)
        except (OSError, ValueError, NotImplementedError) as error:
            problems.append(f"the {what} of process 1 could not be taken on: {error}")
    return problems + _differences()


def _capabilities(_first: int) -> None:
    """What a program gets beside its permitted ones: nothing."""
    credentials.clear_ambient()
    credentials.clear_inheritable()
    inherited.clear_securebits()


def _limits(first: int) -> None:
    """Its limits; but as many open files as the hard limit allows, which launchers give back."""
    with open(f"/proc/{first}/limits", encoding="ascii") as file:
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
    return [text for key, text in words.items() if own.get(key) != first.get(key)] + _strange_namespaces()


def _strange_namespaces() -> list[str]:
    own = process.namespaces(os.getpid())
    try:
        first = process.namespaces(1)
    except PermissionError as error:
        return [f"the namespaces {', '.join(_NAMESPACES)} of process 1 could not be entered: {error.strerror}"]
    return [f"it is not in the {name} namespace of process 1" for name in _NAMESPACES if own.get(name) != first.get(name)]
