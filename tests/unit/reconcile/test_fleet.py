# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many containers in one job: each has its own result, one request starts them, and one that fails does not stop the others."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import evidence, info
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet, shortage, work
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.desired import Observed
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.parameters import desired
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.verbs import Outcome


class World:
    """Containers as a dict of states; verbs that change it, and may be told to fail or to do nothing."""

    def __init__(self, **states):
        self.states = states
        self.broken = {}
        self.idle = set()
        self.by_others = set()
        self.requests = []
        self.rehearsed = []

    def observe(self, wanted):
        state = self.states.get(wanted.container.name, "ABSENT")
        return Observed("absent") if state == "ABSENT" else Observed("defined", state, template="hostkit.lxc busybox")

    def summary(self, one, _asker):
        return {"name": one.name, "state": self.states.get(one.name, "ABSENT")}

    def _act(self, verb, name, state):
        if (verb, name) in self.broken:
            raise self.broken[verb, name]
        if verb not in self.idle:
            self.states[name] = state
        return Outcome(was_so=(verb, name) in self.by_others)

    def foresee(self, wanted):
        if ("foresee", wanted.container.name) in self.broken:
            raise self.broken["foresee", wanted.container.name]
        return f"lxc.uts.name = {wanted.container.name}\nlxc.environment = A=secret\n"

    def rehearse(self, wanted, config):
        self.rehearsed.append((wanted.container.name, config))
        if ("rehearse", wanted.container.name) in self.broken:
            raise self.broken["rehearse", wanted.container.name]

    def __getattr__(self, verb):
        after = {"create": "STOPPED", "destroy": "ABSENT", "stop": "STOPPED", "freeze": "FROZEN", "thaw": "RUNNING"}[verb]
        return lambda wanted: self._act(verb, wanted.container.name, after)

    def start(self, wanted):
        raise AssertionError("a start goes through the one request")

    def start_together(self, tasks):
        self.requests.append([task.desired.container.name for task in tasks])
        for task in tasks:
            try:
                work.note(task, task.plan.start, self._act("start", task.desired.container.name, "RUNNING"))
            except errors.LxcError as error:
                task.error = error


@pytest.fixture
def run(monkeypatch):
    def run(world, names, check=False, **params):
        monkeypatch.setattr(fleet, "observe", world.observe)
        monkeypatch.setattr(work, "observe", world.observe)
        monkeypatch.setattr(info, "summary", world.summary)
        monkeypatch.setattr(evidence, "log_tail", lambda one: ["last line"])
        job = fleet.Fleet(desired({"name": names, **params}, "/nowhere"), world, world.start_together)
        return job.predict() if check else job.apply()

    return run


@pytest.mark.parametrize("check", [True, False], ids=["check", "apply"])
def test_what_would_not_start_again_is_not_stopped(run, check):
    world = World(a="RUNNING", b="FROZEN", c="STOPPED", d="RUNNING")
    world.broken = {("rehearse", name): errors.NotFound(f"no bridge for {name}") for name in "abc"}
    report = run(world, ["a", "b", "c", "d"], check=check, state="restarted")
    assert report.failed == "2 of 4 containers failed: a: no bridge for a; b: no bridge for b"
    assert world.rehearsed == [("a", ""), ("b", ""), ("d", "")], "what is stopped has nothing to lose"
    assert [len(entry["actions"]) for entry in report.result["containers"]] == [0, 0, 1, 2]
    assert [entry["changed"] for entry in report.result["containers"]] == [False, False, True, True]
    assert world.states == {"a": "RUNNING", "b": "FROZEN", "c": "STOPPED" if check else "RUNNING", "d": "RUNNING"}


def test_a_thaw_or_a_freeze_is_not_rehearsed(run):
    world = World(a="FROZEN")
    run(world, ["a"])
    run(world, ["a"], state="frozen")
    run(world, ["a"], state="stopped")
    assert world.rehearsed == []


def test_all_are_started_by_one_request(run):
    world = World(a="STOPPED", b="FROZEN", c="RUNNING", d="STOPPED")
    report = run(world, ["a", "b", "c", "d"])
    assert world.requests == [["a", "d"]]
    assert [(entry["name"], entry["state"], entry["changed"]) for entry in report.result["containers"]] == [
        ("a", "RUNNING", True), ("b", "RUNNING", True), ("c", "RUNNING", False), ("d", "RUNNING", True),
    ]  # fmt: skip
    assert report.changed and not report.failed


def test_a_start_looks_once_whether_the_host_is_short_of_something(run, monkeypatch):
    looked = []
    monkeypatch.setattr(shortage, "look", lambda failures: looked.append(list(failures)) or ["a limit is close"])
    world = World(a="STOPPED", b="STOPPED", c="RUNNING")
    world.broken = {("start", "b"): errors.StepError("start", "Start", "b", 24)}
    assert run(world, ["a", "b", "c"]).warnings == ["a: a limit is close"]
    assert looked == [[world.broken["start", "b"]]]
    run(World(a="RUNNING", b="FROZEN"), ["a", "b"])
    assert len(looked) == 1, "what is only thawed starts nothing"


def test_again_nothing_changes(run):
    world = World(a="RUNNING", b="RUNNING")
    report = run(world, ["a", "b"])
    assert (report.changed, report.diff, world.requests) == (False, [], [])


def test_check_mode_predicts_the_same_and_touches_nothing(run):
    world = World(a="STOPPED", b="RUNNING")
    predicted = run(world, ["a", "b"], check=True, state="frozen")
    assert (world.states, world.requests) == ({"a": "STOPPED", "b": "RUNNING"}, [])
    applied = run(world, ["a", "b"], state="frozen")
    assert predicted == applied
    assert world.states == {"a": "FROZEN", "b": "FROZEN"}


def test_check_mode_shows_the_config_of_a_new_container(run):
    predicted = run(World(), ["a"], check=True, state="stopped", template="busybox")
    assert predicted == run(World(), ["a"], state="stopped", template="busybox")
    fields, config = predicted.diff
    assert fields.after == "existence: defined\n"
    assert (config.before, config.after) == ("", "lxc.uts.name = a\nlxc.environment = A=(not shown)\n")
    assert config.after_header == "/nowhere/a/config"


def test_check_mode_fails_as_the_creation_will(run):
    world = World()
    world.broken = {("foresee", "a"): errors.Unsupported("There is no template x on this host")}
    predicted = run(world, ["a", "b"], check=True, template="x")
    assert world.states == {}
    applied = run(world, ["a", "b"], template="x")
    assert predicted.failed == applied.failed == "1 of 2 containers failed: a: There is no template x on this host"
    assert world.states == {"b": "RUNNING"}


@pytest.mark.parametrize("check", [True, False])
def test_another_template_than_the_one_it_was_made_from_is_a_warning(run, check):
    report = run(World(a="RUNNING", b="RUNNING"), ["a", "b"], check=check, template="debian")
    assert [warning.split(":")[0] for warning in report.warnings] == ["a", "b"]
    assert "made from template busybox, not debian" in report.warnings[0]
    assert not report.changed and not report.failed
    assert run(World(a="STOPPED", b="RUNNING"), ["a", "b"], check=check, template="busybox").warnings == []


def test_a_config_that_was_not_written_is_not_shown(run):
    world = World()
    world.broken = {("create", "a"): errors.StepError("template", "Run", "x")}
    report = run(world, ["a"], template="busybox")
    assert report.failed and report.diff == []


@pytest.mark.parametrize("verb", ["start", "freeze"])
def test_a_failure_of_one_does_not_stop_the_others(run, verb):
    world = World(a="STOPPED", b="STOPPED", c="STOPPED")
    world.broken = {(verb, "b"): errors.StepError("mount", "Mount", "/x", 2, log=["why"])}
    report = run(world, ["a", "b", "c"], state="frozen")
    assert [entry["failed"] for entry in report.result["containers"]] == [False, True, False]
    assert [world.states[name] for name in "ac"] == ["FROZEN", "FROZEN"]
    assert report.failed == "1 of 3 containers failed: b: Mount /x: No such file or directory"
    assert (report.result["step"], report.result["log"]) == ("mount", ["why"])
    assert report.result["containers"][1]["errno"] == 2


def test_a_name_that_does_not_exist_is_its_own_failure(run):
    world = World(a="STOPPED")
    report = run(world, ["a", "typo"])
    assert world.states == {"a": "RUNNING"}
    assert "1 of 2 containers failed: typo: Container typo does not exist" in report.failed


def test_what_does_not_stick_is_an_error_that_names_the_field(run):
    world = World(a="RUNNING")
    world.idle = {"stop"}
    report = run(world, ["a"], state="stopped")
    assert "state of a" in report.failed and "RUNNING" in report.failed
    assert report.result["log"][-1] == "last line"
    assert report.result["container"]["changed"]


def test_restarted_is_verified_as_started(run):
    world = World(a="RUNNING")
    report = run(world, ["a"], state="restarted")
    assert (report.failed, report.result["actions"]) == ("", ["stop a", "start a"])


def test_a_request_that_fails_whole_fails_all_that_were_in_it(run, monkeypatch):
    world = World(a="STOPPED", b="RUNNING")

    def refused(*args):
        raise errors.Unsupported("No monitor")

    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime

    monkeypatch.setattr(runtime, "start", refused)
    world.start_together = work.start_together
    report = run(world, ["a", "b"])
    assert report.failed == "1 of 2 containers failed: a: No monitor"
    assert not report.changed


def test_what_a_stop_came_to_is_said():
    task = fleet.Task(desired({"name": ["a"]}, "/x")[0])
    stop = work.Change("state", "RUNNING", "STOPPED", "stop a", list)

    for outcome in (Outcome(how="by SIGPWR"), Outcome(), Outcome(was_so=True)):
        work.note(task, stop, outcome)
    assert task.actions == ["stop a (by SIGPWR)", "stop a"]


def test_what_somebody_else_has_done_meanwhile_is_not_our_change(run):
    """Of all that was planned: a container made by another task at the same time is started by us, perhaps."""
    world = World(b="RUNNING", c="RUNNING")
    world.by_others = {("create", "a"), ("start", "a"), ("stop", "b"), ("create", "d")}
    report = run(world, ["a", "d"], template="busybox")
    assert [(entry["name"], entry["changed"], entry["actions"]) for entry in report.result["containers"]] == [
        ("a", False, []), ("d", True, ["start d"]),
    ]  # fmt: skip
    assert report.changed
    report = run(world, ["b"], state="stopped")
    assert (report.changed, report.diff, report.failed) == (False, [], "")


def test_what_is_said_twice_is_warned_of_once():
    task = fleet.Task(desired({"name": ["a"]}, "/x")[0])
    change = work.Change("config", "", "", "change lines in /x", list)
    work.note(task, change, Outcome(["/x:1: no effect", "/x:2: no effect"]))
    work.warn(task, ["/x:1: no effect", "another"])
    assert task.warnings == ["/x:1: no effect", "/x:2: no effect", "another"]


def test_several_are_worked_on_at_once(run):
    """Each stop waits until all three have begun."""
    world = World(a="RUNNING", b="RUNNING", c="FROZEN")
    begun = threading.Barrier(3, timeout=20)

    def stop(wanted):
        begun.wait()
        return world._act("stop", wanted.container.name, "STOPPED")

    world.stop = stop
    report = run(world, ["a", "b", "c"], state="stopped")
    assert (report.failed, set(world.states.values())) == ("", {"STOPPED"})
