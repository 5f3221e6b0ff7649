# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that the monitor's keeper begins as: a service where process 1 is systemd, a daemon of our own elsewhere."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence

from . import paths
from .errors import StepError, Unsupported

START_TIMEOUT = 30.0
# The containers are outside of its unit: what ends the service, or restarts it, must not end them. A keeper that was killed has a
# successor, so its unit does not count as failed.
_SERVICE = (
    "KillMode=process",
    "SuccessExitStatus=SIGKILL",
    "Delegate=yes",
    "TasksMax=infinity",
    "OOMPolicy=continue",
    "LimitNOFILE=infinity",
    "UMask=0022",
    f"StandardOutput=append:{paths.MONITOR_LOG}",
    f"StandardError=append:{paths.MONITOR_LOG}",
    "Environment=LC_ALL=C.UTF-8",
)
_PROGRAM = (
    "import sys; sys.dont_write_bytecode = True; sys.path[:0] = [sys.argv[1]]; sys.path.append(sys.argv[2]); "
    "from _lxc.monitor import main; main.main(sys.argv[3:])"
)


def _library() -> str:
    """The directory that pyroute2 is imported from; found without importing it."""
    found = importlib.util.find_spec("pyroute2")
    if found is None or not found.submodule_search_locations:
        raise Unsupported(f"{sys.executable} has no pyroute2", "Install it there: apt install python3-pyroute2, or pip install pyroute2")
    return os.path.dirname(next(iter(found.submodule_search_locations)))


def command(directory: str, version: str) -> list[str]:
    """The monitor's program from that copy, without its last two arguments (`monitor/main.py`)."""
    digest_name = directory.rpartition("-")[2]
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, directory, _library(), digest_name, version]


def spawn(directory: str, version: str) -> None:
    """Start the monitor from the copy and wait until it says that it is ready: as a service where process 1 is systemd."""
    from .kernel import systemd

    if systemd.booted():
        os.makedirs(paths.LOG, 0o755, exist_ok=True)
        said = systemd.run_service("hostkit-lxc", "Monitor of the LXC containers", _SERVICE, [*command(directory, version), "service", "2"])
        if said:
            raise StepError("monitor", "Start", "the service hostkit-lxc", text=said, log=_log_tail(), hint=f"See {paths.MONITOR_LOG}")
    else:
        _spawn_daemon(command(directory, version))


def _spawn_daemon(words: Sequence[str]) -> None:
    read_fd, write_fd = os.pipe()
    middle = os.fork()
    if middle == 0:
        _become_monitor(words, write_fd)
    os.close(write_fd)
    with contextlib.suppress(ChildProcessError):  # where our caller has SIGCHLD ignored, the kernel has reaped it
        os.waitpid(middle, 0)
    said = _read_with_deadline(read_fd)
    os.close(read_fd)
    if said != "ready":
        text = said or "it ended without a word"
        raise StepError("monitor", "Start", "the monitor", text=text, log=_log_tail(), hint=f"See {paths.MONITOR_LOG}")


def _log_tail() -> list[str]:
    try:
        with open(paths.MONITOR_LOG, encoding="utf-8", errors="replace") as file:
            return file.read()[-4096:].splitlines()[-20:]
    except OSError:
        return []


def _read_with_deadline(read_fd: int) -> str:
    import select

    said = b""
    deadline = time.monotonic() + START_TIMEOUT
    while select.select([read_fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(read_fd, 65536)
        said += chunk
        if not chunk or said == b"ready":
            return said.decode("utf-8", "replace")
    return f"not ready after {START_TIMEOUT:g} s"


def _become_monitor(words: Sequence[str], write_fd: int) -> None:
    """In the forked child: leave the task's session, descriptors and directory behind, and execute the monitor."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _leave_session(write_fd)
        from .kernel import process

        os.execve(words[0], [*words, "start", str(write_fd)], process.CLEAN_ENVIRONMENT)
    except BaseException as error:
        os.write(write_fd, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
    finally:
        os._exit(1)


def _leave_session(write_fd: int) -> None:
    from .kernel import process

    os.chdir("/")
    os.umask(0o022)
    os.makedirs(paths.LOG, 0o755, exist_ok=True)
    null_fd = os.open("/dev/null", os.O_RDWR)
    log_fd = os.open(paths.MONITOR_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
    for fd, source in ((0, null_fd), (1, log_fd), (2, log_fd)):
        os.dup2(source, fd)
    process.close_all_but([0, 1, 2, write_fd])
    os.set_inheritable(write_fd, True)
    _enter_host_namespaces()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    process.reset_signals()


def _enter_host_namespaces() -> None:
    """A task may live in a mount namespace of its own (a unit with PrivateTmp, say): containers belong to process 1's.

    Where process 1's cannot be looked at (a sandbox), ours is the host's; the monitor says so (`monitor/environment.py`).
    """
    from .kernel import libc

    flags = {"mnt": libc.CLONE_NEWNS, "net": libc.CLONE_NEWNET, "ipc": libc.CLONE_NEWIPC, "uts": libc.CLONE_NEWUTS}
    for name, flag in {**flags, "cgroup": libc.CLONE_NEWCGROUP}.items():
        try:
            if os.readlink(f"/proc/1/ns/{name}") == os.readlink(f"/proc/self/ns/{name}"):
                continue
            namespace_fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            continue
        libc.setns(namespace_fd, flag)
        os.close(namespace_fd)
