# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a forked child that has a mount namespace of its own: what it mounts is gone with it, also when it is killed.

It is killed when we are. Its failure comes back as the error that it was.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

from ..errors import LxcError, StepError
from ..kernel import command, inodeflags, libc, mount, process

# What a copy loads, before there is a child: one that finds a module which another thread was loading waits for that thread for ever.
_LOADED = (command, inodeflags)


def apart(act: Callable[[], object]) -> None:
    """Do it there. What it says of a failure fits into a pipe (64 KiB), as the last lines of a log do."""
    read_fd, write_fd = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(act, write_fd, parent)
    os.close(write_fd)
    _pid, status = os.waitpid(pid, 0)
    os.set_blocking(read_fd, False)  # a child of another thread may have the other end
    with os.fdopen(read_fd, "rb") as file:
        said = file.read()
    if said:
        _raise(json.loads(said))
    if status:
        raise StepError("clone", "Run", "a process of its own", text=f"it ended with status {os.waitstatus_to_exitcode(status)}")


def _child(act: Callable[[], object], write_fd: int, parent: int) -> None:
    try:
        process.set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        libc.unshare(libc.CLONE_NEWNS)
        mount.set_attr("/", propagation=libc.MS_SLAVE, recursive=True)
        act()
        os._exit(0)
    except BaseException as error:
        os.write(write_fd, json.dumps(_details(error)).encode())
    finally:
        os._exit(1)


def _details(error: BaseException) -> dict[str, object]:
    if isinstance(error, OSError):
        error = StepError.from_os("clone", "Use", str(error.filename or "the root filesystem"), error)
    if isinstance(error, StepError):
        return error.details()
    if isinstance(error, LxcError):
        return {"message": error.message, "hint": error.hint}
    return {"message": f"{type(error).__name__}: {error}", "hint": ""}


def _raise(details: dict[str, object]) -> None:
    if "message" in details:
        raise LxcError(str(details["message"]), str(details["hint"]))
    raise StepError.from_details(details)
