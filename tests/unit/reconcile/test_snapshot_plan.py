# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for snapshots: every wanted state against what is there, and what does not go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, NotFound
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.snapshot_list import Snapshot
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot_plan
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.snapshot_plan import Observed, Wanted

PLACE = "/lxc/web/snaps"


class Recorder:
    """The verbs, noted down. `users` are those of a snapshot; `refused` is what a question raises."""

    def __init__(self, users: dict[str, list[str]] | None = None, refused: Exception | None = None) -> None:
        self.users = users or {}
        self.refused = refused
        self.done: list[tuple[Any, ...]] = []

    def _ask(self) -> None:
        if self.refused:
            raise self.refused

    def foresee_creation(self, wanted: Wanted, name: str) -> None:
        self._ask()

    def foresee_removal(self, wanted: Wanted, names: Sequence[str]) -> list[str]:
        self._ask()
        return [user for name in names for user in self.users.get(name, [])]

    def foresee_restoration(self, wanted: Wanted, snapshot: Snapshot) -> list[str]:
        self._ask()
        return self.users.get("", [])

    def used(self, wanted: Wanted, name: str) -> list[str]:
        return self.users.get(name, [])

    def create(self, wanted: Wanted, name: str) -> None:
        self.done.append(("create", name))

    def set_comment(self, wanted: Wanted, snapshot: Snapshot) -> None:
        self.done.append(("comment", snapshot.name, wanted.comment))

    def remove(self, wanted: Wanted, names: Sequence[str]) -> None:
        self.done.append(("remove", *names))

    def restore(self, wanted: Wanted, snapshot: Snapshot) -> None:
        self.done.append(("restore", snapshot.name))


def snap(name: str, minute: int = 0, comment: str = "") -> Snapshot:
    return Snapshot(Container(PLACE, name), f"2026:11:29 02:{minute:02}:00", comment)


THREE = Observed([snap("snap0", 1, "old"), snap("snap1", 2), snap("mine", 3)], next_name="snap2")
HALF = THREE._replace(half_made=["snap2"])


def read(**options: Any) -> Wanted:
    return snapshot_plan.read({"name": "web", "lxc_path": "/lxc", "state": "present", "all": False, "force": False, **options})


def planned(observed: Observed = THREE, verbs: Recorder | None = None, **options: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """What is said, and what is done."""
    verbs = verbs or Recorder()
    changes = snapshot_plan.plan(read(**options), observed, verbs).changes
    for change in changes:
        change.apply()
    return [change.describe.replace(" of web", "") for change in changes], verbs.done


CELLS = [
    ({}, ["make snapshot snap2"], [("create", "")]),
    ({"comment": "x"}, ["make snapshot snap2", "write the comment of snap2"], [("create", "")]),
    ({"comment": ""}, ["make snapshot snap2"], [("create", "")]),
    ({"snapshot": "other"}, ["make snapshot other"], [("create", "other")]),
    ({"snapshot": "mine"}, [], []),
    ({"snapshot": "mine", "comment": ""}, [], []),
    ({"snapshot": "mine", "keep": 1}, [], []),
    ({"snapshot": "snap0", "comment": "old\n"}, [], []),
    ({"snapshot": "snap0", "comment": "new"}, ["change the comment of snapshot snap0"], [("comment", "snap0", "new")]),
    ({"snapshot": "snap0", "comment": ""}, ["change the comment of snapshot snap0"], [("comment", "snap0", "")]),
    ({"keep": 4}, ["make snapshot snap2"], [("create", "")]),
    ({"keep": 3}, ["make snapshot snap2", "remove snapshot snap0"], [("create", ""), ("remove", "snap0")]),
    (
        {"keep": 1, "snapshot": "other"},
        ["make snapshot other", "remove snapshot snap0", "remove snapshot snap1", "remove snapshot mine"],
        [("create", "other"), ("remove", "snap0"), ("remove", "snap1"), ("remove", "mine")],
    ),
    ({"state": "absent", "snapshot": "other"}, [], []),
    ({"state": "absent", "snapshot": "snap1"}, ["remove snapshot snap1"], [("remove", "snap1")]),
    (
        {"state": "absent", "all": True},
        ["remove snapshot snap0", "remove snapshot snap1", "remove snapshot mine"],
        [("remove", "snap0", "snap1", "mine")],
    ),
    ({"state": "restored", "snapshot": "mine"}, ["restore web to snapshot mine"], [("restore", "mine")]),
    ({"state": "restored", "snapshot": "mine", "restore_as": "new"}, ["make new from snapshot mine"], [("restore", "mine")]),
]


@pytest.mark.parametrize(("options", "said", "done"), CELLS, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_cells(options: dict[str, Any], said: list[str], done: list[tuple[Any, ...]]) -> None:
    assert planned(**options) == (said, done)


def test_half_made_ones_are_removed_and_made() -> None:
    assert planned(HALF, state="absent", snapshot="snap2") == (["remove snapshot snap2"], [("remove", "snap2")])
    assert planned(HALF, state="absent", all=True)[1] == [("remove", "snap0", "snap1", "mine", "snap2")]
    assert planned(HALF, snapshot="snap2") == (["make snapshot snap2"], [("create", "snap2")])
    with pytest.raises(NotFound):
        planned(HALF, state="restored", snapshot="snap2")


def test_a_container_that_exists_is_restored_as() -> None:
    assert planned(THREE._replace(target_exists=True), state="restored", snapshot="mine", restore_as="new") == ([], [])
    assert planned(Observed(target_exists=True), state="restored", snapshot="gone", restore_as="new") == ([], [])


def test_who_is_flattened_is_said_first() -> None:
    verbs = Recorder({"snap1": ["over"], "": ["one", "two"]})
    assert planned(verbs=verbs, state="absent", snapshot="snap1", force=True)[0] == ["give over files of its own", "remove snapshot snap1"]
    flattened = ["give one files of its own", "give two files of its own", "restore web to snapshot mine"]
    assert planned(verbs=verbs, state="restored", snapshot="mine", force=True)[0] == flattened


def test_retention_keeps_what_is_used_and_says_so() -> None:
    plan = snapshot_plan.plan(read(keep=1), THREE, Recorder({"snap1": ["over", "another"]}))
    assert [change.field for change in plan.changes] == ["snapshot snap2", "snapshot snap0", "snapshot mine"]
    assert plan.warnings == ["Snapshot snap1 of web is kept: its files are used by over, another"]


@pytest.mark.parametrize(
    "options",
    [{}, {"state": "absent", "snapshot": "mine"}, {"state": "restored", "snapshot": "mine"}],
    ids=["present", "absent", "restored"],
)
def test_what_stands_against_it_is_raised_before_anything_is_done(options: dict[str, Any]) -> None:
    verbs = Recorder(refused=InUse("it is used"))
    with pytest.raises(InUse):
        planned(verbs=verbs, **options)
    assert verbs.done == []


def test_a_snapshot_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFound, match="web has no snapshot other") as caught:
        planned(state="restored", snapshot="other")
    assert "snap0, snap1, mine" in caught.value.hint
    with pytest.raises(NotFound) as caught:
        planned(Observed(), state="restored", snapshot="other")
    assert caught.value.hint == "It has none"


@pytest.mark.parametrize(
    ("option", "options"),
    [
        ("all", {"all": True}),
        ("all", {"all": True, "state": "restored", "snapshot": "mine"}),
        ("snapshot", {"all": True, "state": "absent", "snapshot": "mine"}),
        ("snapshot", {"state": "absent"}),
        ("snapshot", {"state": "restored"}),
        ("snapshot", {"state": "restored", "restore_as": "new"}),
        ("restore_as", {"restore_as": "new", "snapshot": "mine"}),
        ("restore_as", {"restore_as": "new", "snapshot": "mine", "state": "absent"}),
        ("restore_as", {"restore_as": "web", "snapshot": "mine", "state": "restored"}),
        ("restore_as", {"restore_as": "../x", "snapshot": "mine", "state": "restored"}),
        ("keep", {"keep": 2, "state": "absent", "all": True}),
        ("keep", {"keep": 2, "state": "restored", "snapshot": "mine"}),
        ("keep", {"keep": 0}),
        ("keep", {"keep": -1}),
        ("comment", {"comment": "x", "state": "absent", "all": True}),
        ("comment", {"comment": "x", "state": "restored", "snapshot": "mine"}),
        ("comment", {"comment": "a\0b"}),
        ("force", {"force": True}),
        ("name", {"name": "../web"}),
        ("snapshot", {"snapshot": ".x"}),
        ("snapshot", {"snapshot": ""}),
        ("lxc_path", {"lxc_path": "relative"}),
    ],
    ids=str,
)
def test_what_does_not_go_together(option: str, options: dict[str, Any]) -> None:
    with pytest.raises(BadValue) as caught:
        read(**options)
    assert caught.value.option == option
