# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a running container, whoever started it.

The module's own process stays outside: it asks the monitor for what there is to join, forks a joiner (attach_child), and talks to the
command through pipes or, when asked, a pty of its own; a terminal that the caller sits at never gets inside (CVE-2016-10124).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ..errors import BadValue, LxcError, StepError
from ..paths import Container
from ..wire import client
from ..wire.protocol import NotRunning
from . import attach_child, attach_kill, attach_scope, attach_stream
from .attach_kill import Tree
from .attach_scope import Scope
from .attach_signals import Signals
from .attach_stream import Conversation, Streams
from .attach_target import Target, find


class AttachRequest(NamedTuple):
    """`namespaces` None is all that differ from ours; `elevated` keeps the caller's cgroups and capabilities; `user` None is root.

    `chdir` None is the user's home, or / where there is none. `timeout` in seconds ends the command with all that it began.
    """

    argv: list[str]
    stdin: Optional[bytes] = None
    namespaces: Optional[list[str]] = None
    elevated: bool = False
    user: Optional[str] = None
    group: Optional[str] = None
    chdir: Optional[str] = None
    environment: Mapping[str, str] = {}
    keep_environment: bool = False
    timeout: Optional[float] = None
    pty: bool = False
    rows: int = 24
    cols: int = 80


class AttachResult(NamedTuple):
    """`rc` is the command's, 128 + n when signal n ended it, 127 not found, 126 not executable; with a pty all output is in `stdout`."""

    rc: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False


def attach(container: Container, request: AttachRequest) -> AttachResult:
    """Run it and wait for it. Raises BadValue, NotRunning, NotFound (user or group) and StepError before anything of it has run."""
    _check(request)
    target = find(container, request.namespaces, request.elevated)
    try:
        return _converse(container, request, target)
    finally:
        target.close()


def _check(request: AttachRequest) -> None:
    if not request.argv or not request.argv[0]:
        raise BadValue("argv", request.argv, "a command and its arguments")
    texts = [("argv", word) for word in request.argv] + [("chdir", request.chdir or "")]
    texts += [("environment", name + value) for name, value in request.environment.items()]
    for option, text in texts:
        if "\0" in text:
            raise BadValue(option, text, "a text without NUL")
    for name in request.environment:
        if not name or "=" in name:
            raise BadValue("environment", name, "names without =")
    for name in request.namespaces or []:
        if name not in attach_child.NAMESPACES:
            raise BadValue("namespaces", name, "some of " + " ".join(sorted(attach_child.NAMESPACES)))


def _converse(container: Container, request: AttachRequest, target: Target) -> AttachResult:
    streams = _streams(container, request)
    with Signals(window=request.pty) as signals:
        conversation = _begin(request, target, streams)
        try:
            conversation.run(request.timeout, signals)
        finally:
            conversation.close()
    if conversation.error and not conversation.timed_out:
        raise _named(conversation.error, container)
    return _result(request, conversation)


def _named(error: Exception, container: Container) -> Exception:
    if isinstance(error, LxcError) and not error.hint:
        error.hint = f"While attaching to {container.name} in {container.lxc_path}"
    return error


def _streams(container: Container, request: AttachRequest) -> Streams:
    if not request.pty:
        return attach_stream.pipes()
    devpts_fd = _devpts(container) if request.namespaces is None or "mnt" in request.namespaces else None
    try:
        return attach_stream.terminal(devpts_fd, request.rows, request.cols)
    except OSError as error:
        raise StepError.from_os("attach", "Open", "a pty", error) from None
    finally:
        if devpts_fd is not None:
            os.close(devpts_fd)


def _devpts(container: Container) -> Optional[int]:
    """A monitor that is too old, or a container without devpts: the host's will do."""
    try:
        return client.devpts_fd(container)
    except (client.Refused, NotRunning):
        return None


def _begin(request: AttachRequest, target: Target, streams: Streams) -> Conversation:
    """Fork the joiner; its ends of everything are closed here at once."""
    status_read, status_write = attach_stream.pipe()
    inner = {status_write, *streams.inner}
    try:
        scope, join_fds = _scope(request, target)
        inner.update(join_fds)
        plan = _plan(request, target, streams, join_fds, status_write)
        others = attach_kill.children() if scope is None else set()
        pid = os.fork()
        if pid == 0:
            attach_child.joiner(plan)
    except OSError as error:
        client.close({status_read, streams.stdin_fd, streams.stdout_fd, streams.stderr_fd} - {-1})
        raise StepError.from_os("attach", "Prepare", str(error.filename or "the cgroup"), error) from None
    finally:
        client.close(inner)
    return Conversation(streams, status_read, pid, request.stdin or b"", Tree(scope, others))


def _scope(request: AttachRequest, target: Target) -> tuple[Optional[Scope], list[int]]:
    if not request.elevated:
        return attach_scope.within(target.cgroup_fds)
    scope = attach_scope.beside_caller()
    return scope, [os.dup(scope.procs_fd)] if scope else []


def _plan(request: AttachRequest, target: Target, streams: Streams, join_fds: list[int], status_fd: int) -> attach_child.Plan:
    return attach_child.Plan(
        argv=request.argv,
        user=request.user,
        group=request.group,
        chdir=request.chdir,
        environment=request.environment,
        config_environment=target.environment,
        host_environment=dict(os.environ),
        keep_environment=request.keep_environment,
        root_fd=target.root_fd,
        enter_root=target.joins_mnt,
        namespaces=target.namespaces,
        join_fds=join_fds,
        bounding=target.bounding,
        no_new_privs=target.no_new_privs,
        persona=target.persona,
        streams=streams.inner,
        pty=streams.pty,
        status_fd=status_fd,
    )


def _result(request: AttachRequest, conversation: Conversation) -> AttachResult:
    stdout, stderr = (bytes(conversation.output.get(fd, b"")) for fd in conversation.collected)
    rc = conversation.rc if conversation.rc is not None else 137
    if conversation.refusal:
        rc, number = conversation.refusal
        stderr += f"{request.argv[0]}: {os.strerror(number)}\n".encode("utf-8", "surrogateescape")
    return AttachResult(rc, stdout, stderr, conversation.timed_out)
