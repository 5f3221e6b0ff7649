# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_attach's job: when it runs, what it answers when it does not, and how bytes become text."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import command, inside
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


class Inside:
    """Stands for the container: remembers the requests and gives the answer."""

    def __init__(self):
        self.requests = []
        self.answer = attach.AttachResult(0, b"out\n", b"")
        self.state = State.RUNNING

    def attach(self, one, request):
        self.requests.append(request)
        return self.answer


@pytest.fixture
def there(monkeypatch):
    there = Inside()
    monkeypatch.setattr(query, "state", lambda one: there.state)
    monkeypatch.setattr(inside, "missing", lambda one, path: "" if path == "/there" else f"{path}: No such file or directory")
    monkeypatch.setattr(attach, "attach", there.attach)
    return there


def job(**params):
    return command.Command({"name": "m1", "lxc_path": "/nowhere", **params})


@pytest.mark.parametrize("name", ["", "=", "A=B", "A B", "A\nB", "A\0B", "\x7f"])
def test_names_that_no_environment_can_have_are_refused_in_check_mode_too(there, name):
    with pytest.raises(errors.BadValue, match="for environment: expected names without"):
        job(cmd="true", environment={name: "x"})
    with pytest.raises(errors.BadValue, match=r"environment\[A\]"):
        job(cmd="true", environment={"A": ["x"]})
    assert there.requests == []


@pytest.mark.parametrize("params", [{}, {"argv": []}, {"argv": [""]}, {"cmd": ""}])
def test_no_command_is_refused(there, params):
    with pytest.raises(errors.BadValue, match="a command"):
        job(**params)


@pytest.mark.parametrize("timeout", [0, -1, 10**9, 10**30])
def test_a_timeout_that_no_clock_knows_is_refused(there, timeout):
    with pytest.raises(errors.BadValue, match="for timeout"):
        job(cmd="true", timeout=timeout)


def test_it_runs_and_that_is_a_change(there):
    report = job(cmd="echo 'a b' $HOME", stdin="in", user="www-data:users", chdir="/x", environment={"A": 1}).apply()
    assert (report.changed, report.failed, report.result["rc"], report.result["stdout"]) == (True, "", 0, "out")
    (request,) = there.requests
    assert request.argv == ["echo", "a b", "$HOME"]
    assert (request.stdin, request.user, request.group, request.chdir, request.environment) == (
        b"in",
        "www-data",
        "users",
        "/x",
        {"A": "1"},
    )


def test_a_status_is_a_failure_with_its_output(there):
    there.answer = attach.AttachResult(3, b"", b"why\n")
    report = job(argv=["x"]).apply()
    assert (report.failed, report.result["rc"], report.result["stderr_lines"]) == ("The command ended with status 3", 3, ["why"])


def test_a_command_that_was_ended_says_why(there):
    there.answer = attach.AttachResult(137, b"", b"", timed_out=True)
    assert "did not end by itself within 5 s" in job(argv=["x"], timeout=5).apply().failed


def test_bytes_that_are_no_text_survive_json(there):
    there.answer = attach.AttachResult(0, bytes(range(256)), b"")
    result = json.loads(json.dumps(job(argv=["x"]).apply().result))
    assert base64.b64decode(result["stdout_base64"]) == bytes(range(256))
    assert result["stdout"].encode("utf-8") and result["stdout"].startswith("\0\1")
    assert "stderr_base64" not in result


@pytest.mark.parametrize(
    ("params", "runs"),
    [({"creates": "/there"}, False), ({"creates": "/not"}, True), ({"removes": "/there"}, True), ({"removes": "/not"}, False), ({}, True)],
)
def test_creates_and_removes(there, params, runs):
    predicted = job(argv=["x"], **params).predict()
    assert not there.requests
    report = job(argv=["x"], **params).apply()
    assert (report.changed, bool(there.requests)) == (runs, runs)
    assert predicted.changed == (runs and bool(params))
    assert predicted.result.get("skipped", False) == (not params)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cmd": "a 'b"}, "matching quotes"),
        ({"cmd": ""}, "a command"),
        ({"argv": []}, "a command"),
        ({"argv": ["a\0"]}, "without NUL"),
        ({"argv": ["a"], "creates": "x"}, "creates: expected an absolute path"),
        ({"argv": ["a"], "chdir": "x"}, "chdir"),
        ({"argv": ["a"], "timeout": 0}, "timeout: expected a number of seconds greater than 0"),
        ({"argv": ["a"], "timeout": -2}, "-2 for timeout"),
        ({"argv": ["a"], "lxc_path": ""}, "lxc_path"),
    ],
)
def test_what_is_refused(there, params, said):
    with pytest.raises(errors.BadValue, match=said):
        job(**params)


def test_values_of_the_environment_are_in_no_message(there):
    with pytest.raises(errors.BadValue) as caught:
        job(argv=["a"], environment={"A": ["secret"]}).apply()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("state", "said"), [(State.STOPPED, "is not running"), (State.FROZEN, "is frozen")])
def test_what_cannot_run_anything(there, tmp_path, state, said):
    (tmp_path / "m1").mkdir()
    (tmp_path / "m1" / "config").touch()
    there.state = state
    with pytest.raises(errors.LxcError, match=said):
        job(argv=["a"], lxc_path=str(tmp_path)).apply()


def test_a_name_that_does_not_exist_names_the_nearest(there, tmp_path):
    (tmp_path / "m11").mkdir()
    (tmp_path / "m11" / "config").touch()
    there.state = State.STOPPED
    with pytest.raises(errors.NotFound, match="m11"):
        job(argv=["a"], lxc_path=str(tmp_path)).predict()
