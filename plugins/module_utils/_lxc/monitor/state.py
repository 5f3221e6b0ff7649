# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `Record` in writing, and back: plain values for the ledger, descriptors by name for the keeper.

What is missing in an entry of another version has a default, so that a newer monitor reads what an older one wrote.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Optional

from ..cgroup import devices
from ..kernel import process
from ..paths import Container, container
from ..wire.protocol import State
from .listen import listen
from .record import Record

UNKNOWN = -1  # in place of a wait status that nobody can tell any more


def describe(record: Record) -> dict[str, object]:
    """Everything that another monitor must know to go on."""
    return {
        "container": list(record.container),
        "state": int(record.state),
        "pid": record.init_pid,
        "start_time": record.start_time,
        "exit_status": record.exit_status,
        "stop_asked": record.stop_asked,
        "rebooting": record.rebooting,
        "launcher": _process(record.launcher_pid, record.written.get("launcher")),
        "cleaner": _process(record.cleaner_pid, record.written.get("cleaner")),
        "flags": record.flags,
        "config": record.pairs,
        "cgroups": record.cgroups,
        "devices": record.device_rules,
        "links": list(record.links),
        "namespaces": list(record.namespaces),
        "ttys": len(record.tty_fds),
        "warnings": list(record.warnings),
        "log": [record.log_file, record.log_level],
        "clients": [{**client.waiting, "serial": client.serial} for client in record.clients if client.waiting],
    }


def _process(pid: int, written: object) -> list[int]:
    """A child of ours by pid and start time, [0, 0] for none; looked up once."""
    if not pid:
        return [0, 0]
    if isinstance(written, list) and written[0] == pid:
        return written
    try:
        return [pid, process.start_time(pid)]
    except (FileNotFoundError, ProcessLookupError):
        return [pid, 0]


def descriptors(record: Record) -> dict[str, int]:
    """Every descriptor that would be lost with the monitor, by a name."""
    found = {
        "listener": record.listener.fileno() if record.listener is not None else -1,
        "init": record.pidfd,
        "devpts": record.devpts_fd,
        "console": record.console.master_fd if record.console is not None else -1,
        "proxy": record.console.proxy_fd if record.console is not None else -1,
        **{f"tty {number}": fd for number, fd in enumerate(record.tty_fds, 1)},
        **{f"peer {number}": fd for number, fd in record.tty_peers.items()},
        **{f"namespace {name}": fd for name, fd in record.namespaces.items()},
        **{f"client {client.serial}": client.fd for client in record.clients if client.waiting},
    }
    return {name: fd for name, fd in found.items() if fd >= 0}


def restore(entry: Mapping[str, Any], fds: Mapping[str, int]) -> Record:
    """The record that an entry describes, without its console and its clients.

    Raises KeyError, ValueError, TypeError or BadValue for what is no such entry, InUse when another answers for the container.
    """
    lxc_path, name = entry["container"]
    one = container(name, lxc_path)
    record = Record(one, None)
    record.state = State(entry["state"])
    record.init_pid, record.start_time = int(entry["pid"]), int(entry["start_time"])
    record.exit_status = entry.get("exit_status")
    record.stop_asked, record.rebooting = bool(entry.get("stop_asked")), bool(entry.get("rebooting"))
    record.flags = int(entry.get("flags", 0))
    record.pairs = [list(pair) for pair in entry.get("config", [])]
    record.cgroups, record.links = list(entry.get("cgroups", [])), list(entry.get("links", []))
    record.device_rules = devices.from_fields(entry["devices"]) if entry.get("devices") else None
    record.warnings = list(entry.get("warnings", []))
    record.log_file, record.log_level = entry.get("log", ["", ""])
    record.pidfd, record.devpts_fd = fds.get("init", -1), fds.get("devpts", -1)
    ttys = [fds.get(f"tty {number}", -1) for number in range(1, int(entry.get("ttys", 0)) + 1)]
    record.tty_fds = ttys if all(fd >= 0 for fd in ttys) else []
    taken = [waiting["tty"] for waiting in entry.get("clients", []) if "tty" in waiting]
    record.tty_peers = {number: fds[f"peer {number}"] for number in taken if f"peer {number}" in fds}
    record.namespaces = {kind: fds[f"namespace {kind}"] for kind in entry.get("namespaces", []) if f"namespace {kind}" in fds}
    record.listener = _listener(one, fds)
    return record


def _listener(one: Container, fds: Mapping[str, int]) -> Optional[socket.socket]:
    """The command socket that was held. A new one where none was: then nobody has answered for it for a while."""
    if "listener" in fds:
        os.set_blocking(fds["listener"], False)
        return socket.socket(fileno=fds["listener"])
    return None if fds else listen(one)


def is_same(pid: int, start_time: int) -> bool:
    """Whether the process that had this pid then still runs."""
    try:
        return pid > 0 and process.alive(pid) and process.start_time(pid) == start_time
    except (FileNotFoundError, ProcessLookupError):
        return False
