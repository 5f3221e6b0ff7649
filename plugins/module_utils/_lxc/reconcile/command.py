# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of lxc_attach: one command inside a running container, unless what it makes is there or what it removes is gone."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BadValue, LxcError
from ..paths import Container, container
from ..wire import query
from ..wire.protocol import State
from .place import lxc_path_of
from .plan import Report

if TYPE_CHECKING:
    from ..lifecycle.attach import AttachRequest

_BASE64_LIMIT = 48 * 1024


class Command:
    """A `Job`. In check mode it answers as ansible.builtin.command does."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._container = container(params["name"], lxc_path_of(params))
        self._argv = _argv(params)
        for option in ("chdir", "creates", "removes"):
            if option in params and (not params[option].startswith("/") or "\0" in params[option]):
                raise BadValue(option, params[option], "an absolute path inside the container")
        self._environment = {_variable(key): _text(f"environment[{key}]", value) for key, value in params.get("environment", {}).items()}
        if params.get("timeout") is not None and not 0 < params["timeout"] < 1e9:
            raise BadValue("timeout", params["timeout"], "a number of seconds greater than 0, and less than a thousand million")

    def predict(self) -> Report:
        needless = self._needless()
        if needless:
            return needless
        would_run = "creates" in self._params or "removes" in self._params
        values: dict[str, object] = {"msg": "The command would have been run if this were not check mode", "rc": 0}
        return Report(would_run, {**self._output(b"", b""), **values, **({} if would_run else {"skipped": True})})

    def apply(self) -> Report:
        needless = self._needless()
        if needless:
            return needless
        from ..lifecycle import attach

        result = attach.attach(self._container, self._request())
        failed = f"The command ended with status {result.rc}" if result.rc else ""
        if result.timed_out:
            failed = f"The command was ended because it did not end by itself within {self._params['timeout']} s"
        return Report(True, {**self._output(result.stdout, result.stderr), "rc": result.rc}, failed=failed)

    def _request(self) -> AttachRequest:
        from ..lifecycle.attach import AttachRequest

        params = self._params
        user, _colon, group = params.get("user", "").partition(":")
        return AttachRequest(
            argv=self._argv,
            stdin=params["stdin"].encode("utf-8", "surrogateescape") if "stdin" in params else b"",
            namespaces=params.get("namespaces"),
            elevated=bool(params.get("elevated")),
            user=user or None,
            group=group or None,
            chdir=params.get("chdir"),
            environment=self._environment,
            timeout=params.get("timeout"),
        )

    def _needless(self) -> Report | None:
        """The report when there is nothing to run; raises when there is nothing to run it in."""
        _must_run(self._container)
        from .inside import missing

        creates, removes = self._params.get("creates"), self._params.get("removes")
        if creates and not missing(self._container, creates):
            reason = f"Did not run the command since {creates} exists"
        elif removes and missing(self._container, removes):
            reason = f"Did not run the command since {removes} does not exist"
        else:
            return None
        return Report(False, {**self._output(b"", b""), "rc": 0, "msg": reason})

    def _output(self, stdout: bytes, stderr: bytes) -> dict[str, object]:
        """As text; what is not UTF-8 comes as base64, too, for a controller takes nothing else."""
        values: dict[str, object] = {"cmd": self._argv}
        for name, data in (("stdout", stdout), ("stderr", stderr)):
            text = data.decode("utf-8", "replace")
            if "\ufffd" in text and len(data) <= _BASE64_LIMIT:
                values[f"{name}_base64"] = base64.b64encode(data).decode("ascii")
            values[name] = text[:-1] if text.endswith("\n") else text
            values[f"{name}_lines"] = str(values[name]).splitlines()
        return values


def _must_run(one: Container) -> None:
    state = query.state(one)
    if state is State.STOPPED:
        from .missing import existing, not_found

        if one.name not in existing(one.lxc_path):
            raise not_found(one)
        raise LxcError(f"Container {one.name} is not running", hint="Start it with hostkit.lxc.lxc_container")
    if state is State.FROZEN:
        raise LxcError(f"Container {one.name} is frozen: a command in it would never end", hint="Thaw it with state: started")


def _argv(params: Mapping[str, Any]) -> list[str]:
    argv = params.get("argv")
    if argv is None and params.get("cmd") is None:  # of a variable that is empty: core counts it as said
        raise BadValue("argv", None, "a command and its arguments, or cmd")
    if argv is None:
        try:
            argv = shlex.split(params["cmd"])
        except ValueError as error:
            raise BadValue("cmd", params["cmd"], f"matching quotes ({error})") from error
    if not argv or not argv[0]:
        raise BadValue("argv" if "argv" in params else "cmd", argv, "a command")
    for word in argv:
        if "\0" in word:
            raise BadValue("argv", argv, "words without NUL")
    return list(argv)


def _variable(name: str) -> str:
    if not name or "=" in name or not name.isprintable() or " " in name:
        raise BadValue("environment", name, "names without = or blanks")
    return name


def _text(option: str, value: Any) -> str:
    if isinstance(value, (list, dict)) or value is None or "\0" in str(value):
        raise BadValue(option, "(not shown)", "a string, a number or a boolean, without NUL")
    return str(value)
