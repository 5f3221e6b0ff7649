# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are the inits of containers: a line on disk each, so that a monitor knows what an earlier one left running.

Without it, the death of a monitor would make every container look STOPPED, and a second init could be started on the
same root file system. A process is named by pid, start time and boot: none of the three alone is unique.
"""

from __future__ import annotations

import hashlib
import json
import os

from ..errors import InUse
from ..kernel import process
from ..paths import RUN, Container

_DIRECTORY = RUN + "/inits"


def _file(container: Container) -> str:
    key = f"{container.lxc_path}\0{container.name}".encode("utf-8", "surrogateescape")
    return f"{_DIRECTORY}/{hashlib.sha256(key).hexdigest()[:32]}"


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def remember(container: Container, pid: int) -> None:
    """Called when init exists; a process that has ended meanwhile is not worth a line."""
    try:
        entry = {"pid": pid, "start_time": process.start_time(pid), "boot": _boot(), "name": container.name}
    except (FileNotFoundError, ProcessLookupError):
        return
    os.makedirs(_DIRECTORY, 0o700, exist_ok=True)
    temporary = f"{_file(container)}.new"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump(entry, file)
    os.rename(temporary, _file(container))


def forget(container: Container) -> None:
    """Called when init was reaped."""
    try:
        os.unlink(_file(container))
    except FileNotFoundError:
        return


def survivor(container: Container) -> int:
    """The pid of an init that a monitor before this one started and that still runs; 0 for none."""
    try:
        with open(_file(container), encoding="ascii") as file:
            entry = json.load(file)
        pid = int(entry["pid"])
        same = entry["boot"] == _boot() and process.alive(pid) and process.start_time(pid) == entry["start_time"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return pid if same else 0


def refuse_survivor(container: Container) -> None:
    """InUse when such an init runs: neither start the container a second time nor take its files away."""
    pid = survivor(container)
    if pid:
        raise InUse(
            f"Container {container.name} still runs as process {pid}, though the monitor that started it is gone",
            f"End it first: kill -s PWR {pid} (or kill -s KILL {pid})",
        )
