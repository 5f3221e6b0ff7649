# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's parameters to what it wants of each container. Bad values are refused here, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadValue
from ..paths import Container, container
from .desired import NOTHING, STOP_TIMEOUT, WAIT_TIMEOUT, ConfigChanges, Desired, NetworkSection

# Options that end in lines of the config; without any of them no code of the config language is loaded.
CONFIG_OPTIONS = (
    "config", "container_config", "hostname", "arch", "network", "mounts", "hooks", "autostart", "capabilities",
    "environment", "cgroup", "apparmor_profile", "seccomp_profile", "selinux_context",
)  # fmt: skip
# Options whose values are looked at before anything is done; what most tasks say needs no look.
CHECKED = (
    "template_options", "backing_store", "directory", "size", "fs_type", "stop_timeout", "wait_for", "wait_timeout", "clone_name",
    "clone_from", "clone_snapshot", "container_command", "vg_name", "lv_name", "thinpool", "zfs_root",
)  # fmt: skip
BESIDES = ("new_name", "ephemeral", "ephemeral_tmpfs", "migrate", "archive", "force")


def desired(params: Mapping[str, Any], lxc_path: str) -> list[Desired]:
    """One for each name, in the order named. Raises BadValue for whatever cannot be meant."""
    names = list(dict.fromkeys(params["name"]))
    if not names:
        raise BadValue("name", [], "at least one name")
    if any(option in params for option in BESIDES):
        from .asked import read

        return [read(params, container(name, lxc_path), len(names) > 1, _one) for name in names]
    return [_one(params, container(name, lxc_path), len(names) > 1) for name in names]


def _one(params: Mapping[str, Any], one: Container, several: bool) -> Desired:
    config: ConfigChanges = {}
    networks: Sequence[NetworkSection] | None = None
    if any(option in params for option in CONFIG_OPTIONS):
        from . import options

        config, networks = options.collect(params, one.name, several)
    wanted = Desired(
        container=one,
        state=params.get("state", "started"),
        template=params.get("template"),
        template_options=params.get("template_options", NOTHING),
        backing_store=params.get("backing_store"),
        config=config,
        networks=networks,
        stop_timeout=float(params.get("stop_timeout", STOP_TIMEOUT)),
        wait_for=tuple(params.get("wait_for", ())),
        wait_timeout=float(params.get("wait_timeout", WAIT_TIMEOUT)),
        restart_if_needed=params.get("restart", "never") == "if_needed",
        delete_snapshots=bool(params.get("delete_snapshots")),
        log_file=params.get("log_file", ""),
        log_level=params.get("log_level") or params.get("container_log_level", ""),
    )
    if not any(option in params for option in CHECKED) and params.get("template", "none").isalpha():
        return wanted
    from . import checks

    return checks.checked(wanted, params, several)
