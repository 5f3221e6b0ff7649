# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's life by lxc_snapshot: each option checked, applied, applied again and checked again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import rituals
from module import Module, Result


def told(result: Result, what: str) -> list[str]:
    """Of each snapshot, sorted: a snapshot that will be made has no time yet by which it could be put in order."""
    return sorted(one[what] for one in result["snapshots"])


def go(snapshot: Module, name: str, step: rituals.Step) -> None:
    checked, applied = snapshot.done(check=True, name=name, **step.options), snapshot.done(name=name, **step.options)
    assert checked["changed"] and applied["changed"]
    assert (checked["actions"], checked["diff"]) == (applied["actions"], applied["diff"])
    assert len(applied["actions"]) == step.actions
    assert [told(checked, what) for what in ("name", "comment")] == [told(applied, what) for what in ("name", "comment")]
    if not step.always:
        again = snapshot.done(name=name, **step.options)
        assert not again["changed"] and again["snapshots"] == applied["snapshots"]
    assert snapshot.done(check=True, name=name, **step.options)["changed"] == step.always
    assert applied.get("snapshot", {}).get("name", "") in [*told(applied, "name"), ""]


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_its_life(container: Module, snapshot: Module, info: Module, lxc_path: Path, store: str) -> None:
    mine, made = f"s-{store}", f"t-{store}"
    network = [{"type": "veth", "link": "lxcbr0", "hwaddr": "00:16:3e:00:00:07"}]
    container.done(name=mine, template="busybox", backing_store=store, network=network, state="stopped")
    for step in rituals.snapshot_life(store):
        go(snapshot, mine, step)
    there = Module("lxc_snapshot_info", lxc_path=str(lxc_path)).done(name=mine)
    assert there["exists"] and there["others"] == []
    (left,) = there["snapshots"]
    assert (left["name"], left["path"], left["backing_store"]) == ("snap1", f"{lxc_path}/{mine}/snaps/snap1", store)
    assert len(left["timestamp"]) == 19 and re.match("20..-..-..T..:..:..", left["created"])
    assert left["dependents"] == ([] if store == "dir" else [made])
    both = info.done(name=[mine, made])["containers"]
    addresses = [one["config"]["lxc.net.0.hwaddr"] for one in both]
    assert addresses[0] == "00:16:3e:00:00:07" != addresses[1]
    assert [one["hostname"] for one in both] == [mine, made]
    assert [one["backing_store"] for one in both] == [store, store]
    go(snapshot, mine, rituals.snapshot_end(store))
    started = container.done(name=[mine, made], network=[], state="started", wait_for="running")
    assert [one["state"] for one in started["containers"]] == ["RUNNING", "RUNNING"]


def test_a_container_that_runs_is_not_copied(container: Module, snapshot: Module, lxc_path: Path) -> None:
    container.done(name="r-web", template="busybox", network=[])
    for check in (True, False):
        running = snapshot.refused(check=check, name="r-web")
        assert running["error"] == "InUse" and "RUNNING" in running["msg"]
    container.done(name="r-web", state="frozen")
    snapshot.done(name="r-web", snapshot="cold")
    frozen = snapshot.refused(name="r-web", snapshot="cold", state="restored")
    assert frozen["error"] == "InUse" and "FROZEN" in frozen["msg"]
    missing = snapshot.refused(name="r-web", snapshot="hot", state="restored")
    assert missing["error"] == "NotFound" and "cold" in missing["hint"]
    misspelt = snapshot.refused(name="r-wbe")
    assert misspelt["error"] == "NotFound" and "r-web" in misspelt["msg"]
    assert not (lxc_path / "r-wbe").exists()


def test_what_others_need_stays(container: Module, snapshot: Module, info: Module) -> None:
    container.done(name="d-web", template="busybox", backing_store="overlayfs", network=[], state="stopped")
    snapshot.done(name="d-web", snapshot="base")
    snapshot.done(name="d-web", snapshot="base", state="restored", restore_as="z-web")
    refused = snapshot.refused(name="d-web", snapshot="base", state="absent")
    assert refused["error"] == "InUse" and not refused.get("changed")
    assert "z-web" in refused["msg"] and "force" in refused["hint"]
    kept = container.refused(name="d-web", state="absent", delete_snapshots=True)
    assert kept["error"] == "InUse" and "z-web" in kept["msg"]
    retained = snapshot.done(name="d-web", keep=1)
    assert told(retained, "name") == ["base", "snap0"]
    assert len([warning for warning in retained["warnings"] if "z-web" in warning]) == 1
    forced = snapshot.done(name="d-web", snapshot="base", state="absent", force=True)
    assert forced["actions"] == ["give z-web files of its own", "remove snapshot base of d-web"]
    assert info.done(name="z-web")["containers"][0]["backing_store"] == "dir"
