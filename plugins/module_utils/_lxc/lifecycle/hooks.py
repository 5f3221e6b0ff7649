# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: the programs that a config names for the moments of a container's life, called as LXC calls them.

Arguments and environment: lxc.container.conf(5), CONTAINER HOOKS. A hook runs through `/bin/sh -c`; what it prints goes
to the log at DEBUG. One that fails before RUNNING aborts the start; one after the stop is only logged.
"""

from __future__ import annotations

import os
import select
import shlex
from collections.abc import Mapping, Sequence
from typing import Optional

from ..config.model import Config, Network
from ..errors import StepError
from ..kernel import cgroupfs, process
from ..paths import Container
from .attach_scope import Scope
from .log import LEVELS, Log

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(container: Container, config: Config, root_mount: str, log_level: int) -> dict[str, str]:
    """What every hook of this container gets; the level is the one that holds, whoever has said so."""
    wanted = {
        "PATH": PATH,
        "LXC_NAME": container.name,
        "LXC_CONFIG_FILE": container.config,
        "LXC_ROOTFS_MOUNT": root_mount,
        "LXC_ROOTFS_PATH": _without_store(config.rootfs_path),
        "LXC_CONSOLE": config.get("lxc.console.path"),
        "LXC_CONSOLE_LOGPATH": config.get("lxc.console.logfile"),
        "LXC_LOG_LEVEL": LEVELS[log_level],
        "LXC_HOOK_VERSION": str(config.get_int("lxc.hook.version", 0)),
        "LXC_CGNS_AWARE": "1",
    }
    return {key: value for key, value in wanted.items() if value}


def _without_store(rootfs_path: str) -> str:
    """LXC keeps the word before the first colon (dir, overlay, ...) for itself."""
    return rootfs_path if rootfs_path.startswith("/") else rootfs_path.partition(":")[2]


def run(kind: str, config: Config, env: Mapping[str, str], log: Log, arguments: Sequence[str] = (), scope: Optional[Scope] = None) -> None:
    """Run every `lxc.hook.KIND` in order, in `scope`; the first that fails is a StepError with what it printed."""
    is_new_style = config.get_int("lxc.hook.version", 0) == 1
    for hook in config.hooks(kind):
        words = [] if is_new_style else [env["LXC_NAME"], "lxc", kind, *arguments]
        _run(hook, f"lxc.hook.{kind}", words, {"LXC_HOOK_TYPE": kind, "LXC_HOOK_SECTION": "lxc"}, config, env, log, scope)


def run_network(
    direction: str, network: Network, host_name: str, config: Config, env: Mapping[str, str], log: Log, scope: Optional[Scope]
) -> None:
    """Run `lxc.net.N.script.up` or `.down`, in the host's network namespace and in `scope`."""
    more = {"LXC_HOOK_TYPE": direction, "LXC_HOOK_SECTION": "net", "LXC_NET_TYPE": network.type, "LXC_NET_PARENT": network.link}
    if network.type == "veth":
        more["LXC_NET_PEER"] = host_name
    words = [network.type, *filter(None, [network.link, host_name])]
    if config.get_int("lxc.hook.version", 0) == 0:
        words = [env["LXC_NAME"], "net", direction, *words]
    for script in network.script_up if direction == "up" else network.script_down:
        _run(script, f"lxc.net.{network.index}.script.{direction}", words, more, config, env, log, scope)


def _run(
    script: str,
    key: str,
    words: Sequence[str],
    more: Mapping[str, str],
    config: Config,
    env: Mapping[str, str],
    log: Log,
    scope: Optional[Scope],
) -> None:
    new_style = config.get_int("lxc.hook.version", 0) == 1
    command = " ".join(["exec", script, *map(shlex.quote, words)])
    log.write("INFO", f"Run {key}: {script}")
    status, output = _shell(command, {**env, **(more if new_style else {})}, scope)
    log.write("DEBUG", output)
    if status:
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise StepError("hook", "Run", f"{key} = {script}", text=how, log=[line[:500] for line in output.splitlines()[-20:]])


def _shell(command: str, env: Mapping[str, str], scope: Optional[Scope]) -> tuple[int, str]:
    """Fork, so that nothing is imported: a start hook runs inside the container. (exit code or -signal, output)."""
    read_fd, write_fd = os.pipe()
    pid, join_fd = _fork(scope)
    if pid == 0:
        _exec(command, env, write_fd, join_fd)
    os.close(write_fd)
    output = _read_until_end(read_fd, pid)
    os.close(read_fd)
    _pid, status = os.waitpid(pid, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return code, output[-65536:].decode("utf-8", "backslashreplace")


def _fork(scope: Optional[Scope]) -> tuple[int, int]:
    """The child's pid, and the cgroup that it has to enter by itself; -1 for none, or where it was born there."""
    if scope is None or not scope.v2:
        return os.fork(), scope.fd if scope else -1
    try:
        pid, is_inside = process.fork(scope.fd)
    except OSError:  # a cgroup that takes nobody in: its process group holds the program all the same
        return os.fork(), -1
    return pid, -1 if is_inside else scope.fd


def _read_until_end(read_fd: int, pid: int) -> bytes:
    """Until the hook itself has ended: what it left running in the background may keep the pipe open for ever."""
    pidfd = process.pidfd_open(pid)
    os.set_blocking(read_fd, False)
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    output, ended, open_end = b"", False, True
    while open_end and not ended:
        ended = any(fd == pidfd for fd, _event in poll.poll())
        try:
            while True:
                chunk = os.read(read_fd, 65536)
                output = (output + chunk)[-2 * 65536 :]
                if not chunk:
                    open_end = False
                    break
        except BlockingIOError:
            continue
    os.close(pidfd)
    return output


def _exec(command: str, env: Mapping[str, str], write_fd: int, join_fd: int) -> None:
    try:
        if join_fd >= 0:
            cgroupfs.join(join_fd)
        process.reset_signals()
        empty_fd, other_fd = os.pipe()  # /dev/null would be the container's own for a start hook: a FIFO, say, whose open waits for ever
        os.close(other_fd)
        os.dup2(empty_fd, 0)
        os.dup2(write_fd, 1)
        os.dup2(write_fd, 2)
        process.close_range(3)
        os.umask(0o022)
        os.execve("/bin/sh", ["/bin/sh", "-c", command], dict(env))
    except OSError as error:
        os.write(write_fd, f"/bin/sh: {error.strerror}\n".encode())
    finally:
        os._exit(127)
