# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a container that gets another name: how each of the two may stand."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.besides import Besides
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.desired import Desired, Observed
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.parameters import desired

OLD, NEW = paths.container("old", "/nowhere"), paths.container("new", "/nowhere")
TEXT = "lxc.uts.name = old\n"


class Recorder:
    """Verbs that only remember of whom what was asked."""

    def __init__(self):
        self.calls = []

    def foresee(self, desired):
        return f"lxc.uts.name = {desired.container.name}\n"

    foresee_renaming = foresee

    def __getattr__(self, verb):
        return lambda desired: self.calls.append(f"{verb} {desired.container.name}")


def planned(state, former, existence="absent", **more):
    verbs = Recorder()
    wanted = Desired(NEW, state, besides=Besides(OLD), **more)
    plan = container.plan(wanted, Observed(existence, former=former), verbs)
    for change in plan.changes:
        change.apply()
    return verbs.calls, plan


@pytest.mark.parametrize(
    ("state", "stands", "calls"),
    [
        ("present", "STOPPED", ["rename new"]),
        ("stopped", "STOPPED", ["rename new"]),
        ("started", "STOPPED", ["rename new", "start new"]),
        ("restarted", "STOPPED", ["rename new", "start new"]),
        ("frozen", "STOPPED", ["rename new", "start new", "freeze new"]),
        ("stopped", "RUNNING", ["stop old", "rename new"]),
        ("stopped", "FROZEN", ["stop old", "rename new"]),
        ("restarted", "RUNNING", ["stop old", "rename new", "start new"]),
    ],
)
def test_what_is_done(state, stands, calls):
    done, plan = planned(state, Observed("defined", stands, TEXT))
    assert done == calls
    assert (plan.config_before, plan.config_after) == (TEXT, "lxc.uts.name = new\n")
    assert [change.describe for change in plan.changes if change.field == "name"] == ["rename old to new"]


@pytest.mark.parametrize("state", ["present", "started", "frozen"])
@pytest.mark.parametrize("stands", ["RUNNING", "FROZEN"])
def test_one_that_runs_is_not_stopped_unasked(state, stands):
    with pytest.raises(errors.InUse, match=f"Container old is {stands}: it cannot be renamed to new") as caught:
        planned(state, Observed("defined", stands, TEXT))
    assert "state: stopped" in caught.value.hint


@pytest.mark.parametrize("existence", ["defined", "half-made"])
def test_both_are_there(existence):
    with pytest.raises(errors.InUse, match="old cannot be renamed to new: both exist in /nowhere"):
        planned("present", Observed("defined", "STOPPED", TEXT), existence)


def test_one_whose_renaming_was_cut_off_is_renamed_to_the_end():
    calls, plan = planned("present", Observed("renaming", "STOPPED", TEXT), "defined")
    assert calls == ["rename new"] and plan.changes[0].describe == "finish renaming old to new"


def test_a_half_made_one_has_no_name_to_lose():
    with pytest.raises(errors.LxcError, match=r"old is half-made.*cannot be renamed to new"):
        planned("present", Observed("half-made"))


def test_neither_is_there():
    with pytest.raises(errors.NotFound, match="Neither container old, which was to be renamed, nor new exists"):
        planned("present", None)
    assert planned("present", None, template="busybox")[0] == ["create new"]


def test_it_is_there_under_its_new_name():
    assert planned("present", None, "defined")[0] == []
    assert planned("started", None, "defined")[0] == ["start new"]


def test_what_else_is_said_is_about_the_new_name():
    calls, plan = planned("present", Observed("defined", "STOPPED", TEXT), config={"lxc.uts.name": "third"})
    assert calls == ["rename new", "write_config new"] and plan.config_after == "lxc.uts.name = third\n"


def test_several_names():
    both = desired({"name": ["a", "b"], "new_name": "x-%n", "hostname": "%n.example.org"}, "/lxc")
    assert [(one.besides.former.name, one.container.name, one.config["lxc.uts.name"]) for one in both] == [
        ("a", "x-a", "x-a.example.org"),
        ("b", "x-b", "x-b.example.org"),
    ]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"name": ["a", "b"], "new_name": "c"}, "%n"),
        ({"name": ["a"], "new_name": "a"}, "another name than those of name"),
        ({"name": ["a", "xa"], "new_name": "x%n"}, "another name than those of name"),
        ({"name": ["a"], "new_name": "b/c"}, "1 to 64 of the characters"),
        ({"name": ["a"], "new_name": "b", "state": "absent"}, "another state"),
    ],
)
def test_what_cannot_be_meant(params, expected):
    with pytest.raises(errors.BadValue, match="new_name.*" + expected):
        desired(params, "/lxc")
