# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lxc_container_info tells beyond the summary: what a container uses, and what its config says of it."""

from __future__ import annotations

import os

from ..errors import LxcError
from ..paths import Container
from ..wire import client
from .info import summary


def details(one: Container) -> dict[str, object]:
    """The summary and what lxc_container_info adds: memory and cpu, and what the config says of autostart, groups, store."""
    found = summary(one)
    state = found["state"]
    found["exists"] = state != "ABSENT"
    found["defined"] = os.path.lexists(one.config)
    found["half_made"] = state == "STOPPED" and os.path.lexists(one.partial)
    found.update(usage(one) if state not in ("ABSENT", "STOPPED") else {"memory_bytes": None, "cpu_seconds": None})
    found.update(_from_config(one) if found["defined"] else {})
    return found


def _from_config(one: Container) -> dict[str, object]:
    from ..config import parser

    try:
        config = parser.load(one.config)
    except LxcError as error:
        return {"config_error": error.message}
    return {
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
    from ..config import edit

    with open(one.config, encoding="utf-8", errors="surrogateescape") as stream:
        values = edit.values(stream.read())
    for key in values:
        if key.startswith("lxc.environment"):
            values[key] = [value.partition("=")[0] + "=(not shown)" for value in values[key]]
    return {key: value[0] if len(value) == 1 else value for key, value in values.items()}


def backing_store(rootfs: str) -> str:
    """The backend's name from the prefix of `lxc.rootfs.path`; a bare path is a directory."""
    prefix, colon, _ = rootfs.partition(":")
    if not rootfs:
        return "none"
    return {"overlay": "overlayfs"}.get(prefix, prefix) if colon and "/" not in prefix else "dir"


def usage(one: Container) -> dict[str, object]:
    """Memory in bytes and cpu time in seconds, from the cgroups that its monitor names; None where the host does not count."""
    from ..kernel import cgroupfs

    hierarchies = cgroupfs.hierarchies()
    memory = _value(one, hierarchies, "memory", "memory.usage_in_bytes", "memory.current")
    cpu = _value(one, hierarchies, "cpuacct", "cpuacct.usage", "cpu.stat")
    nanoseconds = "usage_usec" not in cpu
    numbers = [int(word) for word in cpu.split() if word.isdigit()]
    return {
        "memory_bytes": int(memory) if memory.isdigit() else None,
        "cpu_seconds": round(numbers[0] / (1e9 if nanoseconds else 1e6), 3) if numbers else None,
    }


def _value(one: Container, hierarchies: list, controller: str, v1_file: str, v2_file: str) -> str:  # type: ignore[type-arg]
    for hierarchy in hierarchies:
        if hierarchy.version == 1 and controller not in hierarchy.controllers:
            continue
        file = v1_file if hierarchy.version == 1 else v2_file
        try:
            path = client.cgroup(one, controller if hierarchy.version == 1 else "")
            with open(f"{hierarchy.mount_point}/{path.strip('/')}/{file}", encoding="ascii") as stream:
                return stream.read().strip()
        except (LxcError, OSError):
            continue
    return ""


def all_names(lxc_path: str) -> list[str]:
    """Every name in this lxcpath: those that are defined and those that only run."""
    try:
        defined = [name for name in os.listdir(lxc_path) if os.path.lexists(f"{lxc_path}/{name}/config")]
    except OSError:
        defined = []
    return sorted({*defined, *client.listening(lxc_path)})
