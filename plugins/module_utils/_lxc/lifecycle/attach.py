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
from ..kernel import namespace, process
from ..paths import Container
from ..wire import client
from . import attach_child, attach_kill, attach_scope, attach_stream
from .attach_kill import Tree
from .attach_scope import Entry, Scope
from .attach_signals import CAUGHT, Signals
from .attach_stream import Channels, Conversation, Streams
from .attach_target import Inquiry


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
    reaches_devpts = request.namespaces is None or "mnt" in request.namespaces
    with Inquiry(container, request.namespaces, request.elevated, request.pty and reaches_devpts) as inquiry:
        # All that can be done before the first answers is done before they are waited for.
        channels = Channels(_streams(request, inquiry))
        try:
            plan = _plan(request, channels)
            inquiry.check_state()
            cgroup_fds = inquiry.cgroup_fds()
            try:
                return _converse(request, inquiry, channels, plan, cgroup_fds)
            finally:
                client.close(cgroup_fds)
        finally:
            channels.close()


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
        if name not in namespace.FLAGS:
            raise BadValue("namespaces", name, "some of " + " ".join(sorted(namespace.FLAGS)))


def _converse(request: AttachRequest, inquiry: Inquiry, channels: Channels, plan: attach_child.Plan, cgroup_fds: list[int]) -> AttachResult:
    with Signals(window=request.pty) as signals:
        conversation = Conversation(channels, request.stdin or b"", *_begin(request, plan, cgroup_fds))
        try:
            channels.close_inner()
            _direct(conversation, channels, inquiry)
            conversation.run(request.timeout, signals)
        finally:
            conversation.close()
    if conversation.error and not conversation.timed_out:
        raise _named(conversation.error, inquiry.container)
    return _result(request, conversation)


def _direct(conversation: Conversation, channels: Channels, inquiry: Inquiry) -> None:
    """Tell the joiner what to join, which is found out while it gets ready."""
    try:
        target = inquiry.target()
        try:
            target.send(channels.order)
        finally:
            target.close()
    except (BrokenPipeError, ConnectionResetError):  # it has failed, and the conversation says why
        return
    except BaseException:
        conversation.end()
        raise


def _named(error: Exception, container: Container) -> Exception:
    if isinstance(error, LxcError) and not error.hint:
        error.hint = f"While attaching to {container.name} in {container.lxc_path}"
    return error


def _streams(request: AttachRequest, inquiry: Inquiry) -> Streams:
    if not request.pty:
        return attach_stream.pipes()
    devpts_fd = inquiry.devpts_fd()
    try:
        return attach_stream.terminal(devpts_fd, request.rows, request.cols)
    except OSError as error:
        raise StepError.from_os("attach", "Open", "a pty", error) from None
    finally:
        if devpts_fd is not None:
            os.close(devpts_fd)


def _begin(request: AttachRequest, plan: attach_child.Plan, cgroup_fds: list[int]) -> tuple[int, Tree]:
    """Fork the joiner: its pid, and what holds together all that it begins."""
    scope, born_fd = None, -1
    try:
        scope, (born_fd, join_fds) = _scope(request, cgroup_fds)
        others = attach_kill.children() if scope is None else set()
        return attach_child.fork(plan._replace(born_fd=born_fd, join_fds=join_fds)), Tree(scope, others)
    except OSError as error:
        if scope:
            scope.release()
        raise StepError.from_os("attach", "Prepare", str(error.filename or "the cgroup"), error) from None
    finally:
        if born_fd >= 0:
            os.close(born_fd)


def _scope(request: AttachRequest, cgroup_fds: list[int]) -> tuple[Optional[Scope], Entry]:
    if not request.elevated:
        return attach_scope.within(cgroup_fds)
    scope = attach_scope.beside_caller()
    return scope, scope.entry() if scope else Entry(-1, [])


def _plan(request: AttachRequest, channels: Channels) -> attach_child.Plan:
    return attach_child.Plan(
        argv=request.argv,
        user=request.user,
        group=request.group,
        chdir=request.chdir,
        environment=request.environment,
        host_environment=os.environ,
        keep_environment=request.keep_environment,
        order=channels.joiners_order,
        streams=channels.streams.inner,
        pty=channels.streams.pty,
        status_fd=channels.joiners_status_fd,
        signals={*process.changed_signals(), *CAUGHT},
    )


def _result(request: AttachRequest, conversation: Conversation) -> AttachResult:
    stdout, stderr = (bytes(conversation.output.get(fd, b"")) for fd in conversation.collected)
    rc = conversation.rc if conversation.rc is not None else 137
    if conversation.refusal:
        rc, number = conversation.refusal
        stderr += f"{request.argv[0]}: {os.strerror(number)}\n".encode("utf-8", "surrogateescape")
    return AttachResult(rc, stdout, stderr, conversation.timed_out)
