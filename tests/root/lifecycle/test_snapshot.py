# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on the disk: made, gone back to, removed, and who is in the way."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, LxcError, NotFound
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy, replacing, restore, snapshot_list, wholefile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from snapshots import check, everything, make, state, stock, task, tree, write


@pytest.fixture
def lxc_path(tmp_path: Path) -> Path:
    (tmp_path / "lxc").mkdir()
    return tmp_path / "lxc"


@pytest.fixture(params=snapshots.STORES)
def one(request: pytest.FixtureRequest, lxc_path: Path) -> Container:
    return make(lxc_path, "web", request.param)


@pytest.fixture(params=["new", "old"])
def place(request: pytest.FixtureRequest, one: Container) -> Path:
    """Where snapshots go."""
    if request.param == "old":
        Path(one.lxc_path + "snaps").mkdir()
        return Path(one.lxc_path + "snaps", one.name)
    return Path(one.directory, "snaps")


def snap(one: Container, name: str) -> Container:
    found = snapshot_list.find(one, name)
    assert found is not None
    return found.container


def nothing_left(one: Container) -> None:
    """Of what work is done in."""
    assert not any(name.startswith(".") for name in os.listdir(one.lxc_path))
    names = [path.name for path in Path(one.lxc_path).rglob("*")]
    assert not [name for name in names if name in ("partial", "hostkit-restoring") or name.endswith(wholefile.SUFFIX)]
    assert not any(path.is_symlink() for path in Path(one.directory).iterdir())


def test_a_whole_life(one: Container, place: Path) -> None:
    write(one, "first")
    first, config = tree(one), Path(one.config).read_text()
    made = task(one, comment="before\nthe upgrade")
    assert made.changed and made.result["actions"][0] == "make snapshot snap0 of web"
    entry = made.result["snapshot"]
    assert (entry["name"], entry["comment"], entry["path"]) == ("snap0", "before\nthe upgrade", f"{place}/snap0")
    assert re.fullmatch(r"\d{4}(:\d\d){2} \d\d(:\d\d){2}", (place / "snap0/ts").read_text()) and entry["created"].startswith("2")
    assert tree(snap(one, "snap0")) == first == tree(one) and Path(one.config).read_text() == config
    write(one, "second")
    assert state(snap(one, "snap0")) == "first"
    assert task(one, snapshot="mine").result["snapshot"]["name"] == "mine"
    assert not task(one, snapshot="mine").changed
    assert task(one, snapshot="mine", comment="new").changed and not task(one, snapshot="mine", comment="new").changed
    assert task(one, snapshot="snap0", state="restored").changed
    assert tree(one) == first and Path(one.config).read_text() == config
    assert task(one, snapshot="mine", state="restored").changed
    assert state(one) == "second" and Path(one.config).read_text() == config
    assert [entry["name"] for entry in task(one, state="absent", snapshot="snap0").result["snapshots"]] == ["mine"]
    assert not task(one, state="absent", snapshot="snap0").changed
    assert task(one, state="absent", all=True).changed and not task(one, state="absent", all=True).changed
    assert state(one) == "second"
    nothing_left(one)
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []


def test_the_tree_is_that_of_lxc_snapshot(one: Container, place: Path) -> None:
    """But for the order of lines, which LXC changes when it writes a config, and its mount point in the work directory."""
    write(one, "first")
    stock("lxc-snapshot", one)
    task(one)

    def described(directory: Path, other: str) -> dict[str, object]:
        found = {}
        for path in sorted(directory.rglob("*")):
            name = str(path.relative_to(directory))
            if name in ("overlay/work/work", "overlay/work/index"):
                continue
            about = path.lstat()
            content = sorted(path.read_text().replace(directory.name, other).split("\n")) if name == "config" else ""
            if name == "lxc_rdepends":
                content = path.read_text()
            found[name] = (oct(about.st_mode), about.st_uid, about.st_gid, content)
        return found

    theirs, ours = described(place / "snap0", "SNAP"), described(place / "snap1", "SNAP")
    theirs["config"] = (theirs["config"][0], 0, 0, [line for line in theirs["config"][3] if line])  # type: ignore[index]
    ours["config"] = (ours["config"][0], 0, 0, [line for line in ours["config"][3] if line])  # type: ignore[index]
    assert ours == theirs
    assert tree(snap(one, "snap0")) == tree(snap(one, "snap1"))
    listed = Path(one.directory, "lxc_snapshots")
    both = [str(place), "snap0", str(place), "snap1"] if by_list(one) else []
    assert (listed.read_text().splitlines() if listed.exists() else []) == both


def by_list(one: Container) -> bool:
    """Whether LXC takes its snapshots for clones of it, and restores none because of them: those of an overlay in the old place."""
    return is_overlay(one) and os.path.isdir(one.lxc_path + "snaps")


def is_overlay(one: Container) -> bool:
    return "overlay:" in Path(one.config).read_text()


def test_lxc_snapshot_works_on_ours(one: Container, place: Path) -> None:
    write(one, "first")
    task(one, comment="mine")
    task(one)
    first = tree(one)
    listed = stock("lxc-snapshot", one, "-L", "-C")
    assert re.search(rf"^snap0 \({place}\) [0-9: ]{{19}}\nmine\nsnap1 ", listed, re.MULTILINE), listed
    stock("lxc-snapshot", one, "-r", "snap0", "-N", "other", ok=not by_list(one))
    if not by_list(one):
        other = Container(one.lxc_path, "other")
        assert state(other) == "first"
        stock("lxc-destroy", other)
        write(one, "second")
        stock("lxc-snapshot", one, "-r", "snap0")
    assert state(one) == "first" and {**tree(one), "etc/hostname": 0} == {**first, "etc/hostname": 0}
    stock("lxc-snapshot", one, "-d", "snap1")
    assert [found.name for found in snapshot_list.snapshots(one)] == ["snap0"]


def test_lxc_destroys_ours_with_its_snapshots(one: Container, place: Path) -> None:
    task(one)
    task(one)
    stock("lxc-destroy", one, ok=False)
    if place.parent.name == "lxcsnaps":  # which LXC 5.0 does not remove along
        stock("lxc-destroy", one, "-s", ok=False)
        stock("lxc-snapshot", one, "-d", "ALL")
    stock("lxc-destroy", one, "-s")
    assert os.listdir(one.lxc_path) == [] and not place.exists()


def test_ours_works_on_what_lxc_snapshot_made(one: Container, place: Path, tmp_path: Path) -> None:
    write(one, "first")
    (tmp_path / "comment").write_text("theirs\n")
    stock("lxc-snapshot", one, "-c", str(tmp_path / "comment"))
    write(one, "second")
    stock("lxc-snapshot", one)
    found = check(one, snapshot="snap0").result
    listed = [(entry["name"], entry["comment"], entry["dependents"]) for entry in found["snapshots"]]
    assert listed == [("snap0", "theirs", []), ("snap1", "", [])]
    assert found["snapshot"]["created"] and found["snapshot"]["path"] == f"{place}/snap0"
    task(one, snapshot="snap0", state="restored")
    assert state(one) == "first"
    task(one, snapshot="snap1", state="restored", restore_as="other")
    other = Container(one.lxc_path, "other")
    assert state(other) == "second"
    config = Path(other.config).read_text()
    assert snapshots.HWADDR not in config and "lxc.uts.name = other" in config and tree(other)["etc/hostname"][-1].strip() == "other"
    destroy.destroy(other)
    task(one, snapshot="snap0", state="absent")
    destroy.destroy(one, delete_snapshots=True)
    assert os.listdir(one.lxc_path) == []


def test_after_lxc_has_restored_in_place_a_snapshot_can_be_removed(one: Container, place: Path) -> None:
    refused = by_list(one)
    stock("lxc-snapshot", one)
    stock("lxc-snapshot", one, "-r", "snap0", ok=not refused)
    assert check(one, snapshot="snap0").result["snapshot"]["dependents"] == []
    task(one, snapshot="snap0", state="absent")
    assert not os.path.exists(f"{one.directory}/lxc_rdepends") and state_of_root(one)
    stock("lxc-destroy", one)


def state_of_root(one: Container) -> bool:
    return "usr/bin/one" in tree(one)


def test_after_ours_lxc_can_remove_it(one: Container, place: Path) -> None:
    task(one)
    task(one, snapshot="snap0", state="restored")
    stock("lxc-snapshot", one, "-d", "snap0")
    stock("lxc-destroy", one)


def test_a_chain_of_overlays(lxc_path: Path) -> None:
    """A clone over a container, snapshots of the clone: all over the same lower layer, and the lists say so as LXC's would."""
    base = make(lxc_path, "base")
    one = make(lxc_path, "web", "overlayfs", lower=base)
    users = Path(base.directory, "lxc_snapshots")
    write(one, "first")
    task(one)
    assert users.read_text().splitlines() == [str(lxc_path), "web", f"{one.directory}/snaps", "snap0"]
    assert Path(one.directory, "snaps/snap0/lxc_rdepends").read_text() == f"{lxc_path}\nbase\n"
    write(one, "second")
    task(one, snapshot="snap0", state="restored")
    assert state(one) == "first" and Path(one.directory, "lxc_rdepends").read_text() == f"{lxc_path}\nbase\n"
    assert sorted(users.read_text().splitlines()) == sorted([str(lxc_path), "web", f"{one.directory}/snaps", "snap0"])
    with pytest.raises(InUse, match="web"):
        destroy.destroy(base)
    before = everything(base.rootfs)
    task(one, snapshot="snap0", state="absent")
    assert users.read_text().splitlines() == [str(lxc_path), "web"] and everything(base.rootfs) == before
    destroy.destroy(one)
    assert not users.exists()
    destroy.destroy(base)


def test_what_uses_a_snapshot_stands_against_its_removal(one: Container, lxc_path: Path) -> None:
    write(one, "first")
    task(one)
    stock("lxc-copy", Container(snap(one, "snap0").lxc_path, "snap0"), "-p", str(lxc_path), "-N", "over", "-s", "-B", "overlay")
    over = Container(str(lxc_path), "over")
    whole, before = tree(over), everything(str(lxc_path))
    for options in ({"snapshot": "snap0"}, {"all": True}):
        for act in (check, task):
            with pytest.raises(InUse, match="snap0 of web cannot be removed: its files are used by over") as caught:
                act(one, state="absent", **options)
            assert "force" in caught.value.hint
    assert check(one, snapshot="snap0").result["snapshot"]["dependents"] == ["over"]
    assert everything(str(lxc_path)) == before
    foreseen = check(one, state="absent", snapshot="snap0", force=True)
    done = task(one, state="absent", snapshot="snap0", force=True)
    assert foreseen.result["actions"] == done.result["actions"] == ["give over files of its own", "remove snapshot snap0 of web"]
    assert tree(over) == whole and f"dir:{over.rootfs}" in Path(over.config).read_text()
    assert not os.path.exists(f"{over.directory}/lxc_rdepends")
    nothing_left(over)
    stock("lxc-destroy", over)


def test_what_no_list_names_is_found_by_its_layers(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    task(one)
    kept = snap(one, "snap0")
    over = make(lxc_path, "over", "overlayfs", lower=kept)
    Path(kept.directory, "lxc_snapshots").unlink()
    whole = tree(over)
    with pytest.raises(InUse, match="used by over"):
        task(one, state="absent", snapshot="snap0")
    task(one, state="absent", snapshot="snap0", force=True)
    assert tree(over) == whole


def test_the_lists_follow_who_uses_what(lxc_path: Path) -> None:
    """A container that was an overlay, is none, is one again."""
    base = make(lxc_path, "base")
    one = make(lxc_path, "web", "overlayfs", lower=base)
    users = Path(base.directory, "lxc_snapshots")
    task(one, snapshot="over")
    restore.flatten([one], lambda line: None)
    assert users.read_text().splitlines() == [f"{one.directory}/snaps", "over"]
    task(one, snapshot="plain")
    task(one, state="restored", snapshot="over")
    assert sorted(users.read_text().splitlines()) == sorted([f"{one.directory}/snaps", "over", str(lxc_path), "web"])
    assert Path(one.directory, "lxc_rdepends").read_text() == f"{lxc_path}\nbase\n"
    task(one, state="restored", snapshot="plain")
    assert users.read_text().splitlines() == [f"{one.directory}/snaps", "over"]
    assert not os.path.exists(f"{one.directory}/lxc_rdepends")


def test_overlays_over_a_root_stand_against_its_restoration(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    write(one, "first")
    task(one)
    write(one, "second")
    over = make(lxc_path, "over", "overlayfs", lower=one)
    task(over, snapshot="kept")
    whole = tree(over)
    for act in (check, task):
        with pytest.raises(InUse, match=r"web cannot be restored: its files are used by over, .*over/snaps/kept"):
            act(one, state="restored", snapshot="snap0")
    assert state(one) == "second"
    task(one, state="restored", snapshot="snap0", force=True)
    assert state(one) == "first" and tree(over) == whole and tree(snap(over, "kept")) == whole
    assert not os.path.exists(f"{one.directory}/lxc_snapshots")
    assert check(over, snapshot="kept").result["snapshot"]["timestamp"]
    for left in (one, over):
        nothing_left(left)
        destroy.destroy(left, delete_snapshots=True)
    assert os.listdir(lxc_path) == []


def test_a_user_behind_a_link_stands_against_it_too(lxc_path: Path, tmp_path: Path) -> None:
    """Its directory lies elsewhere. Another name of the container itself is no user."""
    one = make(lxc_path, "web")
    task(one)
    over = make(lxc_path, "over", "overlayfs", lower=one)
    Path(one.directory, "lxc_snapshots").unlink()
    os.rename(over.directory, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", over.directory)
    os.symlink(one.directory, lxc_path / "alias")
    whole = tree(over)
    for act in (check, task):
        with pytest.raises(InUse, match="its files are used by over"):
            act(one, state="restored", snapshot="snap0")
    with pytest.raises(LxcError, match=r"over is a symbolic link to .*/elsewhere"):
        task(one, state="restored", snapshot="snap0", force=True)
    assert tree(over) == whole and os.path.islink(over.directory)


def test_a_container_behind_a_link_is_not_put_in_its_place(one: Container, tmp_path: Path) -> None:
    task(one)
    os.rename(one.directory, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", one.directory)
    before = everything(str(tmp_path / "elsewhere"))
    for act in (check, task):
        with pytest.raises(LxcError, match=r"web cannot be replaced in place: .*/web is a symbolic link to .*/elsewhere") as caught:
            act(one, state="restored", snapshot="snap0")
        assert "restore_as" in caught.value.hint
    assert os.path.islink(one.directory) and everything(str(tmp_path / "elsewhere")) == before
    assert task(one, state="restored", snapshot="snap0", restore_as="other").changed


def test_users_that_were_removed_by_hand_are_none(lxc_path: Path) -> None:
    """A clone, and the snapshot of a clone."""
    one = make(lxc_path, "web")
    task(one)
    over = make(lxc_path, "over", "overlayfs", lower=one)
    task(over, snapshot="kept")
    assert Path(one.directory, "lxc_snapshots").read_text().count("\n") == 4
    with pytest.raises(InUse, match=r"used by over, .*over/snaps/kept"):
        task(one, state="restored", snapshot="snap0")
    shutil.rmtree(over.directory)
    assert check(one, state="restored", snapshot="snap0").changed
    task(one, state="restored", snapshot="snap0")
    make(lxc_path, "again", "overlayfs", lower=snap(one, "snap0"))
    shutil.rmtree(lxc_path / "again")
    task(one, state="absent", all=True)
    destroy.destroy(one)
    assert os.listdir(lxc_path) == []


def test_a_user_on_a_disk_that_is_not_mounted_stays_one(lxc_path: Path, tmp_path: Path) -> None:
    one = make(lxc_path, "web")
    task(one)
    (tmp_path / "disk").mkdir()
    Path(one.directory, "lxc_snapshots").write_text(f"{tmp_path}/disk\nover\n{tmp_path}/gone/lxc\nother\n")
    with pytest.raises(InUse, match=r"used by .*/disk/over, .*/gone/lxc/other"):
        task(one, state="restored", snapshot="snap0")


def test_an_overlay_with_clones_goes_back(lxc_path: Path) -> None:
    """They use the lower layer, and that stays."""
    one = make(lxc_path, "web", "overlayfs")
    write(one, "first")
    task(one)
    clone = make(lxc_path, "clone", "overlayfs", lower=one)
    whole = tree(clone)
    write(one, "second")
    task(one, snapshot="snap0", state="restored")
    assert state(one) == "first" and tree(clone) == whole
    assert Path(one.directory, "lxc_snapshots").read_text() == f"{lxc_path}\nclone\n"


def test_a_container_from_a_snapshot_keeps_what_it_stands_on(lxc_path: Path) -> None:
    one = make(lxc_path, "web", "overlayfs")
    task(one)
    assert task(one, state="restored", snapshot="snap0", restore_as="other").changed
    assert not task(one, state="restored", snapshot="snap0", restore_as="other").changed
    other = Container(str(lxc_path), "other")
    whole = tree(other)
    with pytest.raises(InUse, match="other"):
        destroy.destroy(one, delete_snapshots=True)
    with pytest.raises(InUse, match="other"):
        task(one, state="absent", snapshot="snap0")
    assert tree(other) == whole
    task(one, state="absent", snapshot="snap0", force=True)
    destroy.destroy(one)
    assert tree(other) == whole
    destroy.destroy(other)
    assert os.listdir(lxc_path) == []


def test_what_is_not_its_state_stays_with_a_container(one: Container) -> None:
    task(one)
    directory = Path(one.directory)
    (directory / "web.log").write_text("a log")
    (directory / "hostkit.json").write_text("{}")
    (directory / "scripts").mkdir()
    (directory / "scripts/mine").write_text("mine")
    (directory / "to").symlink_to("/nowhere")
    with open(directory / "web.log", "a", encoding="utf-8") as log:
        task(one, snapshot="snap0", state="restored")
        log.write(", still open")
    assert (directory / "web.log").read_text() == "a log, still open" and (directory / "hostkit.json").read_text() == "{}"
    assert (directory / "scripts/mine").read_text() == "mine" and os.readlink(directory / "to") == "/nowhere"
    assert not (directory / "scripts").is_symlink() and not os.path.lexists(replacing.work_of(one).lxc_path)


def test_hooks_and_fstab_are_those_of_the_snapshot(one: Container) -> None:
    directory = Path(one.directory)
    (directory / "hook").write_text("#!/bin/sh\nexit 0\n")
    (directory / "hook").chmod(0o755)
    (directory / "fstab").write_text("# old\n")
    with open(one.config, "a", encoding="utf-8") as config:
        config.write(f"lxc.hook.pre-start = {directory}/hook\nlxc.mount.fstab = {directory}/fstab\n")
    text = Path(one.config).read_text()
    task(one)
    (directory / "fstab").write_text("# new\n")
    Path(one.config).write_text("lxc.uts.name = changed\n" + "\n".join(text.split("\n")[2:]))
    task(one, snapshot="snap0", state="restored")
    assert Path(one.config).read_text() == text and (directory / "fstab").read_text() == "# old\n"


def test_retention(one: Container) -> None:
    for number in range(3):
        task(one)
        Path(snap(one, f"snap{number}").directory, "ts").write_text(f"2026:01:0{3 - number} 00:00:00")
    foreseen = check(one, keep=2)
    done = task(one, keep=2)
    assert foreseen.result["actions"] == done.result["actions"]
    assert done.result["actions"] == ["make snapshot snap3 of web", "remove snapshot snap2 of web", "remove snapshot snap1 of web"]
    assert [entry["name"] for entry in done.result["snapshots"]] == ["snap0", "snap3"]
    assert [entry["name"] for entry in foreseen.result["snapshots"]] == ["snap0", "snap3"]
    assert [entry["name"] for entry in task(one, snapshot="only", keep=1).result["snapshots"]] == ["only"]
    assert not task(one, snapshot="only", keep=1).changed


def test_retention_keeps_what_is_used(lxc_path: Path) -> None:
    one = make(lxc_path, "web", "overlayfs")
    task(one)
    task(one, state="restored", snapshot="snap0", restore_as="other")
    done = task(one, keep=1)
    assert [entry["name"] for entry in done.result["snapshots"]] == ["snap0", "snap1"]
    assert done.warnings == ["Snapshot snap0 of web is kept: its files are used by other"]


def test_a_new_name_in_a_root_whose_config_names_none(one: Container, place: Path) -> None:
    """The old one is that of the container: a snapshot's own is in no file of the root."""
    config = Path(one.config)
    config.write_text("".join(line for line in config.read_text().splitlines(keepends=True) if "uts.name" not in line))
    task(one)
    assert os.listdir(place) == ["snap0"]
    task(one, state="restored", snapshot="snap0", restore_as="other")
    other = tree(Container(one.lxc_path, "other"))
    assert (other["etc/hosts"][-1], other["etc/hostname"][-1]) == ("127.0.1.1 other\n", "other\n")


def test_links_among_the_snapshots_are_not_followed(one: Container, lxc_path: Path) -> None:
    victim = make(lxc_path, "victim")
    task(one)
    links = Path(one.directory, "snaps")
    (links / "snap1").symlink_to(victim.directory)
    (links / "evil").symlink_to(victim.directory)
    before = everything(victim.directory)
    assert [entry["name"] for entry in check(one, snapshot="snap0").result["snapshots"]] == ["snap0"]
    assert task(one).result["snapshot"]["name"] == "snap2"
    for act in (check, task):
        with pytest.raises(InUse, match="is in the way of evil"):
            act(one, snapshot="evil")
        with pytest.raises(NotFound):
            act(one, snapshot="evil", state="restored")
    assert not task(one, snapshot="evil", state="absent").changed
    task(one, state="absent", all=True)
    assert everything(victim.directory) == before and sorted(os.listdir(links)) == ["evil", "snap1"]
    destroy.destroy(one, delete_snapshots=True)
    assert everything(victim.directory) == before


def test_a_comment_that_is_a_link_is_replaced_and_not_written_through(one: Container, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    task(one, snapshot="a")
    for name in ("comment", f"comment{wholefile.SUFFIX}"):
        Path(snap(one, "a").directory, name).symlink_to(tmp_path / "victim")
    task(one, snapshot="a", comment="mine\nlxc.hook.start = /evil")
    assert (tmp_path / "victim").read_text() == "untouched"
    assert Path(snap(one, "a").directory, "comment").read_text() == "mine\nlxc.hook.start = /evil\n"
    assert "evil" not in Path(snap(one, "a").config).read_text()
    task(one, snapshot="a", comment="")
    assert not os.path.lexists(f"{snap(one, 'a').directory}/comment")


def test_a_copied_snapshot_does_not_take_the_first_ones_root_along(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    task(one)
    kept = snap(one, "snap0")
    copied = Path(one.directory, "snaps/copied")
    copied.mkdir()
    (copied / "config").write_text(Path(kept.config).read_text())
    with pytest.raises(LxcError, match="outside of"):
        task(one, snapshot="copied", state="absent")
    assert "usr/bin/one" in tree(kept)


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "-x", "ALL", "a\nb"])
def test_hostile_names(one: Container, name: str) -> None:
    before = everything(one.lxc_path)
    for options in ({}, {"state": "absent"}, {"state": "restored"}):
        with pytest.raises(BadValue, match="snapshot"):
            task(one, snapshot=name, **options)
    with pytest.raises(BadValue, match="restore_as"):
        task(one, snapshot="snap0", state="restored", restore_as="../x")
    assert everything(one.lxc_path) == before


def test_what_is_missing_is_named(one: Container) -> None:
    task(one, snapshot="mine")
    with pytest.raises(NotFound, match="web has no snapshot other") as caught:
        task(one, snapshot="other", state="restored")
    assert "mine" in caught.value.hint
    with pytest.raises(NotFound, match="nobody"):
        task(Container(one.lxc_path, "nobody"))
    assert not task(Container(one.lxc_path, "nobody"), state="absent", all=True).changed


def test_check_mode_touches_nothing(one: Container) -> None:
    task(one, snapshot="first", comment="old")
    before = everything(one.lxc_path)
    for options in (
        {},
        {"comment": "new", "keep": 1},
        {"snapshot": "first", "comment": "new"},
        {"snapshot": "first", "state": "restored"},
        {"snapshot": "first", "state": "restored", "restore_as": "other"},
        {"snapshot": "first", "state": "absent"},
        {"all": True, "state": "absent"},
    ):
        assert check(one, **options).changed
    assert everything(one.lxc_path) == before


def test_the_files_that_its_config_names_come_back_as_they_were(one: Container) -> None:
    """Its fstab names places in its own directory, which must not be those of the snapshot or of where the new one was made."""
    fstab, hook = Path(one.directory, "fstab"), Path(one.directory, "hook")
    fstab.write_text(f"{one.directory}/data mnt none bind,optional 0 0\n")
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    with open(one.config, "a", encoding="utf-8") as file:
        file.write(f"lxc.mount.fstab = {fstab}\nlxc.hook.post-stop = {hook} {one.directory}/data\n")
    before = {path.name: path.read_text() for path in (Path(one.config), fstab, hook)}
    task(one)
    assert f"{one.directory}/snaps/snap0/fstab" in Path(snap(one, "snap0").config).read_text()
    fstab.write_text("changed\n")
    hook.unlink()
    task(one, snapshot="snap0", state="restored")
    assert {path.name: path.read_text() for path in (Path(one.config), fstab, hook)} == before
    assert hook.stat().st_mode & 0o111
