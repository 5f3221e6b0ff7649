# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for single processes, whatever the host has left: getrlimit(2), the cgroups they are in, the mounts of their namespace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from . import cgroupfs
from .usage import Usage

_PROC = "/proc"
_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
_FIRST_USER_NAMESPACE = 0xEFFFFFFD
# What a start takes: of descriptors while messages about it are under way, of tasks for a launcher and init, of mounts in a copy of ours.
_FILES, _TASKS, _MOUNTS = 16, 4, 50
_EXEMPT = 1 << 21 | 1 << 24  # CAP_SYS_ADMIN, CAP_SYS_RESOURCE


def read(pids: Iterable[int]) -> list[Usage]:
    """Each once, also where several of the processes meet it. One that has ended has no limits."""
    readings: list[Callable[[int], Iterable[Usage]]] = [_files, _tasks, _mounts, _members]
    found: list[Usage] = []
    for pid in pids:
        for reading in readings:
            try:
                found += reading(pid)
            except (OSError, ValueError, IndexError):
                continue
    return list(dict.fromkeys(found))


def _text(path: str) -> str:
    with open(f"{_PROC}/{path}", encoding="ascii", errors="replace") as file:
        return file.read()


def _soft_limits(pid: int, name: str, option: str, used: Callable[[], int], needs: int) -> Iterator[Usage]:
    """A row of /proc/PID/limits by its name there, if there is a limit; `option` is prlimit(1)'s."""
    rows = [line[len(name) :].split() for line in _text(f"{pid}/limits").splitlines() if line.startswith(name)]
    if rows and rows[0][0] != "unlimited":
        whose = f"process {pid} ({_text(f'{pid}/comm').strip()})"
        yield Usage(f"RLIMIT_{option.upper()} of {whose}", int(rows[0][0]), used(), "", f"prlimit --pid {pid} --{option}={{}}", needs)


def _files(pid: int) -> Iterator[Usage]:
    return _soft_limits(pid, "Max open files", "nofile", lambda: len(os.listdir(f"{_PROC}/{pid}/fd")), _FILES)


def _tasks(pid: int) -> Iterator[Usage]:
    """All threads of its user count; who is root on the host, or has one of two capabilities there, is not asked (fork(2), EAGAIN)."""
    own = _status(pid)
    user = own["Uid"].split()[0]
    is_of_host = os.stat(f"{_PROC}/{pid}/ns/user").st_ino == _FIRST_USER_NAMESPACE
    if is_of_host and (user == "0" or int(own["CapEff"], 16) & _EXEMPT):
        return
    yield from _soft_limits(pid, "Max processes", "nproc", lambda: _threads_of(user), _TASKS)


def _status(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in _text(f"{pid}/status").splitlines() if ":\t" in line)


def _threads_of(user: str) -> int:
    threads = 0
    for pid in filter(str.isdigit, os.listdir(_PROC)):
        try:
            status = _status(int(pid))
        except OSError:  # it has ended
            continue
        if status["Uid"].split()[0] == user:
            threads += int(status["Threads"])
    return threads


def _mounts(pid: int) -> Iterator[Usage]:
    """Of its mount namespace, of which each container's begins as a copy."""
    limit = int(_text("sys/fs/mount-max"))
    yield Usage("fs.mount-max", limit, len(_text(f"{pid}/mountinfo").splitlines()), needs=_MOUNTS)


def _members(pid: int) -> Iterator[Usage]:
    """pids.max of its cgroup and of all above it, in whichever hierarchy the controller is."""
    paths = cgroupfs.own_path(pid)
    for hierarchy in cgroupfs.hierarchies():
        path = paths.get("" if hierarchy.version == 2 else "pids")
        if path is not None and (hierarchy.version == 2 or "pids" in hierarchy.controllers):
            yield from _upwards(cgroupfs.directory(hierarchy, path), hierarchy.mount_point)


def _upwards(directory: str, top: str) -> Iterator[Usage]:
    while directory.startswith(top):
        try:
            limit = cgroupfs.read(directory, "pids.max").strip()
            if limit != "max":
                used = int(cgroupfs.read(directory, "pids.current"))
                yield Usage(f"{directory}/pids.max", int(limit), used, "", _order(directory), _TASKS)
        except FileNotFoundError:  # the topmost has none, and one to which the controller is not handed down
            pass
        directory = os.path.dirname(directory)


def _order(directory: str) -> str:
    """What systemd manages it would set again."""
    unit = os.path.basename(directory)
    if unit.endswith((".service", ".scope", ".slice")) and os.path.isdir(_SYSTEMD):
        return f"systemctl set-property {unit} TasksMax={{}}"
    return f"echo {{}} > {directory}/pids.max"
