# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs between the caller and the command: the joiner, the caller's child in the host's pid namespace, then the command's process.

The joiner does everything that can be done before there is a process that the container can see: it closes what it does not need, reads
the user, joins cgroups and namespaces, gives up rights. Then it makes the command's process as a child of the caller's (CLONE_PARENT),
with nothing left to do but exec. From the mount namespace on nothing is imported, looked up or decoded: it would be the container's.
"""

from __future__ import annotations

import errno
import locale
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, Optional, TypeVar

from ..errors import StepError
from ..kernel import credentials, libc, namespace, process, tty
from ..wire import host
from .attach_user import User, resolve

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_FOUND = 127
NOT_EXECUTABLE = 126

NAMESPACES = tuple(namespace.FLAGS)  # in the order of joining: user first, for the rights in it, mnt last, for what is read meanwhile

_Value = TypeVar("_Value")


class Plan(NamedTuple):
    """All that the joiner needs; every descriptor is above 2."""

    argv: list[str]
    user: Optional[str]
    group: Optional[str]
    chdir: Optional[str]
    environment: Mapping[str, str]
    config_environment: list[str]
    host_environment: Mapping[str, str]
    keep_environment: bool
    root_fd: int
    enter_root: bool
    namespaces: list[tuple[str, int]]
    join_fds: list[int]
    bounding: Optional[int]
    no_new_privs: bool
    persona: Optional[int]
    streams: tuple[int, int, int]
    pty: bool
    status_fd: int

    def fds(self) -> list[int]:
        return [self.root_fd, *(fd for _name, fd in self.namespaces), *self.join_fds, *self.streams, self.status_fd]


def joiner(plan: Plan) -> NoReturn:
    """Never returns and never raises: what went wrong goes to the status pipe."""
    try:
        _join(plan)
        os._exit(0)
    except BaseException as error:  # a traceback would read source files, the container's
        _report(plan.status_fd, host.failure(error))
    os._exit(1)


def _report(status_fd: int, message: Mapping[str, object]) -> None:
    try:
        os.write(status_fd, host.encode(message))
    except OSError:
        os._exit(1)


def _step(action: str, object: str, function: Callable[..., _Value], *args: Any) -> _Value:
    try:
        return function(*args)
    except OSError as error:
        raise StepError.from_os("attach", action, object, error) from None


def _join(plan: Plan) -> None:
    _shed(plan)
    for fd in plan.join_fds:
        _step("Join", "a cgroup of the container", os.write, fd, b"0")
    user = resolve(plan.root_fd, plan.user, plan.group)
    environment = _environment(plan, user)
    commands = _candidates(plan.argv[0], environment)
    argv = [os.fsencode(word) for word in plan.argv]
    directories = [os.fsencode(path) for path in ([plan.chdir] if plan.chdir else [user.home, "/"])]
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    _step("Clear", "the inheritable capabilities", credentials.clear_inheritable)
    _step("Clear", "the ambient capabilities", credentials.clear_ambient)
    _enter(plan)
    _become(plan, user)
    _change_directory(directories)
    _launch(plan, commands, argv, encoded)


def _shed(plan: Plan) -> None:
    """Nothing of the caller's remains: signals, locale (its catalogues are files), descriptors, session keyring."""
    process.reset_signals()
    process.set_dumpable(False)
    locale.setlocale(locale.LC_ALL, "C")
    for number, fd in enumerate(plan.streams):
        os.dup2(fd, number)
    process.close_all_but([0, 1, 2, *(fd for fd in plan.fds() if fd not in plan.streams)])
    credentials.new_session_keyring()
    os.umask(0o022)


def _environment(plan: Plan, user: User) -> dict[str, str]:
    """What a login would have, then the config's, then what was asked for."""
    env = dict(plan.host_environment) if plan.keep_environment else {}
    env.update({"PATH": PATH, "HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": user.shell})
    if plan.pty:
        env["TERM"] = plan.host_environment.get("TERM") or "xterm"
    for item in plan.config_environment:
        name, equals, value = item.partition("=")
        if equals:
            env[name] = value
        elif name in plan.host_environment:
            env[name] = plan.host_environment[name]
    env.update(plan.environment)
    env["container"] = "lxc"
    return env


def _candidates(command: str, environment: Mapping[str, str]) -> list[bytes]:
    """The files to try, as execvp(3) does."""
    if "/" in command:
        return [os.fsencode(command)]
    return [os.fsencode(f"{directory or '.'}/{command}") for directory in environment.get("PATH", PATH).split(":")]


def _enter(plan: Plan) -> None:
    """The bounding set goes when the user namespace is ours, and before /proc is the container's: it is looked at for it."""
    others = [(name, fd) for name, fd in plan.namespaces if name != "mnt"]
    for name, fd in others:
        _step("Join", f"the container's {name} namespace", libc.setns, fd, namespace.FLAGS[name])
    if plan.bounding is not None:
        lost = credentials.bounding() & ~plan.bounding
        _step("Drop", "capabilities", credentials.drop_bounding, [number for number in range(64) if lost >> number & 1])
    for name, fd in plan.namespaces[len(others) :]:
        _step("Join", f"the container's {name} namespace", libc.setns, fd, namespace.FLAGS[name])
    if plan.enter_root:
        _step("Enter", "the container's root", os.fchdir, plan.root_fd)
        _step("Enter", "the container's root", os.chroot, ".")
    os.close(plan.root_fd)


def _become(plan: Plan, user: User) -> None:
    for fd in (0, 1, 2):  # else /dev/stdout cannot be opened by who is not root
        _step("Give", "the standard streams to the user", os.fchown, fd, user.uid, -1 if plan.pty else user.gid)
    if plan.persona is not None:
        _step("Set", "the personality", libc.personality, plan.persona)
    _step("Become", f"user {user.uid}, group {user.gid}", credentials.set_ids, user.uid, user.gid, list(user.groups))
    process.set_dumpable(False)
    if plan.no_new_privs:
        _step("Set", "no_new_privs", process.set_no_new_privs)


def _change_directory(candidates: list[bytes]) -> None:
    """The first that is there; getcwd(2) fails for one that is not below the root (CVE-2024-21626)."""
    for number, path in enumerate(candidates, 1):
        try:
            os.chdir(path)
            os.getcwdb()
            return
        except OSError as error:
            if number == len(candidates):
                raise StepError.from_os("attach", "Enter directory", os.fsdecode(path), error) from None


def _launch(plan: Plan, commands: list[bytes], argv: list[bytes], environment: Mapping[bytes, bytes]) -> None:
    process.close_all_but([0, 1, 2, plan.status_fd])
    pid, pidfd = _step("Fork", "the command's process", process.clone3, libc.CLONE_PARENT)
    if pid:
        _report(plan.status_fd, {"pid": pid})
        os.close(pidfd)
        return
    try:
        _execute(plan, commands, argv, environment)
    except BaseException as error:
        _report(plan.status_fd, host.failure(error))
    os._exit(NOT_EXECUTABLE)


def _execute(plan: Plan, commands: list[bytes], argv: list[bytes], environment: Mapping[bytes, bytes]) -> NoReturn:
    os.setsid()
    if plan.pty:
        tty.make_controlling(0)
    process.set_parent_death_signal(signal.SIGKILL)
    problem = errno.ENOENT
    for command in commands:
        try:
            os.execve(command, argv, environment)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                problem = error.errno or errno.EACCES
    code = NOT_FOUND if problem == errno.ENOENT else NOT_EXECUTABLE
    _report(plan.status_fd, {"exit": code, "errno": problem})
    os._exit(code)
