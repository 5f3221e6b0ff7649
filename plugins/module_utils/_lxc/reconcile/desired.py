# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the task wants of each container: only what the user said. Built before anything is touched, from plain parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Union

from ..errors import BadValue
from ..paths import Container, container

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

# What community.general.lxc_container has under a name that means nothing, or something else, here.
FOREIGN = {
    "container_command": "no such option here: run commands with hostkit.lxc.lxc_attach, which returns rc, stdout and stderr",
    "clone_name": "no such option here: name is always the container that the task is about, a new one included",
}


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
    for option, expected in FOREIGN.items():
        if option in params:
            raise BadValue(option, params[option], expected)
    names = list(dict.fromkeys(params["name"]))
    if not names:
        raise BadValue("name", [], "at least one name")
    containers = [container(name, lxc_path) for name in names]
    _check(params)
    several = len(containers) > 1
    return [_one(params, one, several) for one in containers]


def _one(params: Mapping[str, Any], one: Container, several: bool) -> Desired:
    config: ConfigChanges = {}
    networks: Sequence[NetworkSection] | None = None
    if any(option in params for option in CONFIG_OPTIONS):
        from . import options

        config, networks = options.collect(params, one.name, several)
    return Desired(
        container=one,
        state=params.get("state", "started"),
        template=params.get("template"),
        template_options=template_options(params.get("template_options", {})),
        backing_store=params.get("backing_store"),
        backing_options=_backing_options(params, one.name, several),
        config=config,
        networks=networks,
        stop_timeout=_seconds("stop_timeout", params.get("stop_timeout", STOP_TIMEOUT)),
        wait_for=tuple(params.get("wait_for", ())),
        wait_timeout=_seconds("wait_timeout", params.get("wait_timeout", WAIT_TIMEOUT)),
        restart_if_needed=params.get("restart", "never") == "if_needed",
        delete_snapshots=bool(params.get("delete_snapshots")),
        log_file=params.get("log_file", ""),
        log_level=params.get("log_level") or params.get("container_log_level", ""),
    )


def _check(params: Mapping[str, Any]) -> None:
    state = params.get("state", "started")
    if state not in STATES:
        raise BadValue("state", state, "one of " + ", ".join(STATES))
    template = params.get("template")
    if template is not None and (not template or template.startswith("-") or "\n" in template or "\0" in template):
        raise BadValue("template", template, "the name of a template or the path of a template script")
    conditions = params.get("wait_for", ())
    if conditions and state not in ("started", "restarted"):
        raise BadValue("wait_for", list(conditions), f"state started or restarted with it, not {state}")
    for condition in conditions:
        check_condition(condition)


def check_condition(condition: str) -> None:
    """One item of wait_for."""
    word, _, rest = condition.partition(":")
    if word in ("running", "ipv4", "ipv6", "systemd") and condition == word:
        return
    if word == "port" and rest.isdigit() and 0 < int(rest) < 65536:
        return
    if word == "path" and rest.startswith("/") and "\0" not in rest:
        return
    raise BadValue("wait_for", condition, "running, ipv4, ipv6, systemd, port:N (1 to 65535) or path:/an/absolute/path")


def _seconds(option: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise BadValue(option, value, "a number of seconds, 0 or more")
    return float(value)


def template_options(value: Any) -> Mapping[str, Any]:
    """The options as they are handed to a template: a dict of plain values; community.general takes one string."""
    if not isinstance(value, Mapping):
        raise BadValue("template_options", value, "a dict of option to value (release: trixie; true is a bare flag, a list repeats)")
    for key, item in value.items():
        if not isinstance(key, str) or not key or key.startswith("-") or not key.replace("-", "").replace("_", "").isalnum():
            raise BadValue("template_options", key, "option names without leading dashes")
        for part in item if isinstance(item, list) else [item]:
            if part is not None and not isinstance(part, (str, int, float, bool)):
                raise BadValue(f"template_options[{key}]", item, "a string, a number, a boolean or a list of them")
            if isinstance(part, str) and ("\0" in part or "\n" in part):
                raise BadValue(f"template_options[{key}]", item, "text of one line")
    return value


def _backing_options(params: Mapping[str, Any], name: str, several: bool) -> dict[str, str]:
    if "directory" not in params:
        return {}
    directory = params["directory"]
    if not directory.startswith("/") or "\n" in directory or "\0" in directory or ".." in directory.split("/"):
        raise BadValue("directory", directory, "an absolute path without .. in it")
    return {"directory": for_one("directory", directory, name, several)}


def for_one(option: str, value: str, name: str, several: bool) -> str:
    """A value that two containers cannot share: with several names it must have %n, which becomes the name."""
    if several and "%n" not in value:
        raise BadValue(option, value, "%n (the container's name) in it, as several containers are named")
    return value.replace("%n", name)
