# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the end of a container's init to STOPPED, or to the start that a reboot is. Runs in the monitor's loop.

A forked process cleans up. When only its post-stop hook is left, the command socket goes, which *is* the state STOPPED; and
not before the keeper has let go of it too is anybody told so: a start that follows at once must find the address free.

Hooks that do not end must not keep a container from being started again for ever: after a while they are ended, and another
process cleans up without them.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import Protocol

from ..lifecycle import fifo, ledger
from ..paths import Container
from ..wire.protocol import State
from . import launcher, notify, state
from .link import Link
from .loop import READ, Loop, say
from .record import Record, Waiter

_REBOOT = 600.0  # seconds that the start of a reboot may take
_AGAIN = 1.0
_HOOKS = 300.0  # seconds that the hooks and scripts of an end may take, all together
_HASTENED = 20.0  # and that they still have when a stop is asked for meanwhile


class Starts(Protocol):
    """What of a `Supervisor` is used here."""

    loop: Loop
    link: Link
    root_mount: str
    records: dict[Container, Record]

    def set_state(self, record: Record, state: State) -> None: ...

    def watch_process(self, pid: int, pidfd: int, act: Callable[[int], None], is_new: bool = False) -> None: ...

    def enqueue(self, record: Record, timeout: float) -> None: ...

    def start(self, container: Container, timeout: float, log_file: str, log_level: str, waiter: Waiter) -> None: ...


class Ending:
    """Of every container of a supervisor."""

    def __init__(self, supervisor: Starts) -> None:
        self.supervisor = supervisor
        self.loop, self.link = supervisor.loop, supervisor.link

    def finish(self, record: Record) -> None:
        """Clean up behind init; a reboot keeps the command socket (reboot(2): SIGHUP is how a pid namespace tells it)."""
        failed = record.state == State.STARTING
        record.rebooting = not failed and record.exit_status is not None and _signal_of(record.exit_status) == signal.SIGHUP
        if failed:
            self.supervisor.set_state(record, State.ABORTING)
        elif record.exit_status not in (None, state.UNKNOWN):
            fifo.tell_exit(record.container, record.exit_status)
        self.supervisor.set_state(record, State.STOPPING)
        if record.console is not None:
            record.console.close()
            record.console = None
        self.clean(record)

    def clean(self, record: Record, without_hooks: str = "") -> None:
        """Fork the process that takes away what was made; without hooks for the reason that is said."""
        reboots = record.rebooting
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                pid = launcher.clean(record, "reboot" if reboots else "stop", theirs, self.supervisor.root_mount, without_hooks)
        except OSError as error:  # no process to be had now: what was made must go all the same
            say(f"Clean up after {record.container.name}: {error}\n")
            self.loop.later(_AGAIN, lambda: self.clean(record, without_hooks))
            return
        record.cleaner_pid, record.touched = pid, True

        def down(_events: int) -> None:
            self.loop.forget(ours.fileno())
            ours.close()
            if not reboots:
                self._close(record, lambda: None)

        self.loop.watch(ours.fileno(), READ, down)
        if not without_hooks:
            self._limit(record, _HOOKS)
        self.loop.on_exit(pid, lambda status: self._cleaner_ended(record, status, not without_hooks), is_new=True)

    def await_cleaner(self, record: Record, pid: int, pidfd: int) -> None:
        """Of another monitor's; only its end is heard, so the command socket is open until then."""
        record.cleaner_pid = pid
        self._limit(record, _HOOKS)

        def ended(status: int) -> None:
            os.close(pidfd)
            self._cleaner_ended(record, status, True)

        self.supervisor.watch_process(pid, pidfd, ended, is_new=True)

    def _limit(self, record: Record, seconds: float) -> None:
        """Its cleaner has no more time than that."""

        def overdue() -> None:
            record.unfinished.append(f"The hooks of its last end had not ended after {seconds:g} s: they were ended, and others not run")
            launcher.end_group(record.cleaner_pid)

        record.cleaner_deadlines.append(self.loop.later(seconds, overdue))

    def hasten(self, record: Record) -> None:
        """Somebody wants it to be down: hooks that are all right have time to end."""
        if len(record.cleaner_deadlines) == 1:
            self._limit(record, _HASTENED)

    def _cleaner_ended(self, record: Record, status: int, had_hooks: bool) -> None:
        """One that was ended, by us or by a hook, has left something."""
        for timer in record.cleaner_deadlines:
            timer.cancel()
        record.cleaner_deadlines = []
        if had_hooks and not record.unfinished and status not in (0, state.UNKNOWN):
            record.unfinished.append(
                f"The process that cleaned up after its last end ended with wait status {status}: hooks may not have run"
            )
        if had_hooks and record.unfinished:
            say(f"{record.container.name}: {record.unfinished[0]}\n")
            self.clean(record, record.unfinished[0])
        else:
            self.cleaned(record)

    def _close(self, record: Record, then: Callable[[], None]) -> None:
        """Nobody answers for it any more. `then` is called when its address is free."""
        if record.listener is not None:
            self.loop.forget(record.listener.fileno())
            record.listener.shutdown(socket.SHUT_RDWR)  # a duplicate of the keeper's takes nobody in either
            listener_fd = record.listener.detach()
            record.listener, record.releasing, record.touched = None, [], True
            self.link.release(record.key, "listener", listener_fd, lambda: self._released(record))
        if record.releasing is None:
            then()
        else:
            record.releasing.append(then)

    def _released(self, record: Record) -> None:
        acts, record.releasing = record.releasing or [], None
        record.state, record.touched = State.STOPPED, True
        fifo.tell_state(record.container, State.STOPPED)
        for act in acts:
            act()

    def cleaned(self, record: Record) -> None:
        """Nothing of this run of init is left."""
        record.cleaner_pid, record.touched = 0, True
        record.release(self.loop)
        if record.rebooting and record.stop_asked and record.get("lxc.ephemeral") == "1":
            record.rebooting = False
            self.clean(record, "It was stopped while it rebooted")  # as it will not come back, another takes it away
            return
        if not record.rebooting or record.stop_asked:
            self._close(record, lambda: self._gone(record))
            return
        notify.close_for_reboot(record)
        record.fresh()
        record.warnings, record.unfinished = record.unfinished, []
        record.state = State.STARTING
        for told in (State.STOPPED, State.STARTING):
            fifo.tell_state(record.container, told)
        again, record.again = record.again, []
        record.waiters += [asked.waiter for asked in again]
        self.supervisor.enqueue(record, _REBOOT)

    def _gone(self, record: Record) -> None:
        """Nothing of the container is left, and those who wait for that are told."""
        self.supervisor.records.pop(record.container, None)
        self.link.drop(record.key)
        ledger.forget(record.key)
        notify.close_all(record)
        record.warnings += record.unfinished
        record.settle()
        actions, record.stop_clients = record.stop_clients, []
        for act in actions:
            act()
        self.link.close(record.disposed)
        record.disposed, record.is_over = [], True
        for asked in record.again:
            self.supervisor.start(record.container, *asked._replace(waiter=_warned(asked.waiter, record.unfinished)))


def _warned(waiter: Waiter, unfinished: list[str]) -> Waiter:
    """Told what went before, too."""
    return lambda error, warnings: waiter(error, [*unfinished, *warnings])


def _signal_of(status: int) -> int:
    return os.WTERMSIG(status) if status != state.UNKNOWN and os.WIFSIGNALED(status) else 0
