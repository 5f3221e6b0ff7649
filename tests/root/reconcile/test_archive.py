# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are written to a file, and made from it again: the same, to the last attribute."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import tarfile
import time
from pathlib import Path

import cloned
import motions
import pytest
import snapshots
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import wholefile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from motions import apply, fails, job, ritual, text

lxc_path = motions.lxc_path
SUFFIXES = (".tar.zst", ".tar.xz", ".tar.gz")


def acl(*rows: tuple[int, int, int]) -> bytes:
    """As the kernel has it: the version, and of each row its tag, rights and number."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


NOBODY = 0xFFFFFFFF
RIGHTS = acl((1, 6, NOBODY), (2, 6, 12345), (4, 4, NOBODY), (0x10, 6, NOBODY), (0x20, 0, NOBODY))


def make(lxc_path: Path, store: str = "dir") -> Container:
    one = cloned.make(lxc_path, "old", store)
    root = Path(one.directory, "overlay/delta") if store == "overlayfs" else Path(one.rootfs)
    (root / "etc").mkdir(exist_ok=True)
    for name in ("acl", ".hidden", "etc/a b", "etc/\udcff\n"):
        (root / name).write_text(name.encode("utf-8", "surrogateescape").hex())
    os.setxattr(root / "acl", "system.posix_acl_access", RIGHTS)
    os.setxattr(root / "etc", "system.posix_acl_default", RIGHTS)
    os.setxattr(root / "acl", "user.note", b"a\0\xff\n=b")
    os.setxattr(root / "acl", "trusted.note", b"root's")
    os.chmod(root / "acl", 0o640)
    os.mknod(root / "disk", 0o640 | 0o060000, os.makedev(7, 200))
    os.chown(root / "disk", 3, 6)
    (root / "out").symlink_to("/etc/shadow")
    (root / "up").symlink_to(".././x")
    (root / ("n" * 250)).write_text("long")
    with open(root / "sparse", "wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"x" * 5000)
    os.utime(root / "acl", (1, 1234567890.5))
    return one


def archive(lxc_path: Path, suffix: str = ".tar.zst") -> Path:
    return lxc_path.parent / f"old{suffix}"


def differences(source: str, target: str) -> str:
    if shutil.which("rsync") is None:
        (pytest.fail if os.environ.get("HOSTKIT_REQUIRE_ORACLE") == "1" else pytest.skip)("rsync is not installed")
    command = ["rsync", "-acHAXn", "--delete", "--itemize-changes", f"{source}/", f"{target}/"]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="surrogateescape").stdout


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_there_and_back_again(lxc_path: Path, suffix: str) -> None:
    one = make(lxc_path)
    path = archive(lxc_path, suffix)
    applied = ritual(lxc_path, state="present", archive=str(path))
    assert applied.result["actions"] == [f"archive old to {path}"] and os.stat(path).st_mode == 0o100600
    options = {"fstree": str(path), "devices": True}
    apply(lxc_path, "again", template="local", template_options=options, network=[], state="present")
    assert differences(one.rootfs, f"{lxc_path}/again/rootfs") == ""
    assert os.getxattr(f"{lxc_path}/again/rootfs/acl", "system.posix_acl_access")[:4] == RIGHTS[:4]
    holes = [os.stat(f"{root}/sparse").st_blocks for root in (one.rootfs, f"{lxc_path}/again/rootfs")]
    assert holes[1] <= holes[0] + 256, holes
    refused = job(lxc_path, "no", template="local", template_options={"fstree": str(path)}, network=[]).apply().failed
    assert ("device node" in refused or "leads out of the root" in refused) and not os.path.exists(lxc_path / "no")
    assert sorted(os.listdir(lxc_path.parent)) == ["lxc", path.name]


@pytest.mark.parametrize("store", ["overlayfs", "loop"])
def test_other_stores(lxc_path: Path, store: str) -> None:
    one = make(lxc_path, "overlayfs" if store == "overlayfs" else "dir")
    if store == "loop":
        apply(lxc_path, state="present", backing_store="loop", size="128M", migrate=True)
    tree = snapshots.tree(one)
    ritual(lxc_path, state="present", archive=str(archive(lxc_path)))
    said = {"fstree": str(archive(lxc_path)), "devices": True}
    apply(lxc_path, "again", template="local", template_options=said, network=[], state="present")
    now = snapshots.tree(Container(str(lxc_path), "again"))
    assert {path for path in {*now, *tree} if now.get(path) != tree.get(path)} <= {"lost+found"}


def test_what_is_in_it(lxc_path: Path) -> None:
    make(lxc_path)
    apply(lxc_path, state="present", archive=str(archive(lxc_path, ".tar.gz")))
    with tarfile.open(archive(lxc_path, ".tar.gz")) as file:
        names = file.getnames()
        said = file.extractfile("config")
        assert said is not None and said.read().decode() == text(lxc_path, "old")
        assert names[:2] == ["config", "rootfs"] and all(name.startswith("rootfs/") for name in names[2:])
        assert file.getmember("rootfs/out").linkname == "/etc/shadow" and file.getmember("rootfs/up").linkname == ".././x"
        links = {name: file.getmember(f"rootfs/etc/{name}") for name in ("passwd", "passwd-")}
        assert sorted(one.islnk() for one in links.values()) == [False, True]
        assert {one.linkname for one in links.values() if one.islnk()} <= {"rootfs/etc/passwd", "rootfs/etc/passwd-"}
        assert all(not one.uname and not one.gname for one in file.getmembers())


def test_one_that_is_there_stays(lxc_path: Path) -> None:
    make(lxc_path)
    path = archive(lxc_path)
    path.write_text("mine")
    assert not apply(lxc_path, state="present", archive=str(path)).changed and path.read_text() == "mine"
    assert not apply(lxc_path, state="present", archive=str(path), force=False).changed
    checked = job(lxc_path, state="present", archive=str(path), force=True).predict()
    assert checked.changed and path.read_text() == "mine"
    for _again in range(2):
        assert apply(lxc_path, state="present", archive=str(path), force=True).changed
    assert path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_in_which_states(lxc_path: Path) -> None:
    make(lxc_path)
    path = archive(lxc_path)

    def actions(**said: str) -> list[str]:
        path.unlink(missing_ok=True)
        done = ritual(lxc_path, archive=str(path), **said).result["actions"]
        return [word.split(" (")[0].split()[0] for word in done]

    assert actions(state="started") == ["archive", "start"]
    assert "RUNNING" in fails(lxc_path, state="started", archive=str(path) + ".tar.gz")
    assert actions(state="frozen") == ["freeze", "archive"]
    assert actions(state="present") == ["archive"]
    assert actions(state="started") == ["archive", "thaw"]
    assert actions(state="stopped") == ["stop", "archive"]
    apply(lxc_path, state="started")
    path.unlink()
    done = apply(lxc_path, archive=str(path), state="restarted").result["actions"]
    assert [word.split()[0] for word in done] == ["stop", "archive", "start"]
    assert actions(state="absent") == ["stop", "archive", "destroy"] and path.exists()
    path.unlink()
    assert not apply(lxc_path, archive=str(path), state="absent").changed and not path.exists()


def test_what_cannot_be_meant(lxc_path: Path) -> None:
    make(lxc_path)
    for path in ("old.tar.zst", "/x/../y.tar.gz", "/old.tar", "/old.zip", "/.tar.gz"):
        with pytest.raises(BadValue, match="archive"):
            job(lxc_path, archive=path)
    with pytest.raises(BadValue, match="archive with it"):
        job(lxc_path, force=True)
    (lxc_path.parent / "link").symlink_to(lxc_path / "old/rootfs/etc")
    for place in ("old/x.tar.gz", "old/rootfs/x.tar.gz", "../link/x.tar.gz"):
        assert "own" in fails(lxc_path, state="present", archive=os.path.normpath(f"{lxc_path}/{place}"))
    (lxc_path.parent / "there.tar.gz").mkdir()
    assert "directory" in fails(lxc_path, state="present", archive=f"{lxc_path.parent}/there.tar.gz")
    assert "directory that exists" in fails(lxc_path, state="present", archive=f"{lxc_path.parent}/nowhere/x.tar.gz")


def test_no_space(lxc_path: Path, tmp_path: Path) -> None:
    make(lxc_path)
    Path(lxc_path, "old/rootfs/large").write_bytes(os.urandom(8 << 20))
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "none", str(small)], check=True)
    try:
        assert "No space left" in job(lxc_path, state="present", archive=f"{small}/x.tar.gz").apply().failed
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_killed_wherever_it_stands(lxc_path: Path) -> None:
    """What a kill leaves is gone with the next run, and never in the place of the archive."""
    make(lxc_path)
    Path(lxc_path, "old/rootfs/large").write_bytes(os.urandom(8 << 20))
    path = archive(lxc_path)
    seed = int(os.environ.get("HOSTKIT_SEED", time.time_ns() % 2**32))
    print(f"HOSTKIT_SEED={seed}")
    drawing = random.Random(seed)
    began = time.monotonic()
    apply(lxc_path, state="present", archive=str(path))
    took = time.monotonic() - began
    for _round in range(20 if os.environ.get("HOSTKIT_SOAK") == "1" else 4):
        path.unlink()
        pid = os.fork()
        if pid == 0:
            try:
                job(lxc_path, state="present", archive=str(path)).apply()
            finally:
                os._exit(0)
        time.sleep(drawing.random() * took)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        was_there = path.exists()
        assert apply(lxc_path, state="present", archive=str(path)).changed != was_there
        subprocess.run(["tar", "-tf", str(path)], check=True, capture_output=True)
        assert not os.path.exists(str(path) + wholefile.SUFFIX) or was_there
