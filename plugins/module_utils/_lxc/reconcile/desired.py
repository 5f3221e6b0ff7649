# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the task wants of each container: only what the user said. Built before anything is touched, from plain parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Union

from ..errors import BadValue
from ..paths import LXC_CONF, LXC_PATH, Container, container

STATES = ("started", "stopped", "restarted", "frozen", "present", "absent")
STOP_TIMEOUT = 60.0
WAIT_TIMEOUT = 60.0

# A key of the config to its value: a list is the whole list, None removes the line, "" writes the line that clears.
ConfigChanges = Mapping[str, Union[str, list[str], None]]
NetworkSection = Mapping[str, Union[str, list[str]]]

# Options that end in lines of the config; without any of them no code of the config language is loaded.
CONFIG_OPTIONS = (
    "config", "container_config", "hostname", "arch", "network", "mounts", "hooks", "autostart", "capabilities",
    "environment", "cgroup", "apparmor_profile", "seccomp_profile", "selinux_context",
)  # fmt: skip
NOTHING: Mapping[str, Any] = MappingProxyType({})

# Options whose values are looked at before anything is done; what most tasks say needs no look.
CHECKED = (
    "template_options", "directory", "stop_timeout", "wait_for", "wait_timeout", "clone_name", "container_command",
)  # fmt: skip


class Desired(NamedTuple):
    """One container as the task wants it."""

    container: Container
    state: str = "started"
    template: str | None = None
    template_options: Mapping[str, Any] = NOTHING
    backing_store: str | None = None
    backing_options: Mapping[str, str] = NOTHING
    config: ConfigChanges = NOTHING
    networks: Sequence[NetworkSection] | None = None
    stop_timeout: float = STOP_TIMEOUT
    wait_for: Sequence[str] = ()
    wait_timeout: float = WAIT_TIMEOUT
    restart_if_needed: bool = False
    delete_snapshots: bool = False
    log_file: str = ""
    log_level: str = ""

    @property
    def says_config(self) -> bool:
        return bool(self.config) or self.networks is not None


def desired(params: Mapping[str, Any], lxc_path: str) -> list[Desired]:
    """One for each name, in the order named. Raises BadValue for whatever cannot be meant."""
    names = list(dict.fromkeys(params["name"]))
    if not names:
        raise BadValue("name", [], "at least one name")
    containers = [container(name, lxc_path) for name in names]
    several = len(containers) > 1
    return [_one(params, one, several) for one in containers]


def _one(params: Mapping[str, Any], one: Container, several: bool) -> Desired:
    config: ConfigChanges = {}
    networks: Sequence[NetworkSection] | None = None
    if any(option in params for option in CONFIG_OPTIONS):
        from . import options

        config, networks = options.collect(params, one.name, several)
    backing_options: Mapping[str, str] = NOTHING
    if any(option in params for option in CHECKED) or not params.get("template", "none").isalpha():
        from . import checks

        checks.check(params)
        backing_options = checks.backing_options(params, one.name, several)
    return Desired(
        container=one,
        state=params.get("state", "started"),
        template=params.get("template"),
        template_options=params.get("template_options", NOTHING),
        backing_store=params.get("backing_store"),
        backing_options=backing_options,
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


def default_lxc_path() -> str:
    """Where the containers are when nobody says."""
    if not os.path.lexists(LXC_CONF):
        return LXC_PATH
    from ..lifecycle import hostconf

    return hostconf.lxc_path()
