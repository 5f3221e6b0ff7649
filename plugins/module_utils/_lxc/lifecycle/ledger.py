# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitor knows of each container, in a file each, so that whoever comes after it can go on.

Without it, the death of a monitor would make every container look STOPPED, and a second init could be started on the
same root file system. A process is named by pid, start time and boot: none of the three alone is unique.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from .. import digest
from ..errors import InUse
from ..kernel import process
from ..paths import LEDGER, Container

_boots: list[str] = []


def key_of(container: Container) -> str:
    """The name that its file has, and what the keeper holds for it."""
    return digest.of(f"{container.lxc_path}\0{container.name}")[:32]


def _boot() -> str:
    if not _boots:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            _boots.append(file.read().strip())
    return _boots[0]


def write(key: str, entry: Mapping[str, object]) -> None:
    """Put the entry in the place of the one before, whole or not at all. `pid` and `start_time` are init's (0: none yet)."""
    path = f"{LEDGER}/{key}"
    data = json.dumps({**entry, "boot": _boot()}).encode("ascii")
    try:
        _write(f"{path}.new", data)
    except FileNotFoundError:
        os.makedirs(LEDGER, 0o700, exist_ok=True)
        _write(f"{path}.new", data)
    os.rename(f"{path}.new", path)


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def forget(key: str) -> None:
    """Called when nothing of the container is left."""
    try:
        os.unlink(f"{LEDGER}/{key}")
    except FileNotFoundError:
        return


def read(key: str) -> Optional[dict[str, Any]]:
    """The entry; None when there is none, when it cannot be read or is of another boot."""
    try:
        with open(f"{LEDGER}/{key}", encoding="ascii") as file:
            entry = json.load(file)
        return entry if entry["boot"] == _boot() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry of this boot by its key; what is left of another is removed."""
    for key in _keys():
        entry = read(key)
        if entry is None:
            forget(key)
        else:
            yield key, entry


def _keys() -> list[str]:
    try:
        return [name for name in os.listdir(LEDGER) if "." not in name]
    except FileNotFoundError:
        return []


def survivor(container: Container) -> int:
    """The pid of an init that a monitor has started and that still runs; 0 for none."""
    entry = read(key_of(container)) or {}
    try:
        pid = int(entry["pid"])
        return pid if process.alive(pid) and process.start_time(pid) == entry["start_time"] else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def refuse_survivor(container: Container) -> None:
    """InUse when such an init runs: neither start the container a second time nor take its files away."""
    pid = survivor(container)
    if pid:
        raise InUse(
            f"Container {container.name} still runs as process {pid}, though no monitor answers for it",
            f"End it first: kill -s PWR {pid} (or kill -s KILL {pid})",
        )
