# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for: until a container has an address, its systemd is up, a port listens, a path is there. Bounded, and it says what it saw."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from ..errors import LxcError, StepError, TimedOut
from ..lifecycle import evidence, info
from ..paths import Container
from ..wire import query
from ..wire.protocol import State
from .inside import missing

_POLL = 0.2


def wait(one: Container, conditions: Sequence[str], timeout: float) -> None:
    """Until all are met, one after the other within one deadline. TimedOut says what was seen and carries the log."""
    deadline = time.monotonic() + timeout
    for condition in conditions:
        _until(one, condition, deadline, timeout)


def _until(one: Container, condition: str, deadline: float, timeout: float) -> None:
    check = _check(condition)
    wake = _Wake(one, condition)
    try:
        while True:
            seen = check(one)
            if not seen:
                return
            remaining = deadline - time.monotonic()
            if query.state(one) is State.STOPPED:
                raise StepError(
                    "wait", "Wait for", f"{condition} of {one.name}", text="the container has stopped", log=evidence.log_tail(one)
                )
            if remaining <= 0:
                raise _timed_out(one, condition, timeout, seen)
            wake.sleep(min(remaining, _POLL))
    finally:
        wake.close()


class WaitTimedOut(TimedOut):
    """The same with the last lines of the log."""

    def __init__(self, message: str, log: list[str]) -> None:
        super().__init__(message, hint="Say a longer wait_timeout, or look at what the container does in its log")
        self.log = log

    def details(self) -> dict[str, object]:
        return {**super().details(), "step": "wait", "log": self.log}


def _timed_out(one: Container, condition: str, timeout: float, seen: str) -> TimedOut:
    return WaitTimedOut(f"Wait for {condition} of {one.name}: not met within {timeout:g} s, {seen}", evidence.log_tail(one))


def _check(condition: str) -> Callable[[Container], str]:
    """A function that returns "" when the condition is met, else what it saw."""
    word, _colon, rest = condition.partition(":")
    if word == "port":
        return lambda one: _port(one, int(rest))
    if word == "path":
        return lambda one: missing(one, rest)
    return {"running": _state, "ipv4": _ipv4, "ipv6": _ipv6, "systemd": _systemd}[word]


def _state(one: Container) -> str:
    state = query.state(one)
    return "" if state is State.RUNNING else f"its state is {state.name}"


def _ipv4(one: Container) -> str:
    return _address(one, "ipv4")


def _ipv6(one: Container) -> str:
    return _address(one, "ipv6")


def _address(one: Container, family: str) -> str:
    found = info.addresses(query.init_pid(one))
    names = found.get("names")
    listed = ", ".join(str(name) for name in names) if isinstance(names, list) and names else "none"
    return "" if found.get(family) else f"no global {family} address on its interfaces ({listed})"


def _systemd(one: Container) -> str:
    """`degraded` counts: the system is up, and which unit failed is not what was asked."""
    from ..lifecycle import attach

    try:
        result = attach.attach(one, attach.AttachRequest(argv=["systemctl", "is-system-running"], timeout=10.0))
    except LxcError as error:
        return f"systemctl could not be run ({error.message})"
    word = result.stdout.decode("utf-8", "replace").strip()
    return "" if word in ("running", "degraded") else f"systemctl is-system-running says {word or 'nothing'}"


def _port(one: Container, port: int) -> str:
    """A listening socket in the container's network, found in its tables: nothing connects to the service."""
    pid = query.init_pid(one)
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as stream:
                rows = [line.split() for line in stream][1:]
        except OSError:
            continue
        if any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows):  # 0A: TCP_LISTEN
            return ""
    return f"nothing listens on TCP port {port}"


class _Wake:
    """Sleeps until something may have changed: for addresses the kernel says so, in the container's own network namespace."""

    def __init__(self, one: Container, condition: str) -> None:
        self._socket: socket.socket | None = None
        if condition in ("ipv4", "ipv6"):
            from ..kernel import addresses

            try:
                self._socket = addresses.open_in(query.init_pid(one), addresses.ADDRESS_EVENTS)
            except (OSError, LxcError):  # without it, a short poll
                self._socket = None

    def sleep(self, seconds: float) -> None:
        if self._socket is None:
            time.sleep(seconds)
            return
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(65536)
        except OSError:
            return

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
