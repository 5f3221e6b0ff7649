# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to RUNNING to the end of init: what the monitor does for each container. Runs in the monitor's loop.

Whatever is slow or hostile happens in a forked process. What comes after init's end is in `ending.py`.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..cgroup import devices
from ..errors import LxcError, StepError
from ..kernel import process
from ..lifecycle import fifo, ledger
from ..lifecycle.stop import number_of
from ..paths import Container
from ..wire.protocol import State
from . import launcher, notify, places, state
from .console import Console, size
from .ending import Ending
from .launchers import Launchers
from .link import Link
from .listen import listen
from .loop import READ, Loop, say
from .record import Again, Record, Waiter

_AUTO = 128 * 1024
_LAUNCHERS = max(2, 2 * (os.cpu_count() or 1))  # that work at once; those that wait for a hook are not counted
_GRACE = 10.0  # seconds in which a keeper tells a wait status


class Supervisor:
    """All containers of this monitor, by (lxcpath, name)."""

    def __init__(self, loop: Loop, link: Link, serve: Callable[[Record], None], root_mount: str) -> None:
        self.loop = loop
        self.link = link
        self.serve = serve
        self.root_mount = root_mount
        self.records: dict[Container, Record] = {}
        self._orphans: set[int] = set()
        self._paused = False
        self._when_idle: Callable[[], None] | None = None
        self.launchers = Launchers(loop, root_mount)
        self._queue: list[tuple[Record, float]] = []
        self._launching = 0
        self._waiting: set[Record] = set()  # whose launchers wait for programs of the user's
        self.ending = Ending(self)
        loop.at_end_of_turn(self.save_all)

    def save_all(self) -> None:
        """What has changed in this turn is written down before anything is waited for."""
        for record in [record for record in self.records.values() if record.touched]:
            self.save(record)

    def save(self, record: Record) -> None:
        """Into the ledger what it is, to the keeper what it holds; both only where that has changed."""
        record.touched = False
        fds = state.descriptors(record)
        held = (record.run, record.console.session if record.console else 0, *fds.items())
        if held != record.held:
            record.held = held
            self.link.hold(record.key, fds)
        self.link.close(record.disposed)
        record.disposed = []
        described = state.describe(record)
        if described != record.written:
            record.written = described
            ledger.write(record.key, described)

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
        self.add(record)
        fifo.tell_state(container, State.STARTING)
        self.enqueue(record, timeout)

    def is_up(self, container: Container) -> bool:
        """Who asks for its start now changes nothing."""
        record = self.records.get(container)
        return record is not None and record.is_up

    def add(self, record: Record) -> None:
        """From here on it is ours, and its command socket is answered."""
        self.records[record.container] = record
        self.serve(record)

    def _join(self, record: Record, timeout: float, log_file: str, log_level: str, waiter: Waiter) -> None:
        if not record.is_up:
            record.again.append(Again(timeout, log_file, log_level, waiter))
        elif record.state == State.STARTING:
            record.waiters.append(waiter)
        else:
            waiter(None, record.warnings)

    def enqueue(self, record: Record, timeout: float) -> None:
        self._queue.append((record, timeout))
        self._launch_next()

    def abandon(self, record: Record) -> None:
        """One that could not be taken over: its descriptors are closed by who had them from the keeper."""
        self.records.pop(record.container, None)
        for client in list(record.clients):
            client.close()
        if record.listener is not None:
            self.loop.forget(record.listener.fileno())
            record.listener.detach()
        for fd in state.descriptors(record).values():
            self.loop.forget(fd)

    def pause(self, when_idle: Callable[[], None]) -> None:
        """Begin no more starts, and say so when those that are under way have come to an end."""
        self._paused, self._when_idle = True, when_idle
        self._launch_next()

    def go_on(self) -> None:
        """Begin those that were asked for meanwhile."""
        self._paused, self._when_idle = False, None
        self._launch_next()

    def _launch_next(self) -> None:
        if self._when_idle is not None and not self._launching:
            self.loop.later(0, self._when_idle)
            self._when_idle = None
        while self._queue and self._launching - len(self._waiting) < _LAUNCHERS and not self._paused:
            record, timeout = self._queue.pop(0)
            self._launching += 1
            try:
                self._launch(record, timeout)
            except OSError as error:
                self._launching -= 1
                record.error = StepError.from_os("start", "Fork a launcher for", record.container.name, error)
                self.ending.finish(record)

    def _launch(self, record: Record, timeout: float) -> None:
        deadline = self.loop.later(timeout, lambda: self._overdue(record, timeout))

        def done(status: int) -> None:
            deadline.cancel()
            self.launched(record, status)

        try:
            self.launchers.launch(record, partial(self._note, record), done)
        except OSError:
            deadline.cancel()
            raise

    def _overdue(self, record: Record, timeout: float) -> None:
        self.give_up(record, errno.ETIMEDOUT, f"not running after {timeout:g} s; it was ended")

    def give_up(self, record: Record, code: int, text: str) -> None:
        """End a start, in the queue or under way."""
        if record.state != State.STARTING:
            return
        record.error = record.error or StepError("start", "Start", record.container.name, code, text)
        if record.launcher_pid:
            launcher.end_group(record.launcher_pid)
            self._kill_init(record)
            return
        waiting = [entry for entry in self._queue if entry[0] is not record]
        if len(waiting) < len(self._queue):
            self._queue = waiting
            self.ending.finish(record)

    def stop(self, record: Record) -> None:
        """At any time: a start is given up, a reboot not begun, init signalled and thawed; one that is ending has less time for hooks."""
        record.stop_asked = record.touched = True
        if record.state == State.STARTING:
            self.give_up(record, errno.ECANCELED, "it was stopped while it started")
        elif record.pidfd >= 0 and record.exit_status is None:
            value = record.get("lxc.signal.stop")
            try:
                process.pidfd_send_signal(record.pidfd, number_of(value) if value else signal.SIGKILL)
            except ProcessLookupError:
                return
            places.thaw(record.cgroup_list())
        elif record.cleaner_pid:
            self.ending.hasten(record)

    def _note(self, record: Record, message: dict[str, Any], fds: Sequence[int]) -> None:
        """Take over what the launcher reports: see `lifecycle.start.launch` for the messages."""
        record.touched = True
        if "config" in message:
            record.pairs, record.flags = message["config"], message["flags"]
        if "cgroups" in message:
            record.cgroups = message["cgroups"]
        if "link" in message:
            record.links.append(message["link"])
        if message.get("devices"):
            record.device_rules = devices.from_fields(message["devices"])
        if "waits" in message:
            self._note_wait(record, message["waits"])
        if "init" in message:
            self._adopt_init(record, message["init"], fds[0])
        if "terminals" in message:
            self._take_terminals(record, message["terminals"], list(fds))
        if "namespaces" in message:
            record.namespaces = dict(zip(message["namespaces"], fds))
        if "error" in message:
            record.error = record.error or launcher.error(message)
        if "running" in message:
            record.rebooting = False
            if message.get("free"):
                record.launcher_pid = 0
            self.set_state(record, State.RUNNING)
            self.save(record)  # before anybody is told: another monitor must not take it for a start that failed
            record.settle()
        record.warnings += message.get("warnings", [])

    def _note_wait(self, record: Record, waits: bool) -> None:
        """A few hooks that sleep must not keep every other container of the host from starting."""
        if waits:
            self._waiting.add(record)
            self._launch_next()
        else:
            self._waiting.discard(record)

    def _adopt_init(self, record: Record, pid: int, pidfd: int) -> None:
        record.init_pid, record.pidfd, record.init_inode = pid, pidfd, process.pidfd_inode(pidfd)
        try:
            record.start_time = process.start_time(pid)
        except (FileNotFoundError, ProcessLookupError):  # it has ended already
            record.start_time = 0
        self.watch_init(record)

    def watch_init(self, record: Record, is_new: bool = False) -> None:
        """Hear of its end."""
        self.watch_process(record.init_pid, record.pidfd, lambda status: self.init_ended(record, status), is_new)

    def watch_process(self, pid: int, pidfd: int, act: Callable[[int], None], is_new: bool = False) -> None:
        """Call `act(wait status)` when it has ended, whoever its parent is: ourselves, the keeper, or by now process 1.

        The status may come before the pidfd is seen to be readable; by then nobody watches it any more, and `act` may close it.
        """

        def ended(status: int) -> None:
            self.loop.forget(pidfd)
            act(status)

        self.loop.watch(pidfd, READ, lambda _events: self._process_ended(pid, pidfd))
        self.loop.on_exit(pid, ended, is_new)

    def _process_ended(self, pid: int, pidfd: int) -> None:
        self.loop.forget(pidfd)
        self.loop.reap()
        if self.loop.awaits(pid):
            self.link.reap(lambda: self.loop.give_up(pid, state.UNKNOWN))
            self.loop.later(0 if pid in self._orphans else _GRACE, lambda: self._give_up(pid))
        self._orphans.discard(pid)

    def _give_up(self, pid: int) -> None:
        self.link.hear()
        self.loop.give_up(pid, state.UNKNOWN)

    def find_orphans(self) -> None:
        """Those inits that neither we nor the keeper can wait for: theirs died, and process 1 inherited them."""
        inits = [record.init_pid for record in self.records.values() if record.pidfd >= 0 and record.exit_status is None]
        self._orphans = {pid for pid in inits if not _is_near(pid)}

    def _take_terminals(self, record: Record, terminals: dict[str, bool], fds: list[int]) -> None:
        record.devpts_fd = fds.pop(0)
        if terminals["console"]:
            self.take_console(record, fds.pop(0))
        record.tty_fds = fds

    def take_console(self, record: Record, master_fd: int) -> None:
        """Read it from now on, as its config says."""
        buffer_size = size(record.get("lxc.console.buffer.size"), _AUTO)
        rotate = record.get("lxc.console.rotate") == "1"
        log_size = size(record.get("lxc.console.size"), _AUTO)
        log_file = record.get("lxc.console.logfile")
        record.console = Console(self.loop, master_fd, buffer_size, log_file, log_size, rotate, record.dispose)

    def launched(self, record: Record, status: int) -> None:
        """The launcher has ended, well or not, or is free for another container."""
        record.launcher_pid, record.touched = 0, True
        self._launching -= 1
        self._waiting.discard(record)
        self._launch_next()
        if record.state == State.STARTING:
            text = f"the launcher ended with wait status {status} before the container ran"
            record.error = record.error or StepError("start", "Start", record.container.name, text=text)
            self._kill_init(record)
            if not record.init_pid:
                self.ending.finish(record)
                return
        if record.exit_status is not None:
            self.ending.finish(record)

    def end_start(self, record: Record, launcher_pid: int, pidfd: int) -> None:
        """Give up a start that another monitor began; the pidfd is -1 when its launcher has ended."""
        self._launching += 1
        if pidfd < 0:
            record.launcher_pid = 0
            self.loop.later(0, lambda: self.launched(record, state.UNKNOWN))
            return
        record.launcher_pid = launcher_pid

        def ended(status: int) -> None:
            os.close(pidfd)
            self.launched(record, status)

        self.watch_process(launcher_pid, pidfd, ended, is_new=True)
        launcher.end_group(launcher_pid)
        self._kill_init(record)

    def _kill_init(self, record: Record) -> None:
        if record.pidfd >= 0 and record.exit_status is None:
            try:
                process.pidfd_send_signal(record.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                return

    def init_ended(self, record: Record, status: int) -> None:
        """With the wait status, or UNKNOWN where nobody can tell it any more."""
        if status == state.UNKNOWN:
            say(f"The init of {record.container.name} has ended; how is not known, since the monitor that started it is gone\n")
        record.exit_status, record.touched = status, True
        self.loop.forget(record.pidfd)
        if not record.launcher_pid:
            self.ending.finish(record)

    def set_state(self, record: Record, state: State) -> None:
        """Remember it and tell everybody."""
        self.hear_state(record, state)
        fifo.tell_state(record.container, state)

    def hear_state(self, record: Record, state: State) -> None:
        """From who froze or thawed it, and tells the FIFO himself. THAWED is told, and remembered as RUNNING."""
        record.state, record.touched = State.RUNNING if state == State.THAWED else state, True
        notify.broadcast(record, state)


def _is_near(pid: int) -> bool:
    """Whether it is a child of ours or of the keeper's, or was: then its wait status is on its way."""
    try:
        return process.parent(pid) in (os.getppid(), os.getpid())
    except (FileNotFoundError, ProcessLookupError):
        return True
