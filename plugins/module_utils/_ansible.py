# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Ansible ends and the runtime begins: nothing else in module_utils imports ansible.

A module hands over its argument_spec and a function that turns the parameters into a `Job`; this file does the rest.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ._lxc import compiled  # before the rest of it, which then may come from the host's copy
from ._lxc.errors import LxcError
from ._lxc.reconcile.plan import Job, Report
from ._lxc.wire import presence

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL")
RESULT_LIMIT = 100_000
RESERVED = ("path", "dest")
_AROUND, _AROUND_WARNING = 300, 120
_SHALLOW = ("type", "elements", "required", "default", "choices", "aliases")


def shared_options() -> dict[str, Any]:
    """The block that every module of the action group takes, so that `module_defaults` for the group work."""
    return {
        "lxc_path": {"type": "path"},
        "log_file": {"type": "path"},
        "log_level": {"type": "str", "choices": list(LOG_LEVELS)},
    }


def run(argument_spec: Mapping[str, Any], job: Callable[[dict[str, Any]], Job], *, needs_root: bool = True, **rules: Any) -> None:
    """Run a module. `job` gets the parameters that were said (None is left out); `rules` go to AnsibleModule."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as a caller may have left it, a program that failed seems to have succeeded
    module = _module({**shared_options(), **argument_spec}, rules)
    module.debug(f"The runtime is {'of the host' if compiled.TAKEN else 'of the task'}")
    params = {key: value for key, value in module.params.items() if value is not None}
    try:
        if needs_root and os.geteuid() != 0:
            uid = os.geteuid()
            module.fail_json(msg=f"This module needs root on the host of the containers, and runs as uid {uid}", hint="Add become: true")
        _check_log_file(params)
        _revive()
        work = job(params)
        report = work.predict() if module.check_mode else work.apply()
    except LxcError as error:
        _log(module, params, [*_begun(module), ("ERROR", error.message)])
        module.fail_json(**bounded({**failure(error), "msg": error.message}))
    except OSError as error:  # a call that nobody gave a step to: still the object and the number, not a traceback
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _begun(module)
        module.fail_json(msg=text, error="OSError", object=str(error.filename or ""), errno=error.errno or 0)
    _log(module, params, [*_begun(module), *_lines(report)])
    _finish(module, report)


class _Module(AnsibleModule):
    """Of what is wrong with the options all is said: core's first sentence about a dict names no option."""

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        found = getattr(getattr(self, "validation_result", None), "error_messages", [])
        super().fail_json("; ".join(dict.fromkeys(found)) if len(found) > 1 and found[0] == msg else msg, **kwargs)


def _module(argument_spec: Mapping[str, Any], rules: Mapping[str, Any]) -> AnsibleModule:
    """Core looks into what should be a dict (`autostart: true`) before it has seen what it is, and ends in a TypeError."""
    try:
        return _Module(argument_spec=argument_spec, supports_check_mode=True, **rules)
    except TypeError:
        shallow = {name: {word: said for word, said in one.items() if word in _SHALLOW} for name, one in argument_spec.items()}
        _Module(argument_spec=shallow, supports_check_mode=True, **rules)  # says what is wrong, and does not return
        raise


def _revive() -> None:
    """Containers whose monitor and keeper have died read STOPPED to everybody: before anything is believed, another takes them over."""
    if presence.orphaned():
        from ._lxc import runtime

        runtime.ensure_monitor()


def _begun(module: AnsibleModule) -> list[tuple[str, str]]:
    """Warn of what is wrong with a monitor that this task has begun; the same for its log."""
    warnings = [f"The monitor that this task started: {problem}" for problem in presence.problems]
    for warning in warnings:
        module.warn(warning)
    return [("WARN", warning) for warning in warnings]


def failure(error: LxcError) -> dict[str, Any]:
    """What fail_json returns beside the message: the step, the object, the errno, the hint, the last lines of the log."""
    return {**error.details(), "error": type(error).__name__}


def _finish(module: AnsibleModule, report: Report) -> None:
    values: dict[str, Any] = {**report.result}
    diffs = [diff._asdict() for diff in report.diff]
    if diffs and module._diff:  # as every module does: there is no public name for it
        values["diff"] = diffs[0] if len(diffs) == 1 else diffs
    if report.failed:
        values["msg"] = report.failed
    values = bounded({**values, "warnings": list(report.warnings)})
    for warning in values.pop("warnings"):
        module.warn(warning)
    if report.failed:
        module.fail_json(changed=report.changed, **values)
    module.exit_json(changed=report.changed, **values)


def bounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """All that is printed kept under 100 kB (a controller may throw a larger result away whole), the message and the warnings
    too, and without the names that make exit_json stat a file and add its facts."""
    result = {key: _clean(value) for key, value in values.items() if key not in RESERVED}
    for text, items in ((20_000, 1000), (8_000, 400), (2_000, 100), (500, 25), (100, 5)):
        if _size(result) <= RESULT_LIMIT:
            return result
        result = {key: _SHORTENERS.get(key, _shortened)(value, text, items) for key, value in result.items()}
        result["truncated"] = True
    if _size(result) <= RESULT_LIMIT:
        return result
    return {"truncated": True, **{key: value for key, value in result.items() if key in _SHORTENERS}}


def _clean(value: object) -> Any:
    """Without lone surrogates, which stand for bytes that were no UTF-8: a controller refuses a result that has one."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _size(result: Mapping[str, Any]) -> int:
    """The bytes that are printed: Ansible adds what it calls changed and failed, and wraps each warning."""
    return len(json.dumps(result, default=str)) + _AROUND + _AROUND_WARNING * len(result.get("warnings", ()))


def _shortened(value: object, text: int, items: int) -> object:
    """Long texts and lists lose their beginning: the end of a log or of an output says what went wrong."""
    if isinstance(value, str):
        return value if len(value) <= text else f"[{len(value) - text} characters left out]{value[-text:]}"
    if isinstance(value, (list, tuple)):
        return [_shortened(item, text, items) for item in value[-items:]]
    if isinstance(value, dict):
        return {key: _shortened(item, text, items) for key, item in value.items()}
    return value


def _shortened_message(value: object, text: int, _items: int) -> object:
    """Of a message the beginning is kept, which says what it is about."""
    message = str(value)
    return message if len(message) <= text else f"{message[:text]} [{len(message) - text} characters left out]"


def _shortened_warnings(value: Any, text: int, items: int) -> object:
    """As many as items, with the word of how many are missing."""
    kept = [_shortened_message(warning, text, items) for warning in value[:items]]
    return kept if len(value) <= items else [*kept[:-1], f"{len(value) - items + 1} more warnings are left out"]


_SHORTENERS: Mapping[str, Callable[[Any, int, int], object]] = {"msg": _shortened_message, "warnings": _shortened_warnings}


def _lines(report: Report) -> list[tuple[str, str]]:
    """What the task did, for its log."""
    results = report.result.get("containers", [report.result])
    actions = [entry.get("actions", []) for entry in results if isinstance(entry, dict)] if isinstance(results, list) else []
    lines = [("INFO", str(action)) for one in actions for action in one] + [("WARN", warning) for warning in report.warnings]
    return [*lines, ("ERROR", report.failed)] if report.failed else lines


def _check_log_file(params: dict[str, Any]) -> None:
    """Raises BadValue for one that cannot be written; nothing is written to it then."""
    if "log_file" in params:
        from ._lxc.lifecycle.log import check_file

        path = params.pop("log_file")
        check_file(path)
        params["log_file"] = path


def _log(module: AnsibleModule, params: Mapping[str, Any], lines: Sequence[tuple[str, str]]) -> None:
    """The task's own lines in `log_file`, in the form of LXC's log files."""
    if "log_file" not in params or not lines:
        return
    from ._lxc.lifecycle.log import Log, level_number

    names = params.get("name", ["hostkit.lxc"])
    log = Log(names if isinstance(names, str) else ",".join(names), params["log_file"], level_number(params.get("log_level", "ERROR")))
    for level, text in lines:
        log.write(level, text)
    if log.problem:
        module.warn(f"The log file {log.path} could not be written: {log.problem}")
