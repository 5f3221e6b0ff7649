# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a container: init's half, run as process 1 of the new namespaces until it becomes the container's init.

It begins with the host's file system in view and ends without any of it. From `pivot` on nothing is imported, no user is
looked up and no codec is loaded: Python would load the container's files with the host's rights.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import NamedTuple, NoReturn, Optional

from ..cgroup import layout
from ..config.model import Config
from ..errors import StepError
from ..kernel import credentials, libc, process
from ..network import types
from ..paths import Container
from ..rootfs import autodev, automounts, console, kernelvalues, mounts, pivot
from ..security import capabilities
from ..storage import backends
from . import clocks, hooks
from .attach_scope import Scope
from .exchange import Exchange
from .log import Log
from .start_errors import as_lxc_error

_PER_LINUX, _PER_LINUX32 = 0, 8
_ARCH_32 = ("arm armel armhf armv7 armv7l athlon i386 i486 i586 i686 linux32 mips mipsel powerpc ppc x86").split()


class Intent(NamedTuple):
    """What init will be. Worked out by the launcher, where the host's /proc can be read, and whose pages need not be copied for it."""

    dropped: list[int]
    uid: int
    gid: int
    groups: list[int]
    arguments: list[str]
    environment: dict[str, str]


class Plan(NamedTuple):
    """What the launcher knows when it makes init."""

    container: Container
    config: Config
    root_mount: str
    env: Mapping[str, str]
    namespaces: set[str]
    cgroups: list[layout.Cgroup]
    shares_network: bool
    intent: Intent
    scope: Optional[Scope]


def intend(config: Config, env: Mapping[str, str]) -> Intent:
    """Raises LxcError for what contradicts itself."""
    groups = [int(group) for group in config.get_list("lxc.init.groups")]
    uid, gid = config.get_int("lxc.init.uid", 0), config.get_int("lxc.init.gid", 0)
    return Intent(capabilities.dropped(config), uid, gid, groups, _command(config), _environment(config, env))


def main(plan: Plan, born_in_v2: bool, exchange: Exchange, log: Log) -> NoReturn:
    """Never returns: execve(2), or the error to the launcher and exit status 1."""
    try:
        process.close_all_but([0, 1, 2, exchange.end.fileno()])
        process.set_dumpable(False)  # until execve(2): our /proc/PID/root and exe are the host's (CVE-2016-9962, CVE-2019-5736)
        os.setsid()
        os.umask(0)
        layout.enter(plan.cgroups, born_in_v2)
        plan = plan._replace(env={**_named(plan.config, plan.env), **plan.env})  # as in LXC, for the hooks that are run here
        terminals = _build(plan, exchange, log)
        _become(plan, exchange, terminals, log)
    except BaseException as error:  # whatever it is, the launcher must hear of it, and nothing may return into its code
        exchange.send_error(as_lxc_error(error, log))
    finally:
        os._exit(1)


def _build(plan: Plan, exchange: Exchange, log: Log) -> console.Terminals:
    """Everything up to the new root; returns its terminals."""
    config = plan.config
    clocks.enter(config)
    pivot.make_private()
    hooks.run("pre-mount", config, plan.env, log)
    root_fd = _mount_root(plan)
    if config.uts_name and "uts" in plan.namespaces:
        socket.sethostname(config.uts_name)
    if autodev.enabled(config):
        autodev.mount_dev(config, root_fd)
    automounts.mount_proc_and_sys(config, root_fd, plan.shares_network)
    _note(mounts.mount_all(mounts.entries(config), root_fd, [plan.root_mount, backends.directory(config.rootfs_path)]), log)
    _enter_cgroup_namespace(plan, root_fd)
    # The launcher makes the interfaces meanwhile. Who may look at them has them; else they are waited for when all else is done.
    is_looked_at = bool(config.hooks("mount") or config.hooks("autodev"))
    if is_looked_at:
        _network(plan, exchange)
    hooks.run("mount", config, plan.env, log)
    if autodev.enabled(config):
        hooks.run("autodev", config, plan.env, log)
        autodev.populate(root_fd)
    terminals = console.set_up(config, root_fd)
    if not is_looked_at:
        _network(plan, exchange)
    kernelvalues.write_all(config)
    log.hold()
    pivot.pivot(root_fd)
    os.close(root_fd)
    return terminals


def _network(plan: Plan, exchange: Exchange) -> None:
    created, _fds = exchange.receive("created")
    types.configure_all(plan.config.networks, created, "net" in plan.namespaces)


def _note(warnings: list[str], log: Log) -> None:
    for warning in warnings:
        log.write("WARN", warning)


def _mount_root(plan: Plan) -> int:
    try:
        backends.for_rootfs(plan.config.rootfs_path).mount(plan.root_mount, plan.config.get("lxc.rootfs.options"))
        return os.open(plan.root_mount, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StepError.from_os("mount", "Mount lxc.rootfs.path", plan.config.rootfs_path, error) from error


def _enter_cgroup_namespace(plan: Plan, root_fd: int) -> None:
    """What we are in becomes the root that the container sees (cgroup_namespaces(7))."""
    if "cgroup" in plan.namespaces:
        libc.unshare(libc.CLONE_NEWCGROUP)
    names = [(",".join(cgroup.controllers), cgroup.version) for cgroup in plan.cgroups]
    keeps = capabilities.number("sys_admin") not in plan.intent.dropped
    automounts.mount_cgroups(plan.config, root_fd, "cgroup" in plan.namespaces, keeps, names)


def _become(plan: Plan, exchange: Exchange, terminals: console.Terminals, log: Log) -> None:
    """Take on what init runs with, and execute it. Inside the container from here on.

    Signals are as a new program expects them: they were reset for the launcher, and nobody has set any since.
    """
    config, intent = plan.config, plan.intent
    masters = [fd for fd in (terminals.console_fd, *terminals.tty_fds) if fd >= 0]
    exchange.send({"terminals": {"console": terminals.console_fd >= 0}}, [terminals.devpts_fd, *masters])
    for fd in (terminals.devpts_fd, *masters):
        os.close(fd)
    exchange.receive("go")
    _persona(config)
    _terminal(terminals.console_peer_fd)
    credentials.new_session_keyring()
    credentials.drop_bounding(intent.dropped)
    credentials.clear_ambient()
    credentials.clear_inheritable()
    if config.get_bool("lxc.no_new_privs"):
        process.set_no_new_privs()
    # The hook's program is the container's: as in LXC it gets no more than init itself.
    hooks.run("start", config, plan.env, log)
    _directory(config)
    if (intent.uid, intent.gid, intent.groups) != (0, 0, []):
        credentials.set_ids(intent.uid, intent.gid, intent.groups)
    os.umask(0o022)
    exchange.send({"executing": True, "log": log.put_off()})
    try:
        os.execve(intent.arguments[0], intent.arguments, intent.environment)
    except OSError as error:
        raise StepError.from_os("exec", "Execute", " ".join(intent.arguments), error) from error


def _command(config: Config) -> list[str]:
    """`lxc.init.cmd` is split on blanks, as LXC does; /sbin/init is the default."""
    return config.get("lxc.init.cmd").split() or ["/sbin/init"]


def _environment(config: Config, host: Mapping[str, str]) -> dict[str, str]:
    """init starts with nothing of the host's but what the config names; a name alone takes the host's value."""
    env = {"container": "lxc", "container_ttys": " ".join(f"/dev/tty{n}" for n in range(1, config.get_int("lxc.tty.max", 0) + 1))}
    env.update(_named(config, host))
    return {name: value for name, value in env.items() if value or name != "container_ttys"}


def _named(config: Config, host: Mapping[str, str]) -> dict[str, str]:
    named = {}
    for item in config.get_list("lxc.environment"):
        name, equals, value = item.partition("=")
        if equals:
            named[name] = value
        elif name in host:
            named[name] = host[name]
    return named


def _persona(config: Config) -> None:
    """personality(2): a 32-bit `lxc.arch` makes uname(2) say so."""
    if config.get("lxc.arch"):
        libc.personality(_PER_LINUX32 if config.get("lxc.arch") in _ARCH_32 else _PER_LINUX)


def _directory(config: Config) -> None:
    directory = config.get("lxc.init.cwd")
    if directory:
        try:
            process.enter_directory(directory)
        except OSError as error:
            raise StepError.from_os("exec", "Enter lxc.init.cwd", directory, error) from error


def _terminal(terminal_fd: int) -> None:
    """The console becomes the three standard streams; without one all are /dev/null, as the first: the others are the monitor's log."""
    for fd in (0, 1, 2):
        os.dup2(terminal_fd if terminal_fd >= 0 else 0, fd)
    if terminal_fd > 2:
        os.close(terminal_fd)
