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
import gc
import locale
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, NoReturn, Optional, TypeVar

from ..errors import StepError
from ..kernel import cgroupfs, credentials, libc, namespace, process, tty
from ..wire import host
from .attach_target import Target
from .attach_user import User, resolve

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_FOUND = 127
NOT_EXECUTABLE = 126

_Value = TypeVar("_Value")


class Plan(NamedTuple):
    """All that the joiner is made with; every descriptor is above 2. What must be found out yet comes over `order_fd`: a `Target`."""

    argv: list[str]
    user: Optional[str]
    group: Optional[str]
    chdir: Optional[str]
    environment: Mapping[str, str]
    host_environment: Mapping[str, str]
    keep_environment: bool
    order: socket.socket
    streams: tuple[int, int, int]
    pty: bool
    status_fd: int
    signals: AbstractSet[int]
    born_fd: int = -1
    join_fds: Sequence[int] = ()

    def fds(self) -> list[int]:
        return [self.order.fileno(), self.born_fd, *self.join_fds, *self.streams, self.status_fd]


def fork(plan: Plan) -> int:
    """Make the joiner; returns its pid. No handler of the caller's runs in it: what is caught stays blocked until it is not any more."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number for number in plan.signals if number not in process.LIBRARY_SIGNALS])
    try:
        pid, born = process.fork(plan.born_fd)
        if pid == 0:
            joiner(plan, born)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def joiner(plan: Plan, born: bool) -> NoReturn:
    """Never returns and never raises: what went wrong goes to the status pipe. `born` is in the cgroup of `born_fd` already."""
    gc.disable()  # a collection would write to, and so copy, all that this process has
    try:
        _join(plan if born or plan.born_fd < 0 else plan._replace(join_fds=[plan.born_fd, *plan.join_fds]))
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
        _step("Join", "a cgroup of the container", cgroupfs.join, fd)
    _step("Clear", "the inheritable capabilities", credentials.clear_inheritable)
    _step("Clear", "the ambient capabilities", credentials.clear_ambient)
    argv = [os.fsencode(word) for word in plan.argv]
    target = _step("Read", "what is to be joined", Target.receive, plan.order)
    if target is None:  # whoever made us has given up
        os._exit(1)
    user = resolve(target.root_fd, plan.user, plan.group)
    environment = _environment(plan, target.environment, user)
    commands = _candidates(plan.argv[0], environment)
    directories = [os.fsencode(path) for path in ([plan.chdir] if plan.chdir else [user.home, "/"])]
    encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    _enter(target)
    _become(plan, target, user)
    _change_directory(directories)
    _launch(plan, commands, argv, encoded)


def _shed(plan: Plan) -> None:
    """Nothing of the caller's remains: signals, locale (its catalogues are files), descriptors, session keyring."""
    process.reset_signals(plan.signals)
    process.set_dumpable(False)
    locale.setlocale(locale.LC_ALL, "C")
    for number, fd in enumerate(plan.streams):
        os.dup2(fd, number)
    process.close_all_but([0, 1, 2, *(fd for fd in plan.fds() if fd not in plan.streams)])
    credentials.new_session_keyring()
    os.umask(0o022)


def _environment(plan: Plan, config: list[str], user: User) -> dict[str, str]:
    """What a login would have, then the config's, then what was asked for."""
    env = dict(plan.host_environment) if plan.keep_environment else {}
    env.update({"PATH": PATH, "HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": user.shell})
    if plan.pty:
        env["TERM"] = plan.host_environment.get("TERM") or "xterm"
    for item in config:
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


def _enter(target: Target) -> None:
    """The bounding set goes when the user namespace is ours, and before /proc is the container's: it is looked at for it."""
    others = [(name, fd) for name, fd in target.namespaces if name != "mnt"]
    for name, fd in others:
        _step("Join", f"the container's {name} namespace", libc.setns, fd, namespace.FLAGS[name])
    if target.bounding is not None:
        _step("Drop", "capabilities", credentials.limit_bounding, target.bounding)
    for name, fd in target.namespaces[len(others) :]:
        _step("Join", f"the container's {name} namespace", libc.setns, fd, namespace.FLAGS[name])
    if target.joins_mnt:
        _step("Enter", "the container's root", os.fchdir, target.root_fd)
        _step("Enter", "the container's root", os.chroot, ".")
    os.close(target.root_fd)


def _become(plan: Plan, target: Target, user: User) -> None:
    for fd in (0, 1, 2):  # else /dev/stdout cannot be opened by who is not root
        _step("Give", "the standard streams to the user", os.fchown, fd, user.uid, -1 if plan.pty else user.gid)
    if target.persona is not None:
        _step("Set", "the personality", libc.personality, target.persona)
    _step("Become", f"user {user.uid}, group {user.gid}", credentials.set_ids, user.uid, user.gid, list(user.groups))
    process.set_dumpable(False)
    if target.no_new_privs:
        _step("Set", "no_new_privs", process.set_no_new_privs)


def _change_directory(candidates: list[bytes]) -> None:
    """The first that is there."""
    for number, path in enumerate(candidates, 1):
        try:
            process.enter_directory(path)
            return
        except OSError as error:
            if number == len(candidates):
                raise StepError.from_os("attach", "Enter directory", os.fsdecode(path), error) from None


def _launch(plan: Plan, commands: list[bytes], argv: list[bytes], environment: Mapping[bytes, bytes]) -> None:
    """Until the command's program runs we are held (CLONE_VFORK), and so it need not wait for a second processor."""
    process.close_all_but([0, 1, 2, plan.status_fd])
    pid, pidfd = _step("Fork", "the command's process", process.clone3, libc.CLONE_PARENT | libc.CLONE_VFORK, 0, -1, True)
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
