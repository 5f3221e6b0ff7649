# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers whose root is kept in another way: every file of it, or nothing happens."""

from __future__ import annotations

import os
import random
import signal
import stat
import time
from pathlib import Path
from typing import Any

import cloned
import motions
import pytest
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot
from motions import apply, fails, job, left, ritual, text

lxc_path = motions.lxc_path
ROUNDS = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 4
WAYS = [("dir", "overlayfs"), ("dir", "loop"), ("overlayfs", "dir"), ("overlayfs", "loop"), ("loop", "dir"), ("loop", "overlayfs")]


def one(lxc_path: Path) -> Container:
    return Container(str(lxc_path), "old")


def kept(lxc_path: Path) -> str:
    return parser.load(one(lxc_path).config).rootfs_path


def begin(lxc_path: Path, store: str) -> None:
    cloned.make(lxc_path, "old", "overlayfs" if store == "overlayfs" else "dir", "lxc.net.0.hwaddr = 00:16:3e:01:02:03")
    if store == "overlayfs":
        (lxc_path / "old/overlay/delta/upper").write_text("above")
    if store == "loop":
        apply(lxc_path, state="present", backing_store="loop", size="128M", migrate=True)


def options(store: str) -> dict[str, Any]:
    return {"backing_store": store, "migrate": True, **({"size": "128M"} if store == "loop" else {})}


@pytest.mark.parametrize(("before", "after"), WAYS, ids=["-".join(way) for way in WAYS])
def test_the_ritual(lxc_path: Path, before: str, after: str) -> None:
    begin(lxc_path, before)
    tree = snapshots.tree(one(lxc_path))
    tree.pop("lost+found", None)
    said = text(lxc_path, "old").splitlines()
    assert "migrate: true" in job(lxc_path, state="present", backing_store=after).apply().result["hint"]
    applied = ritual(lxc_path, state="present", **options(after))
    assert applied.result["actions"] == [f"move old to {after}"]
    now = snapshots.tree(one(lxc_path))
    assert {path for path in {*now, *tree} if now.get(path) != tree.get(path)} <= {"lost+found"}
    assert [line for line in text(lxc_path, "old").splitlines() if "rootfs.path" not in line] == [
        line for line in said if "rootfs.path" not in line
    ]
    assert {"dir": "dir:", "overlayfs": "overlay:", "loop": "loop:"}[after] in kept(lxc_path) and ".hostkit" not in text(lxc_path, "old")
    gone = {"dir": "rootfs/bin", "overlayfs": "overlay", "loop": "rootdev"}[before]
    assert after == "overlayfs" or not os.path.exists(lxc_path / "old" / gone)
    assert not left(lxc_path) and sorted(os.listdir(lxc_path)) == ["old"]
    assert apply(lxc_path, state="started").result["container"]["state"] == "RUNNING"


def test_one_that_runs(lxc_path: Path) -> None:
    begin(lxc_path, "dir")
    apply(lxc_path)
    before = kept(lxc_path)
    for state in ("started", "present", "frozen"):
        assert fails(lxc_path, state=state, **options("loop")).startswith("Container old is RUNNING: it cannot be moved to loop before")
    assert kept(lxc_path) == before
    done = apply(lxc_path, state="restarted", **options("loop")).result
    assert [word.split(" (")[0] for word in done["actions"]] == ["stop old", "move old to loop", "start old"]
    done = apply(lxc_path, state="stopped", config={"lxc.tty.max": 5}, **options("overlayfs")).result
    assert done["container"]["state"] == "STOPPED" and "lxc.tty.max = 5" in text(lxc_path, "old")


def test_what_stands_against_it_is_named(lxc_path: Path) -> None:
    begin(lxc_path, "dir")
    apply(lxc_path, "user", clone_from="old", clone_snapshot=True, state="present")
    before = snapshots.everything(str(lxc_path))
    assert "its files are used by user" in fails(lxc_path, state="present", **options("loop"))
    assert snapshots.everything(str(lxc_path)) == before
    apply(lxc_path, "user", state="absent")
    snapshot.Job({"name": "old", "lxc_path": str(lxc_path), "snapshot": "snap0", "state": "present"}).apply()
    assert "it has the snapshots snap0" in fails(lxc_path, state="present", **options("loop"))
    with pytest.raises(BadValue, match="backing_store with it"):
        job(lxc_path, migrate=True)


def test_a_clone_is_on_its_own_afterwards(lxc_path: Path) -> None:
    cloned.make(lxc_path, "base")
    apply(lxc_path, "old", clone_from="base", clone_snapshot=True, state="present")
    tree = snapshots.tree(one(lxc_path))
    ritual(lxc_path, state="present", **options("dir"))
    assert snapshots.tree(one(lxc_path)) == tree
    assert not os.path.exists(lxc_path / "base/lxc_snapshots") and not os.path.exists(lxc_path / "old/lxc_rdepends")
    apply(lxc_path, "base", state="absent")


def test_no_space(lxc_path: Path) -> None:
    begin(lxc_path, "dir")
    with open(lxc_path / "old/rootfs/large", "wb") as file:
        file.write(os.urandom(40 << 20))
    before, said = snapshots.everything(f"{lxc_path}/old/rootfs"), text(lxc_path, "old")
    report = job(lxc_path, state="present", backing_store="loop", size="24M", migrate=True).apply()
    assert "No space" in report.failed or "space" in report.failed, report.failed
    assert (snapshots.everything(f"{lxc_path}/old/rootfs"), text(lxc_path, "old")) == (before, said)
    assert os.listdir(lxc_path) == ["old"]
    ritual(lxc_path, state="present", **options("loop"))


def test_killed_wherever_it_stands(lxc_path: Path) -> None:
    begin(lxc_path, "dir")
    tree = snapshots.tree(one(lxc_path))
    seed = int(os.environ.get("HOSTKIT_SEED", time.time_ns() % 2**32))
    print(f"HOSTKIT_SEED={seed}")
    drawing = random.Random(seed)
    kinds = ["overlayfs", "loop", "dir"]
    began = time.monotonic()
    apply(lxc_path, state="present", **options("dir"))
    apply(lxc_path, state="present", **options("overlayfs"))
    took = time.monotonic() - began
    for number in range(ROUNDS):
        kind = kinds[(number + 1) % 3]
        pid = os.fork()
        if pid == 0:
            try:
                job(lxc_path, state="present", **options(kind)).apply()
            finally:
                os._exit(0)
        offset = drawing.random() * took
        time.sleep(offset)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(f"killed after {offset:.4f} of {took:.4f} s: {sorted(os.listdir(lxc_path))}, {kept(lxc_path)}")
        now = snapshots.tree(one(lxc_path))
        assert {path for path in {*now, *tree} if now.get(path) != tree.get(path)} <= {"lost+found"}
        checked = job(lxc_path, state="present", **options(kind)).predict()
        applied = apply(lxc_path, state="present", **options(kind))
        assert checked.changed == applied.changed and not checked.failed
        assert not apply(lxc_path, state="present", **options(kind)).changed
        assert os.listdir(lxc_path) == ["old"] and not left(lxc_path)
        now = snapshots.tree(one(lxc_path))
        assert {path for path in {*now, *tree} if now.get(path) != tree.get(path)} <= {"lost+found"}


def aufs(lxc_path: Path) -> None:
    """As LXC 1.0 has left it, with everything that aufs writes into an upper layer."""
    cloned.make(lxc_path, "old")
    lower, upper = lxc_path / "old/rootfs", lxc_path / "old/delta0"
    for place in ("etc/hidden", "etc/opaque/below", "was/dir"):
        (lower / place).mkdir(parents=True)
        (lower / place / "file").write_text("below")
    (lower / "turned").symlink_to(str(lxc_path / "outside"))
    (lxc_path / "outside").mkdir()
    (lxc_path / "outside/kept").write_text("kept")
    for place in ("etc/opaque", "turned", ".wh..wh.plnk", ".wh..wh.orph"):
        (upper / place).mkdir(parents=True)
    for mark in (".wh..wh.aufs", "etc/.wh.hidden", "etc/.wh.passwd-", "etc/opaque/.wh..wh..opq", "turned/.wh.kept"):
        (upper / mark).touch()
    (upper / "etc/opaque/above").write_text("above")
    (upper / "was").write_text("a file now")
    (upper / "turned/new").write_text("new")
    os.link(upper / "etc/opaque/above", upper / ".wh..wh.plnk/1.2")
    os.setxattr(upper / "was", "user.note", b"kept")
    os.mknod(upper / "etc/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    said = text(lxc_path, "old").replace(f"lxc.rootfs.path = dir:{lower}", f"lxc.rootfs = aufs:{lower}:{upper}")
    (lxc_path / "old/config").write_text(said.replace("lxc.uts.name", "lxc.utsname").replace("lxc.net.0.", "lxc.network."))


@pytest.mark.parametrize("store", ["overlayfs", "dir"])
def test_an_aufs_loses_no_file(lxc_path: Path, store: str) -> None:
    aufs(lxc_path)
    before = cloned.tree_of(f"{lxc_path}/old/rootfs")
    ritual(lxc_path, state="present", **options(store))
    root = lxc_path / "old/rootfs"
    after = cloned.tree_of(str(root))
    assert not [path for path in after if ".wh." in path]
    gone = {path for path in before if path not in after}
    assert gone == {"etc/hidden", "etc/hidden/file", "etc/passwd-", "etc/opaque/below", "etc/opaque/below/file", "was/dir", "was/dir/file"}
    assert {path for path in after if path not in before} == {"etc/opaque/above", "turned/new", "etc/null"}
    assert (root / "was").read_text() == "a file now" and os.getxattr(root / "was", "user.note") == b"kept"
    assert os.lstat(root / "etc/null").st_rdev == os.makedev(1, 3) and os.lstat(root / "etc/opaque/above").st_nlink == 1
    assert os.listdir(lxc_path / "outside") == ["kept"] and not (root / "turned").is_symlink()
    assert not os.path.exists(lxc_path / "old/delta0")
    assert apply(lxc_path, state="started").result["container"]["state"] == "RUNNING"
