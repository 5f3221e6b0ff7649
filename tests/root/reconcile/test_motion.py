# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that get another name: what names them follows, whatever has them wait, and however often it is cut off."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cloned
import motions
import pytest
import snapshots
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import rename
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import renaming
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot
from motions import apply, fails, job, left, ritual, text

SOAK = os.environ.get("HOSTKIT_SOAK") == "1"
ROUNDS = 20 if SOAK else 4
FORK = multiprocessing.get_context("fork")
lxc_path = motions.lxc_path


def test_the_ritual(lxc_path: Path) -> None:
    one = cloned.make(
        lxc_path, "old", "dir", f"lxc.log.file = {lxc_path}/old/old.log", f"lxc.hook.pre-start = {lxc_path}/old/hook {lxc_path}/old2"
    )
    Path(one.directory, "old.log").write_text("words\n")
    before = cloned.tree_of(one.rootfs)
    applied = ritual(lxc_path, new_name="new", state="present")
    assert applied.result["actions"] == ["rename old to new"]
    assert applied.result["container"]["name"] == "new" and applied.result["container"]["state"] == "STOPPED"
    assert sorted(os.listdir(lxc_path)) == ["new"]
    said = text(lxc_path, "new")
    assert f"lxc.rootfs.path = dir:{lxc_path}/new/rootfs\n" in said and "lxc.uts.name = new\n" in said and said.startswith("# mine\n")
    assert f"lxc.hook.pre-start = {lxc_path}/new/hook {lxc_path}/old2\n" in said and f"lxc.log.file = {lxc_path}/new/new.log\n" in said
    assert Path(lxc_path, "new/new.log").read_text() == "words\n"
    after = cloned.tree_of(f"{lxc_path}/new/rootfs")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"etc/hostname", "etc/hosts"} and set(after) == set(before)
    assert Path(lxc_path, "new/rootfs/etc/hosts").read_text() == "127.0.1.1 new\n10.0.0.9\tnew.example.org new xold\n"
    assert Path(lxc_path, "new/rootfs/etc/machine-id").read_text() == cloned.MACHINE_ID
    assert not left(lxc_path)


def test_no_link_in_its_root_is_followed(lxc_path: Path) -> None:
    """A config may name an fstab in the root, and the root may have a link in its place."""
    host = lxc_path.parent / "host"
    host.mkdir()
    said = f"{lxc_path}/old/share srv none bind,optional 0 0\n"
    for name in ("fstab", "hosts"):
        (host / name).write_text(said if name == "fstab" else "127.0.1.1 old\n")
    cloned.make(lxc_path, "old", "dir", f"lxc.mount.fstab = {lxc_path}/old/rootfs/etc2/fstab")
    root = lxc_path / "old/rootfs"
    (root / "etc2").symlink_to(host)
    (root / "etc/hosts").unlink()
    (root / "etc/hosts").symlink_to(host / "hosts")
    apply(lxc_path, new_name="new", state="present")
    assert ((host / "fstab").read_text(), (host / "hosts").read_text()) == (said, "127.0.1.1 old\n")
    assert f"{lxc_path}/new/rootfs/etc2/fstab" in text(lxc_path, "new") and sorted(os.listdir(host)) == ["fstab", "hosts"]


def test_check_mode_touches_nothing(lxc_path: Path) -> None:
    cloned.make(lxc_path, "old")
    before = snapshots.everything(str(lxc_path))
    report = job(lxc_path, new_name="new", state="present").predict()
    assert report.changed and report.result["container"]["name"] == "old"
    assert any("-lxc" not in one.before and "old" in one.before and "new" in one.after for one in report.diff)
    assert snapshots.everything(str(lxc_path)) == before


def test_it_is_started_under_its_new_name(lxc_path: Path) -> None:
    cloned.make(lxc_path, "old")
    applied = ritual(lxc_path, new_name="new", hostname="other", config={"lxc.tty.max": 3})
    assert applied.result["container"]["state"] == "RUNNING"
    assert applied.result["actions"][0] == "rename old to new" and applied.result["actions"][-1] == "start new"
    assert "lxc.uts.name = other\n" in text(lxc_path, "new")
    assert fails(lxc_path, "new", new_name="third") == "Container new is RUNNING: it cannot be renamed to third before it is stopped"
    assert fails(lxc_path, "new", new_name="third", state="frozen").startswith("Container new is RUNNING")
    done = apply(lxc_path, "new", new_name="third", state="restarted").result
    assert [word.split(" (")[0] for word in done["actions"]] == ["stop new", "rename new to third", "start third"]
    assert apply(lxc_path, "third", new_name="fourth", state="stopped").result["container"]["state"] == "STOPPED"
    assert os.listdir(lxc_path) == ["fourth"]


def test_what_stands_against_it_is_named_before_anything_moves(lxc_path: Path) -> None:
    cloned.make(lxc_path, "old")
    cloned.make(lxc_path, "new")
    before = snapshots.everything(str(lxc_path))
    assert fails(lxc_path, new_name="new", state="present") == f"Container old cannot be renamed to new: both exist in {lxc_path}"
    assert "Neither container wrong, which was to be renamed, nor right exists" in fails(lxc_path, "wrong", new_name="right")
    (lxc_path / "here").mkdir()
    (lxc_path / "here/file").touch()
    assert "in the way" in fails(lxc_path, new_name="here", state="present")
    shutil.rmtree(lxc_path / "here")
    assert snapshots.everything(str(lxc_path)) == before
    (lxc_path / "old/partial").touch()
    assert "half-made" in fails(lxc_path, new_name="third", state="present")
    (lxc_path / "old/partial").unlink()


def test_neither_is_there_and_it_can_be_made(lxc_path: Path) -> None:
    cloned.make(lxc_path, "base")
    applied = ritual(lxc_path, new_name="new", clone_from="base", state="present")
    assert applied.result["actions"] == ["make new as a clone of base"] and sorted(os.listdir(lxc_path)) == ["base", "new"]


def family(lxc_path: Path) -> None:
    """old is an overlay over base, and has two clones, one over the other, and a snapshot; a third container mounts something of it."""
    cloned.make(lxc_path, "base")
    apply(lxc_path, "old", clone_from="base", clone_snapshot=True, state="present")
    Path(lxc_path, "old/fstab").write_text(f"{lxc_path}/old/share srv none bind,optional 0 0\n")
    with open(lxc_path / "old/config", "a") as file:
        file.write(f"lxc.mount.fstab = {lxc_path}/old/fstab\n")
    snapshot.Job({"name": "old", "lxc_path": str(lxc_path), "snapshot": "snap0", "state": "present"}).apply()
    apply(lxc_path, "over", clone_from="old", clone_snapshot=True, state="present")
    apply(lxc_path, "plain", clone_from="old", backing_store="dir", state="present")
    apply(lxc_path, "child", clone_from="plain", clone_snapshot=True, state="present")
    apply(
        lxc_path, "side", template="none", state="present", config={"lxc.mount.entry": f"{lxc_path}/old/share srv none bind,optional 0 0"}
    )


def starts(lxc_path: Path, *names: str) -> None:
    for name in names:
        assert apply(lxc_path, name, state="started").result["container"]["state"] == "RUNNING"
        apply(lxc_path, name, state="stopped")


def test_a_whole_family_follows(lxc_path: Path) -> None:
    family(lxc_path)
    trees = {name: snapshots.tree(Container(str(lxc_path), name)) for name in ("old", "over", "plain", "child")}
    ritual(lxc_path, "old", new_name="new", state="present")
    ritual(lxc_path, "plain", new_name="flat", state="present")
    ritual(lxc_path, "base", new_name="ground", state="present")
    renamed = {"old": "new", "over": "over", "plain": "flat", "child": "child"}
    for before, after in renamed.items():
        now = snapshots.tree(Container(str(lxc_path), after))
        assert {path for path in now if now[path] != trees[before].get(path)} <= {"etc/hostname", "etc/hosts"} and set(now) == set(
            trees[before]
        )
    for path in [*lxc_path.rglob("config"), *lxc_path.rglob("lxc_*"), *lxc_path.rglob("fstab")]:
        assert not any(f"/{name}/" in path.read_text() or name in path.read_text().split() for name in ("old", "plain", "base")), path
    assert (lxc_path / "ground/lxc_snapshots").read_text().split()[1::2] and "new" in (lxc_path / "ground/lxc_snapshots").read_text()
    assert (lxc_path / "new/fstab").read_text() == f"{lxc_path}/new/share srv none bind,optional 0 0\n"
    assert f"lxc.mount.entry = {lxc_path}/new/share" in text(lxc_path, "side")
    starts(lxc_path, "new", "over", "flat", "child", "ground")
    assert snapshot.Job({"name": "new", "lxc_path": str(lxc_path), "snapshot": "snap0", "state": "restored"}).apply().changed
    starts(lxc_path, "new")
    assert not left(lxc_path)


def test_the_snapshots_of_lxc_1_0_go_along(lxc_path: Path) -> None:
    Path(f"{lxc_path}snaps").mkdir()
    cloned.make(lxc_path, "old", "overlayfs")
    snapshot.Job({"name": "old", "lxc_path": str(lxc_path), "snapshot": "snap0", "state": "present"}).apply()
    assert os.listdir(f"{lxc_path}snaps/old") == ["snap0"]
    ritual(lxc_path, new_name="new", state="present")
    assert (
        os.listdir(f"{lxc_path}snaps") == ["new"] and f"{lxc_path}snaps/new/snap0" in Path(f"{lxc_path}snaps/new/snap0/config").read_text()
    )
    assert snapshot.Job({"name": "new", "lxc_path": str(lxc_path), "snapshot": "snap0", "state": "restored"}).apply().changed
    starts(lxc_path, "new")


def test_a_clone_that_runs_stands_against_it(lxc_path: Path) -> None:
    cloned.make(lxc_path, "old")
    apply(lxc_path, "user", clone_from="old", clone_snapshot=True)
    assert fails(lxc_path, new_name="new", state="present") == "Container old cannot be renamed: user, which uses its files, is RUNNING"
    apply(lxc_path, "user", state="stopped")
    ritual(lxc_path, new_name="new", state="present")
    starts(lxc_path, "user")


def test_stock_tools_go_on_with_it(lxc_path: Path) -> None:
    stock.need_lxc()
    family(lxc_path)
    apply(lxc_path, "old", new_name="new", state="present")
    one = Container(str(lxc_path), "new")
    assert "snap0" in snapshots.stock("lxc-snapshot", one, "-L")
    stock.start_stock(one)
    snapshots.stock("lxc-stop", one, "-k")
    assert "new" in subprocess.run(["lxc-ls", "-P", str(lxc_path)], capture_output=True, text=True, check=True).stdout
    snapshots.stock("lxc-destroy", Container(str(lxc_path), "over"))
    apply(lxc_path, "last", clone_from="plain", state="present")
    subprocess.run(["lxc-copy", "-P", str(lxc_path), "-n", "last", "-N", "kid", "-R"], check=True, capture_output=True, timeout=60)
    assert not apply(lxc_path, "last", new_name="kid", state="present").changed
    starts(lxc_path, "kid")


def test_one_that_stock_has_renamed_and_one_that_we_have_are_the_same(lxc_path: Path) -> None:
    stock.need_lxc()
    told = {}
    for name in ("ours", "stock"):
        place = lxc_path / name
        cloned.make(place, "old", "dir", f"lxc.mount.fstab = {place}/old/fstab", f"lxc.hook.pre-start = {place}/old/hook")
        (place / "old/fstab").write_text(f"{place}/old/share srv none bind,optional 0 0\n")
        (place / "old/hook").write_text("#!/bin/sh\n")
        (place / "old/hook").chmod(0o755)
        if name == "ours":
            apply(place, new_name="new", state="present")
        else:
            subprocess.run(["lxc-copy", "-P", str(place), "-n", "old", "-N", "new", "-R"], check=True, capture_output=True, timeout=60)
        said = parser.load(f"{place}/new/config")
        told[name] = [(key, value.replace(str(place), "")) for key, value in said.pairs()]
        told[name].sort()
        told[name].append(("hostname", (place / "new/rootfs/etc/hostname").read_text().strip()))
        told[name].append(("there", str(sorted(os.listdir(place)))))
        shutil.rmtree(place)
    assert told["ours"] == told["stock"]


@pytest.fixture(params=["exchange", "three renames"])
def exchanges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot, too."""
    if request.param != "exchange":
        monkeypatch.setattr(rename, "exchange", lambda _one, _other: False)


def child(lxc_path: Path, **options: Any) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if not job(lxc_path, **options).apply().failed else 1)
        finally:
            os._exit(2)
    return pid


@pytest.mark.usefixtures("exchanges")
def test_killed_wherever_it_stands(lxc_path: Path) -> None:
    """After each kill both the container and its family can be started as they are, and the next run of the task brings it to its end."""
    family(lxc_path)
    seed = int(os.environ.get("HOSTKIT_SEED", time.time_ns() % 2**32))
    print(f"HOSTKIT_SEED={seed}")
    drawing = random.Random(seed)
    names = ["old", "new"]
    began = time.monotonic()
    apply(lxc_path, names[0], new_name=names[1], state="present")
    took = time.monotonic() - began
    for _round in range(ROUNDS):
        names.reverse()
        offset = drawing.random() * took
        pid = child(lxc_path, name=names[0], new_name=names[1], state="present")
        time.sleep(offset)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(f"killed after {offset:.4f} of {took:.4f} s: {sorted(os.listdir(lxc_path))}")
        one = Container(str(lxc_path), names[0])
        assert parser.load(one.config if os.path.isdir(one.directory) else f"{lxc_path}/{names[1]}/config").rootfs_path
        checked = job(lxc_path, names[0], new_name=names[1], state="present").predict()
        applied = apply(lxc_path, names[0], new_name=names[1], state="present")
        assert not checked.failed and checked.changed == applied.changed
        assert not apply(lxc_path, names[0], new_name=names[1], state="present").changed
        assert sorted(os.listdir(lxc_path)) == sorted(["base", "child", "over", "plain", "side", names[1]]) and not left(lxc_path)
        assert f":{lxc_path}/over/" in text(lxc_path, "over")
    starts(lxc_path, names[1], "over", "child")


@pytest.mark.parametrize("number", range(40) if SOAK else (1, 2, 3, 4, 5, 7, 11))
def test_killed_before_each_file_that_is_written(lxc_path: Path, number: int) -> None:
    """The same by the acts: before each file that comes into its place, while every path that is written down leads somewhere."""
    family(lxc_path)
    pid = os.fork()
    if pid == 0:
        seen = [0]

        def watch(event: str, _args: object) -> None:
            if event in ("os.rename", "os.symlink", "os.remove"):
                seen[0] += 1
                if seen[0] > number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        job(lxc_path, new_name="new", state="present").apply()
        os._exit(0)
    os.waitpid(pid, 0)
    for name in ("old", "over", "new"):
        if os.path.lexists(lxc_path / name / "config"):
            for place in parser.load(f"{lxc_path}/{name}/config").rootfs_path.split(":")[1:]:
                assert os.path.isdir(place), (name, place)
    apply(lxc_path, new_name="new", state="present")
    assert not left(lxc_path) and not (lxc_path / "old").exists()
    starts(lxc_path, "new", "over")


def test_a_task_about_either_name_brings_it_to_its_end(lxc_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloned.make(lxc_path, "old")
    one, new = Container(str(lxc_path), "old"), Container(str(lxc_path), "new")
    Path(renaming.journal_of(one)).write_text(json.dumps({"from": "old", "to": "new", "edits": {}}))
    os.symlink("new", new.directory)
    assert not apply(lxc_path, "old", state="present").changed
    apply(lxc_path, "new", template="none", state="present")
    apply(lxc_path, "new", state="absent")
    Path(renaming.journal_of(one)).write_text(json.dumps({"from": "old", "to": "new", "edits": {}}))
    os.rename(one.directory, new.directory)
    os.symlink("new", one.directory)
    checked = job(lxc_path, new_name="new", state="present").predict()
    assert checked.changed and checked.result["actions"] == ["finish renaming old to new"]
    assert "does not exist" in job(lxc_path, "old", state="present").apply().failed
    assert os.listdir(lxc_path) == ["new"] and not left(lxc_path) and "/new/rootfs" in text(lxc_path, "new")


def racing(barrier: Any, pipe: Any, lxc_path: Path, new_name: str) -> None:
    wanted = job(lxc_path, new_name=new_name, state="present")
    barrier.wait(30)
    report = wanted.apply()
    pipe.send((report.failed, report.changed))


@pytest.mark.parametrize("names", [("new", "new"), ("new", "other")], ids=" ".join)
def test_two_at_once(lxc_path: Path, names: tuple[str, str]) -> None:
    cloned.make(lxc_path, "old")
    for _round in range(ROUNDS):
        barrier, ends, processes = FORK.Barrier(2), [], []
        for name in names:
            ours, theirs = FORK.Pipe()
            processes.append(FORK.Process(target=racing, args=(barrier, theirs, lxc_path, name)))
            processes[-1].start()
            theirs.close()
            ends.append(ours)
        said = [end.recv() for end in ends]
        for process in processes:
            process.join(60)
        assert [changed for _failed, changed in said].count(True) == 1
        won = names[[changed for _failed, changed in said].index(True)]
        lost = next(failed for failed, changed in said if not changed)
        assert lost == "" if names[0] == names[1] else "old" in lost
        assert os.listdir(lxc_path) == [won] and not left(lxc_path)
        apply(lxc_path, won, new_name="old", state="present")
