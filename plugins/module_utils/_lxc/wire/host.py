# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own speech with the host's monitor: one request, one reply, each a length (32 bits, network order) and that much JSON.

    {"version": 1, "op": "start", ...}   ->   {"version": 1, "ok": true, ...}
                                         or   {"version": 1, "ok": false, "error": {"kind": "StepError", "message": ..., "details": {...}}}

Both ends use what stands here. The monitor's loop feeds a `Decoder` and sends what `encode` returns; nothing blocks but `request`.

Whoever changes what a request or its reply means raises PROTOCOL_VERSION, and a monitor still answers those of an earlier version.
`FROZEN` are the exception: what they carry never changes, so that a newer collection can always find an older monitor and replace it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from .. import errors
from ..paths import MONITOR_SOCKET
from . import connection
from .protocol import NotRunning, ProtocolError

PROTOCOL_VERSION = 1
FROZEN = ("hello", "replace", "quit")
_FROZEN_VERSION = 1
MAX_MESSAGE = 4 * 1024 * 1024

_LENGTH = struct.Struct("!I")
_NOTHING: Mapping[str, object] = MappingProxyType({})


class NoMonitor(errors.LxcError):
    """No monitor listens on the host's socket."""


class Outdated(errors.LxcError):
    """The request comes from a newer collection than the monitor's, which has to take its place first."""


class NameTaken(errors.InUse):
    """A container's command socket cannot get its name, and nobody answers there: who has it is for the client to look for."""


class Gone(ProtocolError):
    """The monitor closed the connection before it replied: it has ended, and another may have taken its place."""


_KINDS: dict[str, type[errors.LxcError]] = {
    kind.__name__: kind
    for kind in (
        errors.LxcError,
        errors.NotFound,
        errors.InUse,
        errors.Unsupported,
        errors.TimedOut,
        NoMonitor,
        Outdated,
        NameTaken,
        Gone,
        NotRunning,
        ProtocolError,
    )
}


def encode(message: Mapping[str, object]) -> bytes:
    """The bytes of one message; ProtocolError when it is too long for the other end."""
    text = json.dumps({"version": PROTOCOL_VERSION, **message}, default=repr).encode("ascii")
    if len(text) > MAX_MESSAGE:
        raise ProtocolError(f"A message of {len(text)} bytes is longer than {MAX_MESSAGE}")
    return _LENGTH.pack(len(text)) + text


def is_newer(version: str, other: str) -> bool:
    """Whether a collection of the first version is newer: by its numbers; a pre-release comes before its release (semver.org)."""
    return _rank(version) > _rank(other)


def _rank(version: str) -> tuple[list[int], bool, list[tuple[int, str]]]:
    """Build metadata does not count. Of pre-releases numbers come before words; what is no version is older than every other."""
    release, dash, pre = version.partition("+")[0].partition("-")
    try:
        numbers = [int(part) for part in release.split(".")]
    except ValueError:
        return [], False, []
    return numbers, not dash, [(int(part), "") if part.isdigit() else (1 << 30, part) for part in pre.split(".") if part]


class Decoder:
    """Takes bytes as they come and gives whole messages back."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self.limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished message are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are whole now; after a ProtocolError the connection is of no more use."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self.limit:
                raise ProtocolError(f"A message of {length} bytes is longer than {self.limit}")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(_parse(bytes(self._buffer[_LENGTH.size : end])))
            del self._buffer[:end]
        return messages


def _parse(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"A message is not JSON: {error}") from None
    if not isinstance(message, dict) or not _is_number(message.get("version")):
        raise ProtocolError("A message is not a JSON object with a version")
    return message


def check_request(message: Mapping[str, Any]) -> str:
    """The operation that a request names; Outdated when it speaks a later version than ours, for the server to answer."""
    operation = message.get("op")
    if message["version"] > PROTOCOL_VERSION and operation not in FROZEN:
        raise Outdated(
            f"The monitor speaks version {PROTOCOL_VERSION} of the protocol, the request version {message['version']}",
            "Only a collection of a later version than the monitor's takes its place",
        )
    if not isinstance(operation, str):
        raise ProtocolError("A request names no operation")
    return operation


def reply(body: Mapping[str, object]) -> dict[str, object]:
    """The message that says it was done."""
    return {**body, "ok": True}


def failure(error: BaseException) -> dict[str, object]:
    """The message that says why it was not done."""
    return {"ok": False, "error": describe(error)}


def describe(error: BaseException) -> dict[str, object]:
    """An error as JSON values: also for one of several containers within a reply."""
    if isinstance(error, errors.LxcError):
        return {"kind": type(error).__name__, "message": error.message, "details": error.details()}
    if isinstance(error, OSError):
        step = errors.StepError.from_os("monitor", "Handle", str(error.filename or "the request"), error)
        return {"kind": "StepError", "message": step.message, "details": step.details()}
    return {"kind": "LxcError", "message": f"The monitor failed: {type(error).__name__}: {error}", "details": {}}


def restore(described: object) -> errors.LxcError:
    """The error that `describe` described, of the same class where this version knows it."""
    if not isinstance(described, Mapping):
        return ProtocolError("The monitor refused without a reason")
    message = str(described.get("message", "The monitor refused without a reason"))
    given = described.get("details")
    details: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    error = _rebuild(str(described.get("kind", "")), message, details)
    error.args = (message,)
    error.message = message
    return error


def _rebuild(kind: str, message: str, details: Mapping[str, Any]) -> errors.LxcError:
    hint = str(details.get("hint", ""))
    if kind == "StepError":
        return errors.StepError.from_details(details)
    if kind == "ConfigError":
        line = details.get("line")
        number = line if isinstance(line, int) else 0
        return errors.ConfigError(str(details.get("file", "")), number, str(details.get("key", "")), message, hint)
    if kind == "BadValue":
        bad = errors.BadValue(str(details.get("option", "")), None, str(details.get("expected", "")), hint)
        bad.value = _Said(details.get("value", ""))
        return bad
    return _KINDS.get(kind, errors.LxcError)(message, hint)


def _is_number(value: object) -> bool:
    """True and False are integers to Python, not to us."""
    return isinstance(value, int) and not isinstance(value, bool)


class _Said(str):
    """A value of which only its repr() is known."""

    def __repr__(self) -> str:
        return str(self)


def request(op: str, body: Mapping[str, object] = _NOTHING, timeout: float = 10.0, path: str = MONITOR_SOCKET) -> dict[str, Any]:
    """Ask the monitor and return its reply, or raise the error it replies; NoMonitor when nobody listens."""
    deadline = connection.Deadline(timeout)
    try:
        with connection.connect(path, deadline) as link:
            _check_peer(link, path)
            link.sendall(encode({"version": _version(op), **body, "op": op}), socket.MSG_NOSIGNAL)
            answer = _receive(link, deadline)
    except socket.timeout:
        raise errors.TimedOut(f"The monitor did not answer {op} within {timeout:g} s") from None
    except OSError as error:
        _give_up(error, op, path)
    if answer.get("ok") is True:
        return answer
    raise restore(answer.get("error"))


def _version(op: str) -> int:
    """What a request is sent as: also an older monitor is to understand a frozen one."""
    return _FROZEN_VERSION if op in FROZEN else PROTOCOL_VERSION


def _check_peer(link: socket.socket, path: str) -> None:
    """Whoever could put a socket there must be root or ourselves, or it might lie to us."""
    pid, uid, _gid = connection.peer(link)
    if uid not in (0, os.geteuid()):
        raise errors.InUse(f"{path} is held by pid {pid} of uid {uid}")


def _receive(link: socket.socket, deadline: connection.Deadline) -> dict[str, Any]:
    decoder = Decoder()
    while True:
        link.settimeout(deadline.remaining())
        data = link.recv(65536)
        if not data:
            raise Gone("The monitor closed the connection without a reply")
        messages = decoder.feed(data)
        if messages:
            return messages[0]


def _give_up(error: OSError, op: str, path: str) -> NoReturn:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        raise NoMonitor(f"No monitor listens on {path}") from None
    if error.errno in (errno.EPIPE, errno.ECONNRESET):
        raise Gone(f"The monitor closed the connection during {op}") from None
    raise errors.StepError.from_os("monitor", f"Request {op} at", path, error) from None
