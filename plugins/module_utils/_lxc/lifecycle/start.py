# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a container: the host's half, run by a launcher that the monitor forks for it.

The launcher runs hooks, makes the cgroups, then init by clone3(2) with CLONE_PARENT: init is the monitor's child from
birth. While init enters the cgroups and mounts its root (`init.py`), the launcher makes its network; then the two meet,
limits are set, and init executes. Everything made is reported at once, so that the monitor can clean up after a
launcher that was killed.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..cgroup import devices, layout, limits
from ..config import parser
from ..config.model import Config
from ..errors import NotFound, StepError
from ..kernel import libc, namespace, process
from ..network import types
from ..paths import Container
from ..storage import backends
from . import ephemeral, hook_scope, hooks, init, namespaces, unapplied
from .exchange import Exchange
from .log import Log

Report = Callable[[dict[str, Any], Sequence[int]], None]


def preload(config: Config) -> None:
    """Import what init needs before it enters the container's file system, where nothing may be imported."""
    backends.preload(config.rootfs_path)
    types.preload(config.networks)


def launch(container: Container, root_mount: str, report: Report, log: Log) -> bool:
    """Bring the container to RUNNING. Raises LxcError when it cannot; then nothing of init is left.

    `report(message, fds)` tells the monitor: {"warnings"}, {"config"}, {"cgroups"}, {"init"} with its pidfd, {"links"},
    {"namespaces"} with their descriptors; {"waits"}, whether it only waits for programs of the user's; {"running"} with
    {"terminals"} and theirs, and whether this process is as it was before, and so may launch another ("free"), which is
    returned too. What is reported together is one turn of the monitor.
    """
    config = load(container, log)
    shares_network = types.shares_host(config.networks)
    names = namespaces.own(config, shares_network)
    preload(config)
    known = {"config": config.pairs(), "flags": namespace.flags(names), "warnings": config.warnings}
    env = hooks.environment(container, config, root_mount, log.level)
    scope = None
    if hook_scope.runs_at_start(config):
        report(known, [])  # first: what a start has made that nobody hears of is not found either
        scope = hook_scope.make(container)
        with _waiting(report, bool(config.hooks("pre-start"))):
            hooks.run("pre-start", config, env, log, scope=scope)
        known = {}
    try:
        intent = init.intend(config, env)  # may fail, and nobody is told of the cgroups before the next report
        cgroups = layout.create(config, container.name)
    except BaseException:
        report(known, [])
        raise
    plan = init.Plan(container, config, root_mount, env, names, cgroups, shares_network, intent, scope)
    with _removed_unless_heard(cgroups):
        report({**known, "cgroups": [list(cgroup) for cgroup in cgroups]}, [])
        _start(plan, report, log)
    return _is_free(config)


@contextmanager
def _waiting(report: Report, is_waiting: bool) -> Iterator[None]:
    """Programs of the user's take their time, and hardly any of the processors': another launcher may work meanwhile."""
    if is_waiting:
        report({"waits": True}, [])
    yield
    if is_waiting:
        report({"waits": False}, [])


@contextmanager
def _removed_unless_heard(cgroups: list[layout.Cgroup]) -> Iterator[None]:
    """The monitor takes away what was reported; one that has died was told in vain."""
    try:
        yield
    except ConnectionError:
        layout.kill(cgroups)
        layout.remove(cgroups)
        raise


def _start(plan: init.Plan, report: Report, log: Log) -> None:
    """Make init and bring it to its execve(2)."""
    parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with namespaces.shared(plan.config, plan.container):
        pid, pidfd, born_in_v2 = _clone(namespaces.at_clone(plan.namespaces) | libc.CLONE_PARENT, plan.cgroups)
        if pid == 0:
            parent_end.close()
            init.main(plan, born_in_v2, Exchange(child_end), log)
    child_end.close()
    plan = plan._replace(env={**plan.env, "LXC_PID": str(pid)})
    report({"init": pid}, [pidfd])
    exchange = Exchange(parent_end)
    try:
        terminals, fds = _accompany(plan, pid, pidfd, exchange, report, log)
        if plan.scope is not None:  # only of a start that succeeds: what another has begun is ended by who cleans up
            plan.scope.release()
        if plan.config.get_bool("lxc.ephemeral", False):
            ephemeral.note(plan.container)
        report({"running": True, "terminals": terminals, "free": _is_free(plan.config)}, fds)
    except BaseException as error:
        _kill(pidfd)
        # What init says went wrong is the cause; that its namespace is not there any more is only the effect.
        raise exchange.pending_error() or error from None
    parent_end.close()
    _close([pidfd, *fds])


def _is_free(config: Config) -> bool:
    """Not after programs of the user's, which may have left others behind in this session, nor after a visit to namespaces of others."""
    return not hook_scope.runs_at_start(config) and not config.prefix("lxc.namespace.share.")


def _clone(flags: int, cgroups: list[layout.Cgroup]) -> tuple[int, int, bool]:
    """clone3(2), into the cgroup of version 2 where there is one and the kernel can (Linux 5.7); whether it was is the last value."""
    for cgroup in cgroups:
        if cgroup.version == 2:
            cgroup_fd = os.open(cgroup.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return (*process.clone3(flags, cgroup_fd=cgroup_fd), True)
            except OSError:  # init enters it itself, and says what is wrong
                break
            finally:
                os.close(cgroup_fd)
    return (*process.clone3(flags), False)


def _kill(pidfd: int) -> None:
    try:
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return


def load(container: Container, log: Log) -> Config:
    """The config as start obeys it; every warning goes to the log too."""
    if not os.path.exists(container.config):
        raise NotFound(f"Container {container.name} does not exist: there is no {container.config}")
    if os.path.exists(container.partial):
        raise StepError("config", "Start", container.name, text="it is half made: its creation has not ended")
    config = parser.load(container.config)
    check_root(config, container.config)
    log.obey(config.get("lxc.log.file"), config.get("lxc.log.level"))
    config.warnings += unapplied.warnings(config)
    for warning in config.warnings:
        log.write("WARN", warning)
    return config


def check_root(config: Config, file: str) -> None:
    if not config.rootfs_path:
        raise StepError("config", "Read", file, text="lxc.rootfs.path is not set: a container must have a root of its own")


def _accompany(plan: init.Plan, pid: int, pidfd: int, exchange: Exchange, report: Report, log: Log) -> tuple[Any, list[int]]:
    """The launcher's side of the conversation with init; returns its terminals, and their descriptors."""
    config = plan.config
    # Without a network namespace of its own its interfaces would be those of whom it shares with.
    created = _links(plan, pid, report) if "net" in plan.namespaces else []
    with _waiting(report, any(network.script_up for network in config.networks)):
        _run_scripts(plan, created, log)
    exchange.send({"created": [made for made in created if made]})
    with _waiting(report, any(config.hooks(kind) for kind in ("pre-mount", "mount", "autodev"))):
        terminals, fds = exchange.receive("terminals")  # init is inside its root, and waits
    # For the hooks of its end; and with the network's namespace a pair is still there when its script.down runs.
    if config.hooks("stop") or config.hooks("post-stop") or any(network.script_down for network in config.networks):
        opened = namespace.open_all(pid, namespaces.in_order(plan.namespaces), pidfd)
        report({"namespaces": list(opened)}, list(opened.values()))
        namespace.close_all(opened)
    warnings = limits.apply(config, plan.cgroups)
    if warnings:
        report({"warnings": warnings}, [])
    if layout.kind(plan.cgroups) == layout.UNIFIED and devices.named_by_path(config):
        report({"devices": devices.wanted(config)[0]}, [])  # as they are now: who is asked for them later must not look again
    with _waiting(report, bool(config.hooks("start-host"))):
        hooks.run("start-host", config, plan.env, log, scope=plan.scope)
    _limit(config, pid)  # as late as can be: until it executes, init is a Python, which may need more
    exchange.send({"go": True})
    with _waiting(report, bool(config.hooks("start"))):
        logged = exchange.wait_for_exec()
    for level, line in logged:
        log.write(level, line)
    return terminals, fds


def _links(plan: init.Plan, pid: int, report: Report) -> list[Any]:
    """Make and report each interface; an empty list stands for a network that has none."""
    created: list[Any] = []
    for network in types.named(plan.config.networks):
        made = types.create(network, plan.container, pid)
        created.append(list(made or ()))
        if made is not None:
            report({"link": list(made)}, [])
    return created


def _run_scripts(plan: init.Plan, created: list[Any], log: Log) -> None:
    """Each network's script.up, when its interface is there."""
    for network, fields in zip(plan.config.networks, created):
        if fields or network.type == "empty":
            host_name = types.created(fields).host_name if fields else ""
            hooks.run_network("up", network, host_name, plan.config, plan.env, log, plan.scope)


def prlimits(config: Config) -> list[tuple[str, int, str]]:
    """(name, number, value) of each `lxc.prlimit.NAME = SOFT[:HARD]`. Raises StepError for a name that there is not."""
    found = [(name, getattr(resource, f"RLIMIT_{name.upper()}", -1), value) for name, value in config.prefix("lxc.prlimit.")]
    for name, number, _value in found:
        if number < 0:
            raise StepError("limits", "Set", f"lxc.prlimit.{name}", text="there is no such limit")
    return found


def _limit(config: Config, pid: int) -> None:
    """`unlimited` for no limit (setrlimit(2))."""
    for name, number, value in prlimits(config):
        soft, _colon, hard = value.partition(":")
        try:
            resource.prlimit(pid, number, (_bound(soft), _bound(hard or soft)))
        except (OSError, ValueError) as error:
            raise StepError("limits", "Set", f"lxc.prlimit.{name} = {value}", getattr(error, "errno", 0) or 0, str(error)) from error


def _bound(word: str) -> int:
    return resource.RLIM_INFINITY if word.strip() in ("unlimited", "infinity") else int(word)


def _close(fds: Any) -> None:
    for fd in fds:
        os.close(fd)
