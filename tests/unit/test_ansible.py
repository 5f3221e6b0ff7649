# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to Ansible, with the real AnsibleModule: check mode, diff, errors, the size of a result, the log."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

basic = pytest.importorskip("ansible.module_utils.basic")
common_warnings = pytest.importorskip("ansible.module_utils.common.warnings")

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible  # noqa: E402
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, runtime  # noqa: E402
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.plan import Diff, Report  # noqa: E402

SPEC = {"value": {"type": "str"}}
SPEC["shape"] = {"type": "dict", "options": {"enabled": {"type": "bool"}}}
SPEC["parts"] = {"type": "list", "elements": "dict", "options": {"kind": {"type": "str"}}}


class Job:
    """Answers with a report, and remembers which of the two was asked."""

    def __init__(self, report):
        self.report = report
        self.asked = []

    def predict(self):
        self.asked.append("predict")
        return self.report

    def apply(self):
        self.asked.append("apply")
        return self.report


@pytest.fixture
def run(monkeypatch, capsys):
    def run(job, needs_root=False, **args):
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            _ansible.run(SPEC, job if callable(job) else lambda params: job, needs_root=needs_root)
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize(("check", "asked"), [(True, "predict"), (False, "apply")])
def test_check_mode_asks_for_the_other_half(run, check, asked):
    job = Job(Report(True, {"answer": 1}))
    result = run(job, _ansible_check_mode=check)
    assert job.asked == [asked]
    assert (result["changed"], result["answer"]) == (True, 1)


def test_how_a_program_ended_is_seen_whatever_the_caller_ignores(run):
    seen = {}

    def job(params):
        seen["status"] = subprocess.run(["false"], check=False).returncode
        return Job(Report(False))

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        run(job)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert seen == {"status": 1}


def test_only_what_was_said_is_handed_over(run):
    seen = {}
    run(lambda params: seen.update(params) or Job(Report(False)), value="x")
    assert seen == {"value": "x"}


def test_an_error_becomes_a_failure_with_its_details(run):
    def fail(params):
        raise errors.StepError("mount", "Mount", "/x", 2, log=["a line"], hint="Make it")

    result = run(fail)
    assert result["failed"] and result["msg"] == "Mount /x: No such file or directory"
    assert {key: result[key] for key in ("step", "action", "object", "errno", "log", "hint", "error")} == {
        "step": "mount",
        "action": "Mount",
        "object": "/x",
        "errno": 2,
        "log": ["a line"],
        "hint": "Make it",
        "error": "StepError",
    }


def test_an_error_of_the_kernel_names_the_object(run):
    result = run(lambda params: Job(Report(os.stat("/nowhere/x").st_size > 0)))
    assert (result["failed"], result["msg"], result["errno"]) == (True, "/nowhere/x: No such file or directory", 2)


def test_a_failure_with_results(run):
    result = run(Job(Report(True, {"containers": [1]}, failed="1 of 2 failed")))
    assert (result["failed"], result["changed"], result["containers"], result["msg"]) == (True, True, [1], "1 of 2 failed")


def test_one_diff_is_a_dict_and_several_are_a_list_and_only_when_asked_for(run):
    one = Diff("a\n", "b\n", "x", "x")
    assert "diff" not in run(Job(Report(True, diff=[one])))
    assert run(Job(Report(True, diff=[one])), _ansible_diff=True)["diff"] == one._asdict()
    assert run(Job(Report(True, diff=[one, one])), _ansible_diff=True)["diff"] == [one._asdict()] * 2
    assert "diff" not in run(Job(Report(False)), _ansible_diff=True)


def test_names_that_make_ansible_stat_files_are_left_out(run):
    result = run(Job(Report(False, {"path": "/etc/passwd", "dest": "/etc/passwd", "kept": 1})))
    assert result["kept"] == 1
    assert not {"path", "dest", "mode", "owner"} & set(result)


@pytest.mark.parametrize(
    "values",
    [
        {"stdout": "x" * 300_000, "stdout_lines": ["x" * 100] * 3000},
        {"containers": [{"name": f"c{number}", "log": ["y" * 200] * 20} for number in range(300)]},
        {"a" * 200_000: 1},
        {"stdout": "\udcff" * 100_000},
    ],
)
def test_a_result_is_kept_small_and_says_so(run, values):
    result = run(Job(Report(False, values)))
    assert result["truncated"]
    assert len(json.dumps(result)) <= 110_000


@pytest.mark.parametrize("profile", ["legacy", "modern"])
@pytest.mark.parametrize(
    "report",
    [
        Report(
            True,
            {"containers": [{"name": f"c{number}", "failed": True, "msg": "why " * 30, "log": ["y" * 99] * 5} for number in range(300)]},
            warnings=[f"c{number}: {'careful ' * 12}" for number in range(1000)],
            failed="300 of 300 containers failed: " + "; ".join(f"c{number}: {'why ' * 30}" for number in range(300)),
        ),
        Report(False, warnings=["ü" * 300_000]),
        Report(False, failed="ü" * 300_000),
        Report(False, warnings=[f"{number}" for number in range(30_000)]),
        Report(False, warnings=[f"{number:050}" for number in range(950)]),  # it is Ansible's words around each that are too many
        Report(False, {"a" * 200_000: 1}, warnings=["careful"], failed="why"),
    ],
    ids=["all of it", "a warning", "the message", "many warnings", "short warnings", "a key"],
)
def test_all_that_is_printed_is_kept_small(monkeypatch, capsys, report, profile):
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", b'{"ANSIBLE_MODULE_ARGS": {}}')
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", profile, raising=False)
    monkeypatch.setattr(common_warnings, "_global_warnings", {})  # those of other tests
    with pytest.raises(SystemExit):
        _ansible.run({}, lambda params: Job(report), needs_root=False)
    printed = capsys.readouterr().out
    result = json.loads(printed)
    assert len(printed.strip()) <= 100_000
    assert result["truncated"] and result["changed"] == report.changed
    assert bool(result.get("failed")) == bool(report.failed)
    assert result.get("msg", "")[:100] == report.failed[:100]
    assert bool(result.get("warnings")) == bool(report.warnings)


def test_how_many_warnings_are_left_out_is_said():
    warnings = _ansible.bounded({"warnings": [f"{number:0400}" for number in range(500)]})["warnings"]
    assert (len(warnings), warnings[0], warnings[-1]) == (100, f"{0:0400}", "301 more warnings are left out")


def test_what_is_no_utf8_does_not_make_the_controller_refuse_the_result(run):
    result = run(Job(Report(False, {"a": "x\udcff", "b": [{"c\udcfe": ("\udcff",)}], "ü": "ü"})))
    assert {key: result[key] for key in "abü"} == {"a": "x\ufffd", "b": [{"c\ufffd": ["\ufffd"]}], "ü": "ü"}


def test_the_end_of_a_text_is_kept():
    text = _ansible.bounded({"stdout": "x" * 300_000 + "the end"})["stdout"]
    assert text.endswith("the end") and "characters left out" in text


def test_a_small_result_is_left_alone():
    assert _ansible.bounded({"stdout": "x" * 50_000}) == {"stdout": "x" * 50_000}


def test_warnings_and_actions_go_where_they_belong(run, tmp_path):
    log = tmp_path / "log"
    report = Report(True, {"containers": [{"actions": ["start a"]}]}, warnings=["careful"])
    result = run(Job(report), log_file=str(log), log_level="INFO")
    assert "careful" in json.dumps(result["warnings"])
    assert ["start a" in line or "careful" in line for line in log.read_text().splitlines()] == [True, True]
    run(Job(report), log_file=str(tmp_path / "quiet"))
    assert not (tmp_path / "quiet").exists()


@pytest.mark.parametrize("check", [True, False], ids=["check", "apply"])
def test_a_log_file_that_cannot_be_written_is_refused_before_anything_is_done(run, tmp_path, check):
    job = Job(Report(True))
    result = run(job, log_file=str(tmp_path), _ansible_check_mode=check)
    assert result["failed"] and result["option"] == "log_file" and str(tmp_path) in result["msg"]
    assert job.asked == []


def test_a_log_file_that_cannot_be_written_after_all_is_a_warning(run, tmp_path):
    def work(_params):
        (tmp_path / "logs").rmdir()
        return Job(Report(True, {"actions": ["start a"]}))

    (tmp_path / "logs").mkdir()
    result = run(work, log_file=f"{tmp_path}/logs/file", log_level="INFO")
    assert f"{tmp_path}/logs/file could not be written: No such file" in json.dumps(result["warnings"]) and result["changed"]


@pytest.mark.parametrize("value", [True, 1, 1.5, "yes", "", ["a"], [True]], ids=repr)
@pytest.mark.parametrize("option", ["shape", "parts"])
def test_what_is_no_dict_where_one_belongs_is_refused_by_the_name_of_the_option(run, option, value):
    """Core's own check ends in a TypeError for some of them."""
    job = Job(Report(True))
    result = run(job, **{option: value})
    assert result["failed"] and f"'{option}'" in result["msg"] and "dict" in result["msg"] and job.asked == []


def test_who_is_not_root_is_told_what_to_do(run, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    job = Job(Report(True))
    result = run(job, needs_root=True)
    assert result["failed"] and "needs root" in result["msg"] and "uid 1000" in result["msg"]
    assert (result["hint"], job.asked) == ("Add become: true", [])


@pytest.mark.parametrize("fails", [errors.InUse("held"), OSError(28, "full", "/place"), None], ids=["refused", "kernel", "well"])
def test_what_is_wrong_with_the_monitor_that_a_task_began_is_a_warning(run, tmp_path, monkeypatch, fails):
    """Also of a task that then fails."""
    monkeypatch.setattr(_ansible.presence, "problems", [])

    def work(_params):
        _ansible.presence.problems.append("no_new_privs is set")
        if fails:
            raise fails
        return Job(Report(False))

    result = run(work, log_file=str(tmp_path / "log"), log_level="INFO")
    text = "The monitor that this task started: no_new_privs is set"
    assert text in json.dumps(result["warnings"]) and bool(result.get("failed")) == bool(fails)
    assert isinstance(fails, OSError) or text in (tmp_path / "log").read_text()


@pytest.mark.parametrize("check", [True, False], ids=["check", "apply"])
@pytest.mark.parametrize("orphaned", [True, False], ids=["orphaned", "answered"])
def test_containers_that_nobody_answers_for_are_taken_over_before_the_job_looks(run, monkeypatch, check, orphaned):
    """Or it would see them STOPPED."""
    events = []
    monkeypatch.setattr(_ansible.presence, "orphaned", lambda: orphaned)
    monkeypatch.setattr(runtime, "ensure_monitor", lambda: events.append("adopted"))

    def work(_params):
        events.append("looked")
        return Job(Report(False))

    assert "failed" not in run(work, _ansible_check_mode=check)
    assert events == (["adopted", "looked"] if orphaned else ["looked"])
