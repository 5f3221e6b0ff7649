# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lxc_container_info tells beyond the summary: what a container uses, and what its config says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import ConfigError, LxcError
from ..paths import Container, is_name
from ..wire.exchange import TIMEOUT, Ask, ask, close
from ..wire.payloads import CGROUP_MAX_FDS, CgroupCtx
from ..wire.protocol import Command
from .info import QUESTIONS as SUMMARY
from .info import summary

_ANY_CGROUP = CgroupCtx().pack()
QUESTIONS = (*SUMMARY, (Command.GET_CGROUP_CTX, _ANY_CGROUP, CGROUP_MAX_FDS))
_COUNTERS = ("memory.current", "memory.usage_in_bytes", "cpu.stat", "cpuacct.usage")
_PROBLEMS = 10  # lines of a broken config that are named


def details(one: Container, asker: Ask = ask) -> dict[str, object]:
    """The summary and what lxc_container_info adds: memory and cpu, and what the config says of autostart, groups, store."""
    found = summary(one, asker)
    state = found["state"]
    found["exists"] = state != "ABSENT"
    found["defined"] = os.path.lexists(one.config)
    found["half_made"] = state == "STOPPED" and os.path.lexists(one.partial)
    found.update(usage(one, asker) if state not in ("ABSENT", "STOPPED") else {"memory_bytes": None, "cpu_seconds": None})
    found.update(_from_config(one) if found["defined"] else {})
    return found


def _from_config(one: Container) -> dict[str, object]:
    """Of a config that cannot be loaded: what is wrong with it, and what the lines say that are right."""
    from ..config import parser

    problems: list[ConfigError] = []
    try:
        config = parser.load(one.config, problems)
    except LxcError as error:
        return {"config_error": error.message}
    broken = {"config_error": "; ".join(problem.message for problem in problems[:_PROBLEMS])} if problems else {}
    return {
        **broken,
        "autostart": config.get_bool("lxc.start.auto"),
        "autostart_order": config.get_int("lxc.start.order"),
        "autostart_delay": config.get_int("lxc.start.delay"),
        "groups": config.get_list("lxc.group"),
        "backing_store": backing_store(config.rootfs_path),
        "hostname": config.uts_name,
        "arch": config.get("lxc.arch"),
        "network_types": [network.type for network in config.networks],
        "unprivileged": bool(config.get_list("lxc.idmap")),
        "config": _own_values(one),
        "config_warnings": config.warnings,
    }


def _own_values(one: Container) -> dict[str, object]:
    """The entries of its own file. What an environment variable holds is nobody's business."""
    from ..config import lines

    with open(one.config, encoding="utf-8", errors="surrogateescape") as stream:
        text = stream.read()
    values = lines.said(text)
    for key in values:
        if key.startswith("lxc.environment"):
            values[key] = [value.partition("=")[0] + "=(not shown)" for value in values[key]]
    return {key: value[0] if len(value) == 1 else value for key, value in values.items()}


def backing_store(rootfs: str) -> str:
    """The backend's name, none where there is no root filesystem."""
    prefix, colon, _path = rootfs.partition(":")
    if not rootfs:
        return "none"
    if colon and "/" not in prefix:
        return {"overlay": "overlayfs"}.get(prefix, prefix)
    from ..storage import backends

    return backends.kind_of(rootfs)


def usage(one: Container, asker: Ask = ask) -> dict[str, object]:
    """Memory in bytes and cpu time in seconds, as its cgroups count them; None where the host does not count."""
    said = _counters(one, asker)
    memory = said.get("memory.current") or said.get("memory.usage_in_bytes", "")
    microseconds = said.get("cpu.stat", "")  # v2: its first line is `usage_usec N`
    if microseconds.startswith("usage_usec"):
        cpu: float | None = int(microseconds.split()[1]) / 1e6
    else:
        nanoseconds = said.get("cpuacct.usage", "")
        cpu = int(nanoseconds) / 1e9 if nanoseconds.isdigit() else None
    return {"memory_bytes": int(memory) if memory.isdigit() else None, "cpu_seconds": None if cpu is None else round(cpu, 3)}


def _counters(one: Container, asker: Ask) -> dict[str, str]:
    """What these files say, in whichever of its cgroups they are: the versions of cgroups have different ones. One question for all."""
    try:
        fds = asker(one, Command.GET_CGROUP_CTX, TIMEOUT, payload=_ANY_CGROUP, max_fds=CGROUP_MAX_FDS).fds
    except LxcError:
        return {}
    said: dict[str, str] = {}
    try:
        for directory_fd in fds:
            said.update((name, text) for name in _COUNTERS if (text := _read(directory_fd, name)))
            if _whole(said):
                break
    finally:
        close(fds)
    return said


def _whole(said: Mapping[str, str]) -> bool:
    """Both are there, whichever version they are of."""
    memory = "memory.current" in said or "memory.usage_in_bytes" in said
    return memory and ("cpuacct.usage" in said or said.get("cpu.stat", "").startswith("usage_usec"))


def _read(directory_fd: int, name: str) -> str:
    try:
        file_fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory_fd)
    except OSError:
        return ""
    with open(file_fd, encoding="ascii") as stream:
        return stream.read().strip()


def all_names(lxc_path: str) -> list[str]:
    """Every name in this lxcpath: those that are defined and those that only run."""
    try:
        defined = [name for name in os.listdir(lxc_path) if is_name(name) and os.path.lexists(f"{lxc_path}/{name}/config")]
    except OSError:
        defined = []
    from ..wire import client

    return sorted({*defined, *filter(is_name, client.listening(lxc_path))})
