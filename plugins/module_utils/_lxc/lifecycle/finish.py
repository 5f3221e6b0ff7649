# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do when a container's init has ended: hooks, network, cgroups. Run by a process that the monitor forks.

LXC's order: interfaces, with their script.down; the stop hook; cgroups; then the command socket is closed, which *is* the
state STOPPED; then the post-stop hook. All have the container's namespaces at hand. Nothing here raises for a hook that
fails: it is logged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

from ..cgroup import layout
from ..config.model import Config, Network
from ..errors import LxcError
from ..network import types
from ..paths import Container
from . import hook_scope, hooks
from .attach_scope import Scope
from .log import Log


class Remains(NamedTuple):
    """What the launcher reported: cgroups and links as their lists of fields, namespaces as name -> descriptor, the pid that init had."""

    cgroups: list[list[object]]
    links: list[list[object]]
    namespaces: Mapping[str, int]
    init_pid: int


def finish(
    container: Container, config: Config, root_mount: str, remains: Remains, target: str, down: Callable[[], None], log: Log
) -> list[str]:
    """Clean up; `config` is what the container was started with, `target` is "stop" or "reboot"; `down` is called when only
    the post-stop hook is left. Returns what could not be cleaned up, in words."""
    env = {**hooks.environment(container, config, root_mount, log.level), **_namespace_env(remains)}
    if remains.init_pid:
        env["LXC_PID"] = str(remains.init_pid)
    with hook_scope.made(container, hook_scope.runs_at_end(config)) as scope:
        problems = _network(config, remains, env, log, scope)
        env["LXC_TARGET"] = target
        _hook("stop", config, env, log, scope, _namespace_words(remains))
        cgroups = [layout.from_fields(fields) for fields in remains.cgroups]
        layout.kill(cgroups)
        problems += layout.remove(cgroups)
        for problem in problems:
            log.write("ERROR", problem)
        down()
        _hook("post-stop", config, env, log, scope)
    return problems


def _hook(kind: str, config: Config, env: Mapping[str, str], log: Log, scope: Optional[Scope], words: Sequence[str] = ()) -> None:
    try:
        hooks.run(kind, config, env, log, words, scope)
    except (LxcError, OSError) as error:
        log.write("ERROR", str(error))


def _namespace_words(remains: Remains) -> list[str]:
    return [f"{name}:/proc/{os.getpid()}/fd/{fd}" for name, fd in remains.namespaces.items()]


def _namespace_env(remains: Remains) -> dict[str, str]:
    return {f"LXC_{name.upper()}_NS": f"/proc/{os.getpid()}/fd/{fd}" for name, fd in remains.namespaces.items()}


def _network(config: Config, remains: Remains, env: Mapping[str, str], log: Log, scope: Optional[Scope]) -> list[str]:
    problems = []
    by_index = {network.index: network for network in config.networks}
    for network in config.networks:
        if network.type == "empty":
            _script(network, "", config, env, log, scope)
    for fields in remains.links:
        created = types.created(fields)
        known = by_index.get(created.index)
        if known is not None:
            _script(known, created.host_name, config, env, log, scope)
        try:
            types.delete(created)
        except (LxcError, OSError) as error:
            problems.append(f"Delete interface {created.host_name}: {error}")
    return problems


def _script(network: Network, host_name: str, config: Config, env: Mapping[str, str], log: Log, scope: Optional[Scope]) -> None:
    try:
        hooks.run_network("down", network, host_name, config, env, log, scope)
    except (LxcError, OSError) as error:
        log.write("ERROR", str(error))
