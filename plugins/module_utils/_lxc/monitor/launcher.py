# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that the monitor forks for one container: the launcher of a start, and the one that cleans up."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from ..config import parser
from ..config.model import Config
from ..errors import LxcError, StepError
from ..kernel import sockets
from ..lifecycle import ephemeral, finish, hook_scope, start
from ..lifecycle.log import Log, level_number
from ..lifecycle.start_errors import as_lxc_error
from ..paths import Container
from ..wire import host
from . import environment
from .loop import fork
from .record import Record

_SIZE = 1 << 18
_MAX_FDS = 250


def fork_launcher(end: socket.socket, root_mount: str) -> int:
    """Fork a launcher, which takes jobs from `end` and reports there. Returns its pid."""

    def run() -> None:
        while _launch(end, root_mount):
            continue

    return fork(run, [end.fileno()], environment.restore_limits)


def job(record: Record) -> bytes:
    """What a launcher must know of a container."""
    return json.dumps({"container": record.container, "log": _log_fields(record)}).encode()


def _launch(end: socket.socket, root_mount: str) -> bool:
    """In the launcher: wait for a job and do it; whether it may take another."""
    try:
        data = end.recv(_SIZE)
    except ConnectionResetError:  # the monitor died with what was said last unread
        return False
    if not data:
        return False
    wanted = json.loads(data)
    container = Container(*wanted["container"])
    name, path, level, said = wanted["log"]
    log = Log(name, path, level, tuple(said))

    def report(message: dict[str, Any], fds: Sequence[int]) -> None:
        sockets.send_with_fds(end, json.dumps(message).encode(), list(fds))

    try:
        return start.launch(container, root_mount, report, log)
    except BaseException as error:  # the monitor must hear of it, whatever it is
        failure = as_lxc_error(error, log)
        log.write("ERROR", str(failure))
        report({"error": host.describe(failure)}, [])
        return False


def clean(record: Record, target: str, end: socket.socket, root_mount: str, without_hooks: str = "") -> int:
    """Fork the process that cleans up; it closes `end` when only the post-stop hook is left. Returns its pid.

    `without_hooks` says why it runs no program of the user's, for the log.
    """
    remains = finish.Remains(record.cgroups, record.links, record.namespaces, record.init_pid)
    pairs = record.config_pairs()
    programs = [pair for pair in pairs if _is_program(pair[0])]
    if without_hooks:
        pairs = [pair for pair in pairs if pair not in programs]

    def run() -> None:
        log = Log(*_log_fields(record))
        log.write("ERROR", without_hooks)
        try:
            config = parser.from_pairs(pairs, record.container.config)
        except LxcError as error:  # then without its hooks: what was made must go
            log.write("ERROR", str(error))
            config = Config()
        if programs:  # what those of a start that failed have begun, or of an end that was given up
            hook_scope.remove(record.container)
        finish.finish(record.container, config, root_mount, remains, target, end.close, log)
        if target == "stop" and ephemeral.is_spent(record.container):
            for problem in ephemeral.end(record.container):
                log.write("ERROR", problem)

    return fork(run, [end.fileno(), *record.namespaces.values()], environment.restore_limits)


def _is_program(key: str) -> bool:
    return key.startswith("lxc.hook.") or ".script." in key


def _log_fields(record: Record) -> tuple[str, str, int, tuple[bool, bool]]:
    path = record.log_file or record.get("lxc.log.file") or record.container.log
    said = bool(record.log_file), bool(record.log_level)
    return record.container.name, path, level_number(record.log_level or record.get("lxc.log.level")), said


def messages(ours: socket.socket) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """What has come so far, one packet a message; {"lost"} with an error for one whose descriptors there was no room for."""
    while True:
        try:
            data, fds = sockets.recv_with_fds(ours, _SIZE, _MAX_FDS)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno == errno.EMFILE:
                failure = StepError("start", "Take descriptors from", "the launcher", errno.EMFILE)
                yield {"error": host.describe(failure), "lost": True}, []
            elif error.errno != errno.ECONNRESET:
                raise
            return
        if not data:
            return
        yield json.loads(data), fds


def error(message: dict[str, Any]) -> LxcError:
    """The error of an {"error": …} message."""
    return host.restore(message["error"])


def end_group(pid: int) -> None:
    """End a forked child, which is not reaped yet, with the programs that it runs; it may not lead its group yet.

    What has left the group is in their cgroup, which whoever cleans up afterwards ends (`lifecycle.hook_scope`).
    """
    for send in (os.killpg, os.kill):
        try:
            send(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
