# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/states.md, cell by cell, against the planner."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import container, observe, origin
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.course import RUN
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.desired import Desired, Observed
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

STANDS = {
    "absent": Observed("absent"),
    "stopped": Observed("defined", "STOPPED"),
    "running": Observed("defined", "RUNNING"),
    "frozen": Observed("defined", "FROZEN"),
    "half-made": Observed("half-made"),
}
STATES = tuple(RUN)
WHERE = paths.container("p1", "/nowhere")


class Recorder:
    """Verbs that only remember what was asked."""

    def __init__(self):
        self.calls = []

    def foresee(self, desired):
        return f"lxc.uts.name = {desired.container.name}\n"

    def __getattr__(self, verb):
        return lambda desired: self.calls.append(verb)


def table():
    text = (Path(__file__).resolve().parents[3] / "docs" / "states.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    heads = rows[0][1:]
    for row in rows[2:]:
        for stands, cell in zip(heads, row[1:]):
            yield row[0].strip("`"), stands, [] if cell == "nothing" else [word.strip() for word in cell.split(",")]


def made(wanted, stands, **more):
    verbs = Recorder()
    plan = container.plan(Desired(WHERE, wanted, **more), STANDS[stands], verbs)
    for change in plan.changes:
        change.apply()
    return verbs.calls, plan


def test_the_table_is_whole():
    assert {(wanted, stands) for wanted, stands, _cell in table()} == {(wanted, stands) for wanted in STATES for stands in STANDS}


@pytest.mark.parametrize(("wanted", "stands", "words"), list(table()))
def test_cell(wanted, stands, words):
    calls, plan = made(wanted, stands, template="busybox")
    assert calls == [word.split()[0] for word in words]
    assert ("anew" in plan.changes[0].describe if plan.changes else False) == any("anew" in word for word in words)


@pytest.mark.parametrize(("wanted", "stands", "words"), list(table()))
def test_cell_of_a_clone(wanted, stands, words):
    calls, plan = made(wanted, stands, clone=(paths.container("p0", "/nowhere"), False))
    assert calls == [word.split()[0] for word in words]
    if words and words[0].startswith("create"):
        assert plan.changes[0].describe.startswith("make p1 as a clone of p0") and ("anew" in plan.changes[0].describe) == (
            "anew" in words[0]
        )


def test_what_a_clone_is_made_from_is_named():
    plan = made("present", "absent", clone=(paths.container("p0", "/elsewhere"), True))[1]
    assert plan.changes[0].describe == "make p1 as a snapshot of /elsewhere/p0"


@pytest.mark.parametrize(("wanted", "stands", "words"), [cell for cell in table() if cell[1] in ("absent", "half-made")])
def test_without_a_template_nothing_is_made(wanted, stands, words):
    if wanted == "absent":
        assert made(wanted, stands)[0] == words
        return
    with pytest.raises(errors.LxcError, match="does not exist" if stands == "absent" else "half-made"):
        made(wanted, stands)


@pytest.mark.parametrize("stands", ["absent", "half-made"])
def test_a_creation_shows_the_config_that_it_will_write(stands):
    plan = made("started", stands, template="busybox")[1]
    assert (plan.config_before, plan.config_after) == ("", "lxc.uts.name = p1\n")


def test_the_error_for_a_missing_name_lists_what_exists(tmp_path):
    for name in ("web1", "database"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").touch()
    with pytest.raises(errors.NotFound, match="Nearest: web1"):
        container.plan(Desired(paths.container("wbe1", str(tmp_path))), STANDS["absent"], Recorder())
    with pytest.raises(errors.NotFound, match="There are: database, web1"):
        container.plan(Desired(paths.container("zzzzzz", str(tmp_path))), STANDS["absent"], Recorder())


@pytest.mark.parametrize("wanted", STATES)
@pytest.mark.parametrize("stands", STANDS)
def test_the_changes_lead_from_what_is_to_what_is_wanted(wanted, stands):
    plan = made(wanted, stands, template="busybox")[1]
    states = [change for change in plan.changes if change.field == "state"]
    for one, next_one in zip(states, states[1:]):
        assert one.after == next_one.before
    if states and wanted != "absent":
        assert states[-1].after == {"started": "RUNNING", "restarted": "RUNNING", "frozen": "FROZEN", "stopped": "STOPPED"}[wanted]
    assert plan.start in plan.changes if plan.start else True
    assert all(change.after != "RUNNING" or "thaw" in change.describe for change in (*plan.before, *plan.after))


AT = "/nowhere/p1/rootfs"


@pytest.mark.parametrize(
    ("said", "rootfs"),
    [
        ({"backing_store": "dir"}, f"dir:{AT}"),
        ({"backing_store": "dir"}, AT),
        ({"backing_store": "overlayfs"}, f"overlay:{AT}:/nowhere/p1/overlay/delta"),
        ({"backing_store": "overlayfs"}, f"overlayfs:{AT}:/nowhere/p1/delta0"),
        ({"backing_options": {"directory": "/srv/x"}}, "dir:/srv/x/"),
        ({}, "btrfs:/x"),
        ({"backing_store": "best"}, "loop:/x"),
        ({"backing_store": "lvm", "backing_options": {"vg_name": "vg", "lv_name": "p1", "thinpool": "any"}}, "lvm:/dev/vg/p1.2"),
        ({"backing_options": {"zfs_root": "tank/lxc"}}, "zfs:tank/lxc/p1"),
    ],
)
def test_a_root_that_is_where_it_is_asked_for(said, rootfs):
    assert container.plan(Desired(WHERE, **said), Observed("defined", "RUNNING", rootfs=rootfs), Recorder()).changes == []


@pytest.mark.parametrize("state", [state for state in STATES if state != "absent"])
@pytest.mark.parametrize(
    ("said", "rootfs", "option", "expected"),
    [
        ({"backing_store": "overlayfs"}, f"dir:{AT}", "backing_store", f"dir, as p1 exists and its root filesystem is dir:{AT}"),
        ({"backing_store": "dir"}, "btrfs:/x", "backing_store", "btrfs, as p1 exists and its root filesystem is btrfs:/x"),
        ({"backing_store": "dir"}, "", "backing_store", "none, as p1 exists without a root filesystem"),
        ({"backing_options": {"directory": "/y"}}, "dir:/x", "directory", "/x, as p1 exists and its root filesystem is dir:/x"),
        (
            {"backing_options": {"directory": "/x"}},
            "overlay:/x:/y",
            "directory",
            "none, as p1 exists and its root filesystem is overlay:/x:/y",
        ),
        ({"backing_options": {"directory": "/x"}}, "", "directory", "none, as p1 exists without a root filesystem"),
        ({"backing_options": {"vg_name": "a"}}, "lvm:/dev/b/x", "vg_name", "b, as p1 exists and its root filesystem is lvm:/dev/b/x"),
        ({"backing_options": {"lv_name": "a"}}, "lvm:/dev/b/c.1", "lv_name", "c.1, as p1 exists and its root filesystem is lvm:/dev/b/c.1"),
        ({"backing_options": {"zfs_root": "a"}}, "zfs:b/x", "zfs_root", "b, as p1 exists and its root filesystem is zfs:b/x"),
        ({"backing_options": {"thinpool": "a"}}, "dir:/x", "thinpool", "none, as p1 exists and its root filesystem is dir:/x"),
        ({"backing_options": {"zfs_root": "a"}}, "", "zfs_root", "none, as p1 exists without a root filesystem"),
    ],
)
def test_a_root_that_is_elsewhere_is_an_error_that_says_where(state, said, rootfs, option, expected):
    with pytest.raises(errors.BadValue) as caught:
        container.plan(Desired(WHERE, state, template="busybox", **said), Observed("defined", "STOPPED", rootfs=rootfs), Recorder())
    assert (caught.value.option, caught.value.expected) == (option, expected)
    assert ("migrate: true" if option == "backing_store" and rootfs else "Nothing moves") in caught.value.hint


def sized(rootfs, size, wanted="2G", state="started"):
    said = Desired(WHERE, state, backing_options={"size": wanted})
    verbs = Recorder()
    plan = container.plan(said, Observed("defined", "STOPPED", rootfs=rootfs, size=size), verbs)
    for change in plan.changes:
        change.apply()
    return plan, verbs.calls


@pytest.mark.parametrize(("rootfs", "size"), [("loop:/x", 1 << 30), ("btrfs:/x", 1 << 30), ("btrfs:/x", 4 << 30), ("btrfs:/x", None)])
def test_a_root_gets_another_size_before_it_starts(rootfs, size):
    plan, calls = sized(rootfs, size)
    assert calls == ["resize", "start"] and plan.changes[0].describe == "resize p1 to 2G"
    assert (plan.changes[0].field, plan.changes[0].after) == ("size", "2G")


def test_a_volume_has_whole_extents(monkeypatch):
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import lvm

    monkeypatch.setattr(lvm.Lvm, "rounded", lambda self, size: -(-size // (1 << 30)) * (1 << 30))
    assert sized("lvm:/dev/vg/x", 2 << 30, wanted="1500M", state="stopped")[0].changes == []
    assert sized("lvm:/dev/vg/x", 1 << 30, wanted="1500M", state="stopped")[0].changes[0].describe == "resize p1 to 2G"
    with pytest.raises(errors.BadValue, match="at least 3G, which it has: the file system in a volume does not shrink"):
        sized("lvm:/dev/vg/x", 3 << 30)
    assert sized("zfs:tank/x", 3 << 30)[1] == ["resize", "start"]


@pytest.mark.parametrize("rootfs", ["loop:/x", "btrfs:/x"])
def test_a_root_that_has_its_size(rootfs):
    assert sized(rootfs, 2 << 30, state="stopped")[0].changes == []


@pytest.mark.parametrize(
    ("rootfs", "size", "kind", "text"),
    [
        ("loop:/x", 3 << 30, errors.BadValue, "at least 3G, which it has: the file system in an image does not shrink"),
        ("dir:/x", None, errors.Unsupported, "size: the backing store dir has none below /nowhere"),
        ("overlay:/x:/y", None, errors.Unsupported, "size: the backing store overlayfs has none below /nowhere"),
        ("", None, errors.BadValue, "none, as p1 exists without a root filesystem"),
    ],
)
def test_a_size_that_a_root_cannot_have(rootfs, size, kind, text):
    with pytest.raises(kind, match=text):
        sized(rootfs, size)


@pytest.mark.parametrize(
    ("first", "said", "made_from"),
    [
        ("# Template used to create this container: hostkit.lxc debian", {"template": "debian"}, "hostkit.lxc debian"),
        ("# Template used to create this container: /t/lxc-x", {"template": "x"}, "/t/lxc-x"),
        ("# Template used to create this container: /t/lxc-x", {}, ""),
        ("# Mine", {"template": "debian"}, ""),
        ("", {"template": "debian"}, ""),
    ],
)
def test_what_a_container_was_made_from_is_in_its_first_line(tmp_path, monkeypatch, first, said, made_from):
    monkeypatch.setattr(observe.query, "state", lambda one: State.STOPPED)
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1/config").write_text(f"{first}\nlxc.rootfs.path = dir:/x\nlxc.nonsense = 1\n")
    seen = observe.observe(Desired(paths.container("p1", str(tmp_path)), backing_store="dir", **said))
    assert (seen.template, seen.rootfs) == (made_from, "dir:/x")
    assert observe.observe(Desired(paths.container("p1", str(tmp_path)), **said)).rootfs is None


@pytest.mark.parametrize(
    ("made_from", "asked", "said"),
    [
        ("hostkit.lxc debian", "debian", ""),
        ("/usr/share/lxc/templates/lxc-debian", "debian", ""),
        ("/opt/lxc-mine", "/srv/lxc-mine", ""),
        ("hostkit.lxc busybox", "debian", "It exists and was made from template busybox, not debian: it stays as it is"),
        ("/t/lxc-a", "/t/lxc-b", "It exists and was made from template /t/lxc-a, not /t/lxc-b: it stays as it is"),
    ],
)
def test_another_template_is_said(made_from, asked, said):
    assert origin.other_template(made_from, asked) == said


def test_snapshots_stand_against_absent():
    observed = Observed("defined", "STOPPED", snapshots=("snap0", "snap1"))
    with pytest.raises(errors.InUse, match="snap0, snap1"):
        container.plan(Desired(WHERE, "absent"), observed, Recorder())
    assert len(container.plan(Desired(WHERE, "absent", delete_snapshots=True), observed, Recorder()).changes) == 1


def test_clones_stand_against_absent():
    observed = Observed("defined", "RUNNING", clones=("c1", "c2"))
    with pytest.raises(errors.InUse, match="used by its clones: c1, c2"):
        container.plan(Desired(WHERE, "absent", delete_snapshots=True), observed, Recorder())
