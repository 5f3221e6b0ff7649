# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of one container, running or only defined, whoever started it. Nothing here changes anything."""

from __future__ import annotations

import os

from ..errors import LxcError
from ..paths import Container
from ..wire import query
from ..wire.exchange import Ask, ask
from ..wire.protocol import Command, State, pack_text

# What a summary asks of a running container (`wire.ahead`).
QUESTIONS = (
    (Command.GET_STATE, b"", 0),
    (Command.GET_INIT_PID, b"", 0),
    (Command.GET_CONFIG_ITEM, pack_text("lxc.rootfs.path"), 0),
)


def summary(one: Container, asker: Ask = ask) -> dict[str, object]:
    """What every result of lxc_container holds: state, pid, addresses, where it is."""
    state = query.state(one, asker=asker)
    running = state is not State.STOPPED
    defined = os.path.lexists(one.config)
    found: dict[str, object] = {
        "name": one.name,
        "state": state.name if running or defined else "ABSENT",
        "init_pid": _init_pid(one, asker) if running else -1,
        "interfaces": [],
        "ipv4": [],
        "ipv6": [],
        "config_path": one.config,
        "rootfs": rootfs_path(one, running, asker) if running or defined else "",
    }
    if found["init_pid"] != -1:
        network = addresses(int(str(found["init_pid"])))
        found.update(network, interfaces=network.pop("names", []))
    return found


def _init_pid(one: Container, asker: Ask) -> int:
    try:
        return query.init_pid(one, asker=asker)
    except LxcError:  # it has just ended
        return -1


def rootfs_path(one: Container, running: bool, asker: Ask = ask) -> str:
    """As `lxc.rootfs.path` has it, a plain path for a directory, with the backend's prefix else. A running one answers itself."""
    answer = ""
    if running:
        try:
            answer = _plain(query.config_item(one, "lxc.rootfs.path", asker=asker) or "")
        except LxcError:
            pass
        if os.path.isdir(answer):
            return answer
    from ..config import parser

    try:
        said = _plain(parser.load(one.config, []).rootfs_path)
    except LxcError:  # a broken config is reported where it is used
        return answer
    # The answer is without the prefix, which is in the file as long as that says the same.
    return answer if answer and said.partition(":")[2] != answer else said


def _plain(path: str) -> str:
    """A subvolume of btrfs is a directory as well."""
    return path.removeprefix("dir:").removeprefix("btrfs:")


def addresses(pid: int) -> dict[str, object]:
    """Interfaces and global addresses of a process's network namespace, lo left out; empty when the process has gone."""
    from ..kernel import addresses

    try:
        if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
            return {}  # lxc.net.0.type = none: the host's addresses are not the container's
        return dict(addresses.of_process(pid)._asdict().items())
    except OSError:
        return {}
