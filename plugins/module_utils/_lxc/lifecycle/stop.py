# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a container, whoever started it: ask its init by the signal that it understands, after a while have the monitor kill it."""

from __future__ import annotations

import os
import select
import signal as signals
import socket
import time
from typing import NamedTuple, Optional

from ..errors import TimedOut
from ..kernel import process
from ..paths import Container
from ..wire import client
from ..wire.connection import Deadline
from ..wire.protocol import NotRunning, State
from . import freeze

_KILL = 5.0  # what command 2 may take before we kill init ourselves
_CLEANUP = 60.0  # what the monitor may take at least after init is gone, for hooks, the network, unmounts; else as long as the caller says
_HINT = "A larger stop_timeout waits longer; hooks are ended by the monitor after five minutes"
_FORK = 0.5  # what a fork of init's may take on a busy host
_SIGRTMIN3 = signals.SIGRTMIN + 3


class Stopped(NamedTuple):
    """`how` is "signal" (it obeyed), "killed" (it did not, or there was no time) or "already"; `signal` is what it was asked by."""

    how: str
    signal: str = ""
    seconds: float = 0.0


def stop(container: Container, timeout: float, signal: Optional[int] = None) -> Stopped:
    """End it and wait until its monitor has cleaned up and no longer answers. 0 seconds kill at once. TimedOut when even that fails."""
    began = time.monotonic()
    deadline = Deadline(timeout)
    patience = max(_CLEANUP, timeout)
    if client.state(container) == State.STOPPED:
        return Stopped("already")
    asked = ""
    while timeout > 0 and not deadline.over():
        try:
            asked, ended = _ask(container, signal, deadline, patience)
        except NotRunning:  # it is on its way down, or up
            if not _ending(container, patience):
                break
            return Stopped("signal" if asked else "already", asked, time.monotonic() - began)
        if ended:
            return Stopped("signal" if asked else "already", asked, time.monotonic() - began)
    _kill(container, patience)
    return Stopped("killed", asked, time.monotonic() - began)


def _ask(container: Container, signal: Optional[int], deadline: Deadline, patience: float) -> tuple[str, bool]:
    """One signal: its name, and whether the container is gone; it is not at the deadline, or when it rebooted instead."""
    link, now = client.watch(container, [State.STOPPED])
    with link:
        init_fd = client.init_pidfd(container)
        try:
            if process.pidfd_wait(init_fd, 0):  # its hooks are at work
                return "", now is not None or _await_gone(container, link, patience)
            number = signal or halt_signal(container, process.pidfd_pid(init_fd))
            if client.state(container) in (State.FROZEN, State.FREEZING):
                freeze.thaw(container, deadline.remaining())
            _send(init_fd, number)
            if not process.pidfd_wait(init_fd, deadline.remaining()):
                return name(number), False
        finally:
            os.close(init_fd)
        return name(number), now is not None or _await_gone(container, link, patience)


def _ending(container: Container, patience: float) -> bool:
    """Whether it has gone by itself; waits for one that is about to."""
    try:
        link, now = client.watch(container, [State.STOPPED])
    except NotRunning:
        return True
    with link:
        if now is None and client.state(container) not in (State.STOPPED, State.STOPPING, State.ABORTING):
            return False
        return now is not None or _await_gone(container, link, patience)


def _send(init_fd: int, number: int) -> None:
    try:
        process.pidfd_send_signal(init_fd, number)
    except ProcessLookupError:
        return


def _kill(container: Container, patience: float) -> None:
    """LXC's own way: the monitor signals, thaws, and says nothing but the end of the connection; our own SIGKILL when that is no help.

    It does not where `lxc.signal.stop` is another signal that init ignores.
    """
    try:
        link, _now = client.watch(container, [State.STOPPED])
        with link:
            try:
                init_fd = client.init_pidfd(container)
            except NotRunning:  # it is starting and has no init yet: the start is given up
                client.stop(container, _CLEANUP)
                return
            try:
                _kill_init(container, init_fd)
            finally:
                os.close(init_fd)
            _await_gone(container, link, patience)
    except NotRunning:
        return


def _kill_init(container: Container, init_fd: int) -> None:
    try:
        client.stop(container, _KILL)
    except TimedOut:
        if process.pidfd_wait(init_fd, 0):
            return
        _send(init_fd, signals.SIGKILL)
        if not process.pidfd_wait(init_fd, _CLEANUP):
            raise


def _await_gone(container: Container, link: socket.socket, patience: float) -> bool:
    """Wait for the monitor's last word to its state clients; True when nobody answers any more, False when the container came back."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    if not poll.poll(patience * 1000):
        said = f"The init of {container.name} in {container.lxc_path} has ended, but not what comes after it"
        raise TimedOut(f"{said}: its hooks stop and post-stop, or cleaning up, take longer than {patience:g} s", _HINT)
    return client.state(container) == State.STOPPED


def halt_signal(container: Container, pid: int) -> int:
    """`lxc.signal.halt`; else what systemd wants (it blocks the signals that it reads from a signalfd), else what other inits want."""
    configured = number_of(client.config_item(container, "lxc.signal.halt") or "")
    if configured:
        return configured
    return _SIGRTMIN3 if _SIGRTMIN3 in _blocked_for_long(pid) else signals.SIGPWR


def _blocked_for_long(pid: int) -> set[int]:
    """The signals it blocks by choice. In the middle of a fork that is everything: nobody chooses SIGSEGV, so look again."""
    end = time.monotonic() + _FORK
    blocked = process.blocked_signals(pid)
    while signals.SIGSEGV in blocked and time.monotonic() < end:
        time.sleep(0.001)
        blocked = process.blocked_signals(pid)
    return blocked


def number_of(text: str) -> int:
    """A signal by number or by name (`SIGPWR`, `PWR`, `SIGRTMIN+3`, `RTMAX-2`); 0 for none."""
    word = text.strip().upper()
    if word.isdigit():
        return int(word)
    word = word[3:] if word.startswith("SIG") else word
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        if word.startswith(base):
            offset = word[len(base) + 1 :] or "0"
            first = int(signals.SIGRTMIN if sign == "+" else signals.SIGRTMAX)
            return first + int(sign + offset) if offset.isdigit() and word[len(base) :][:1] in ("", sign) else 0
    found = getattr(signals, f"SIG{word}", 0) if word.isalnum() else 0
    return int(found)


def name(number: int) -> str:
    """The other way round, as a result shows it."""
    if number > signals.SIGRTMIN:
        return f"SIGRTMIN+{number - signals.SIGRTMIN}"
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)
