# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordinary job: plan, apply, observe again, and an error that names what is left."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import plan, reconciliation


class Thing:
    """A value that is to become 2, and a set-up in which nothing sticks."""

    def __init__(self, value, sticks=True):
        self.value = value
        self.sticks = sticks

    def set(self):
        self.value = 2 if self.sticks else self.value

    def plan(self):
        return [plan.Change("value", self.value, 2, "set the value", self.set)] if self.value != 2 else []

    def job(self):
        return reconciliation.Reconciliation("thing", self.plan, lambda: {"value": self.value})


def test_predict_changes_nothing_and_says_what_would_be_done():
    thing = Thing(1)
    report = thing.job().predict()
    assert (report.changed, thing.value, report.result["actions"]) == (True, 1, ["set the value"])
    assert report.diff == [plan.Diff("value: 1\n", "value: 2\n", "thing", "thing")]


def test_apply_and_again():
    thing = Thing(1)
    assert thing.job().apply() == plan.Report(
        True, {"value": 2, "actions": ["set the value"]}, [plan.Diff("value: 1\n", "value: 2\n", "thing", "thing")]
    )
    assert thing.job().apply() == plan.Report(False, {"value": 2, "actions": []}, [])


def test_a_difference_that_is_left_names_the_field():
    with pytest.raises(errors.StepError, match="value of thing: it is 1 after the change, not 2"):
        Thing(1, sticks=False).job().apply()


def test_the_diff_shows_lists_and_booleans_as_people_write_them():
    changes = [plan.Change("a", None, [1, 2], "", list), plan.Change("b", True, False, "", list)]
    assert reconciliation.fields_diff(changes, "x") == plan.Diff("b: true\n", "a: 1, 2\nb: false\n", "x", "x")
