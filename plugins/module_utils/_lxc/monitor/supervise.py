# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to RUNNING to STOPPED: what the monitor does for each container. Runs in the monitor's loop.

Whatever is slow or hostile happens in a forked process: `launch` before RUNNING, `clean` after init's end.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InUse, LxcError, StepError
from ..kernel import process
from ..lifecycle import ledger
from ..lifecycle.stop import number_of
from ..paths import Container
from ..wire import protocol
from ..wire.protocol import State
from . import launcher, notify, places
from .console import Console, size
from .loop import READ, Loop, say
from .record import Again, Record, Waiter

_AUTO = 128 * 1024
_LAUNCHERS = max(2, 2 * (os.cpu_count() or 1))
_BACKLOG = 100
_REBOOT = 600.0  # seconds that the start of a reboot may take
_AGAIN = 1.0


class Supervisor:
    """All containers of this monitor, by (lxcpath, name)."""

    def __init__(self, loop: Loop, serve: Callable[[Record], None], root_mount: str) -> None:
        self.loop = loop
        self.serve = serve
        self.root_mount = root_mount
        self.records: dict[Container, Record] = {}
        self._queue: list[tuple[Record, float]] = []
        self._launching = 0

    def start(self, container: Container, timeout: float, log_file: str, log_level: str, waiter: Waiter) -> None:
        """Start it and tell `waiter`; one that runs already is told at once, one that is ending is started when it has ended."""
        record = self.records.get(container)
        if record is not None:
            self._join(record, timeout, log_file, log_level, waiter)
            return
        try:
            ledger.refuse_survivor(container)
            listener = listen(container)
        except LxcError as error:
            waiter(error, [])
            return
        record = Record(container, listener)
        record.log_file, record.log_level = log_file, log_level
        record.waiters.append(waiter)
        self.records[container] = record
        self.serve(record)
        self._enqueue(record, timeout)

    def _join(self, record: Record, timeout: float, log_file: str, log_level: str, waiter: Waiter) -> None:
        if record.state in (State.RUNNING, State.FREEZING, State.FROZEN, State.THAWED):
            waiter(None, record.warnings)
        elif record.state == State.STARTING:
            record.waiters.append(waiter)
        else:
            record.again.append(Again(timeout, log_file, log_level, waiter))

    def _enqueue(self, record: Record, timeout: float) -> None:
        self._queue.append((record, timeout))
        self._launch_next()

    def _launch_next(self) -> None:
        while self._queue and self._launching < _LAUNCHERS:
            record, timeout = self._queue.pop(0)
            self._launching += 1
            try:
                self._launch(record, timeout)
            except OSError as error:
                self._launching -= 1
                record.error = StepError.from_os("start", "Fork a launcher for", record.container.name, error)
                self._finish(record)

    def _launch(self, record: Record, timeout: float) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        record.launcher_pid = launcher.launch(record, theirs, self.root_mount)
        theirs.close()
        self.loop.watch(ours.fileno(), READ, lambda _events: self._hear(record, ours))
        deadline = self.loop.later(timeout, lambda: self._overdue(record, timeout))

        def ended(status: int) -> None:
            deadline.cancel()
            try:
                self._hear(record, ours)
            finally:
                self.loop.forget(ours.fileno())
                ours.close()
                self._launched(record, status)

        self.loop.on_exit(record.launcher_pid, ended, is_new=True)

    def _overdue(self, record: Record, timeout: float) -> None:
        self._give_up(record, errno.ETIMEDOUT, f"not running after {timeout:g} s; it was ended")

    def _give_up(self, record: Record, code: int, text: str) -> None:
        """End a start, in the queue or under way."""
        if record.state != State.STARTING:
            return
        record.error = record.error or StepError("start", "Start", record.container.name, code, text)
        if record.launcher_pid:
            end_group(record.launcher_pid)
            self._kill_init(record)
            return
        waiting = [entry for entry in self._queue if entry[0] is not record]
        if len(waiting) < len(self._queue):
            self._queue = waiting
            self._finish(record)

    def stop(self, record: Record) -> None:
        """At any time: a start is given up, a reboot not begun, init signalled and thawed; one that is ending only has to be waited for."""
        record.stop_asked = True
        if record.state == State.STARTING:
            self._give_up(record, errno.ECANCELED, "it was stopped while it started")
        elif record.pidfd >= 0 and record.exit_status is None:
            value = record.get("lxc.signal.stop")
            try:
                process.pidfd_send_signal(record.pidfd, number_of(value) if value else signal.SIGKILL)
            except ProcessLookupError:
                return
            places.thaw(record.cgroup_list())

    def _hear(self, record: Record, ours: socket.socket) -> None:
        for message, fds in launcher.messages(ours):
            self._note(record, message, fds)

    def _note(self, record: Record, message: dict[str, Any], fds: Sequence[int]) -> None:
        """Take over what the launcher reports: see `lifecycle.start.launch` for the messages."""
        if "config" in message:
            record.pairs, record.flags = message["config"], message["flags"]
        if "cgroups" in message:
            record.cgroups = message["cgroups"]
        if "link" in message:
            record.links.append(message["link"])
        if "init" in message:
            self._adopt_init(record, message["init"], fds[0])
        if "terminals" in message:
            self._take_terminals(record, message["terminals"], list(fds))
        if "namespaces" in message:
            record.namespaces = dict(zip(message["namespaces"], fds))
        if "error" in message:
            record.error = record.error or launcher.error(message)
        if "running" in message:
            self.set_state(record, State.RUNNING)
            record.settle()
        record.warnings += message.get("warnings", [])

    def _adopt_init(self, record: Record, pid: int, pidfd: int) -> None:
        record.init_pid, record.pidfd = pid, pidfd
        ledger.remember(record.container, pid)
        self.loop.watch(pidfd, READ, lambda _events: self.loop.reap())
        self.loop.on_exit(pid, lambda status: self._init_ended(record, status))

    def _take_terminals(self, record: Record, terminals: dict[str, bool], fds: list[int]) -> None:
        record.devpts_fd = fds.pop(0)
        if terminals["console"]:
            buffer_size = size(record.get("lxc.console.buffer.size"), _AUTO)
            rotate = record.get("lxc.console.rotate") == "1"
            log_size = size(record.get("lxc.console.size"), _AUTO)
            record.console = Console(self.loop, fds.pop(0), buffer_size, record.get("lxc.console.logfile"), log_size, rotate)
        record.tty_fds = fds

    def _launched(self, record: Record, status: int) -> None:
        """The launcher has ended, well or not."""
        record.launcher_pid = 0
        self._launching -= 1
        self._launch_next()
        if record.state == State.STARTING:
            text = f"the launcher ended with wait status {status} before the container ran"
            record.error = record.error or StepError("start", "Start", record.container.name, text=text)
            self._kill_init(record)
            if not record.init_pid:
                self._finish(record)
                return
        if record.exit_status is not None:
            self._finish(record)

    def _kill_init(self, record: Record) -> None:
        if record.pidfd >= 0 and record.exit_status is None:
            try:
                process.pidfd_send_signal(record.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _init_ended(self, record: Record, status: int) -> None:
        record.exit_status = status
        ledger.forget(record.container)
        self.loop.forget(record.pidfd)
        if not record.launcher_pid:
            self._finish(record)

    def _finish(self, record: Record) -> None:
        """Clean up behind init; a reboot keeps the command socket (reboot(2): SIGHUP is how a pid namespace tells it)."""
        failed = record.state == State.STARTING
        reboots = not failed and record.exit_status is not None and _signal_of(record.exit_status) == signal.SIGHUP
        self.set_state(record, State.ABORTING if failed else State.STOPPING)
        if record.console is not None:
            record.console.close()
            record.console = None
        self._clean(record, reboots)

    def _clean(self, record: Record, reboots: bool) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                pid = launcher.clean(record, "reboot" if reboots else "stop", theirs, self.root_mount)
        except OSError as error:  # no process to be had now: what was made must go all the same
            say(f"Clean up after {record.container.name}: {error}\n")
            self.loop.later(_AGAIN, lambda: self._clean(record, reboots))
            return

        def down(_events: int) -> None:
            self.loop.forget(ours.fileno())
            ours.close()
            if not reboots:
                self._close(record)

        self.loop.watch(ours.fileno(), READ, down)
        self.loop.on_exit(pid, lambda _status: self._finished(record, reboots), is_new=True)

    def _close(self, record: Record) -> None:
        """From here on the container is STOPPED: nobody answers for it."""
        if record.listener is None:
            return
        self.loop.forget(record.listener.fileno())
        record.listener.close()
        record.listener = None
        record.state = State.STOPPED
        notify.broadcast(record, State.STOPPED)

    def _finished(self, record: Record, reboots: bool) -> None:
        record.release(self.loop)
        if reboots and not record.stop_asked:
            notify.broadcast(record, State.STOPPED)
            record.fresh()
            self.set_state(record, State.STARTING)
            again, record.again = record.again, []
            record.waiters += [asked.waiter for asked in again]
            self._enqueue(record, _REBOOT)
            return
        self._close(record)
        self.records.pop(record.container, None)
        notify.close_all(record)
        record.settle()
        actions, record.stop_clients = record.stop_clients, []
        for act in actions:
            act()
        for asked in record.again:
            self.start(record.container, *asked)

    def set_state(self, record: Record, state: State) -> None:
        """Remember it and tell the state clients; THAWED is told, and remembered as RUNNING."""
        record.state = State.RUNNING if state == State.THAWED else state
        notify.broadcast(record, state)


def _signal_of(status: int) -> int:
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def end_group(pid: int) -> None:
    """End a forked child, which is not reaped yet, with every program that it started; it may not lead its group yet."""
    for send in (os.killpg, os.kill):
        try:
            send(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def listen(container: Container) -> socket.socket:
    """The command socket. InUse when somebody answers for the container already, naming who."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.bind(protocol.address(container.lxc_path, container.name))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"Container {container.name} is run by another monitor already ({_holder(container)})") from error
        raise StepError.from_os("socket", "Listen for", container.name, error) from error
    return listener


def _holder(container: Container) -> str:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            probe.connect(protocol.address(container.lxc_path, container.name))
            pid, uid, _gid = launcher.peer(probe)
        return f"process {pid} of uid {uid}"
    except OSError:
        return "which does not answer"
