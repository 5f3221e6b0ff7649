# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as a task runs it, by the real AnsibleModule and on the real kernel, without the half second that a playbook takes for a task.

What a playbook adds (the controller, the payload, the connection) is tested by tests/integration.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

basic = pytest.importorskip("ansible.module_utils.basic")

MODULES = "ansible_collections.hostkit.lxc.plugins.modules"
Result = dict[str, Any]


class Module:
    """One module, with the options that every task of the test has."""

    def __init__(self, module: str, **always: object) -> None:
        self._module = importlib.import_module(f"{MODULES}.{module}")
        self.always = always

    def __call__(self, *, check: bool = False, diff: bool = True, **options: object) -> Result:
        """Its result, failed or not; an assertion that fails where it printed none."""
        arguments = {**self.always, **options, "_ansible_check_mode": check, "_ansible_diff": diff}
        with tempfile.TemporaryFile() as out:
            pid = os.fork()
            if pid == 0:
                _task(self._module, arguments, out.fileno())
            _pid, status = os.waitpid(pid, 0)
            out.seek(0)
            printed = out.read().decode()
        try:
            result: Result = json.loads(printed)
        except ValueError:
            pytest.fail(f"{self._module.__name__} ended with wait status {status:#x} and printed no result: {printed}")
        result["warnings"] = [_text(warning) for warning in result.get("warnings", ())]
        assert os.waitstatus_to_exitcode(status) == int(bool(result.get("failed")))
        return result

    def done(self, **options: Any) -> Result:
        """The result of what must not fail."""
        result = self(**options)
        assert not result.get("failed"), result
        return result

    def refused(self, **options: Any) -> Result:
        """The result of what must fail."""
        result = self(**options)
        assert result.get("failed"), result
        return result


def _text(warning: Any) -> str:
    """Newer cores wrap what a module warns of for the controller."""
    return str(warning["event"]["msg"] if isinstance(warning, dict) else warning)


def _task(module: Any, arguments: Mapping[str, object], out_fd: int) -> NoReturn:
    """In the child: a process of its own, as each task is, whose monitor and namespaces are not the tests'."""
    status = 70
    try:
        os.setsid()
        os.dup2(out_fd, 1)
        os.dup2(out_fd, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)  # pytest's own goes elsewhere
        sys.stderr = sys.stdout
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        module.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def ritual(module: Module, options: Mapping[str, object], changed: bool = True) -> tuple[Result, Result]:
    """Check, apply, apply again, check again: it changes once, as predicted, or never. Gives the first check and what was applied."""
    checked, applied = module.done(check=True, **options), module.done(**options)
    again, checked_again = module.done(**options), module.done(check=True, **options)
    assert (checked["changed"], applied["changed"]) == (changed, changed), (checked, applied)
    assert checked.get("diff", []) == applied.get("diff", [])
    assert bool(checked.get("diff")) == changed
    always = options.get("state") == "restarted"
    assert (again["changed"], checked_again["changed"]) == (always, always), (again, checked_again)
    for one in (checked, again, checked_again):
        assert one["container"]["state"] == applied["container"]["state"]
    return checked, applied


def remove_all(lxc_path: Path) -> None:
    """Every container below that path: those that others need go last."""
    info, container = Module("lxc_container_info", lxc_path=str(lxc_path)), Module("lxc_container", lxc_path=str(lxc_path))
    for _round in range(5):
        names = [one["name"] for one in info.done()["containers"]]
        if not names:
            return
        container(name=names, state="absent", stop_timeout=0, delete_snapshots=True)
    raise AssertionError(f"{names} cannot be removed from {lxc_path}")
