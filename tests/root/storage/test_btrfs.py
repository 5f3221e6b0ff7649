# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subvolumes on a btrfs in an image."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import btrfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.btrfs import Btrfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.copy import copy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.dir import Dir
from storage_images import apply, fill, predict, run, same

Task = Callable[..., dict[str, Any]]


def made(lxc_path: Path, name: str, **options: object) -> Btrfs:
    one = paths.container(name, str(lxc_path))
    os.makedirs(one.directory)
    return Btrfs(Btrfs.create(one, options))


def subvolumes(path: Path) -> list[str]:
    return [line.split(" path ")[1] for line in run("btrfs", "subvolume", "list", str(path)).stdout.splitlines()]


def test_it_is_a_subvolume_and_goes(btrfs_path: Path) -> None:
    store = made(btrfs_path, "one")
    assert store.rootfs_path == f"btrfs:{btrfs_path}/one/rootfs"
    assert subvolumes(btrfs_path) == ["one/rootfs"] and os.stat(f"{btrfs_path}/one/rootfs").st_mode & 0o7777 == 0o755
    store.destroy()
    assert subvolumes(btrfs_path) == [] and os.listdir(btrfs_path / "one") == []
    store.destroy()


def test_elsewhere_it_is_refused_by_the_path_and_its_file_system(tmp_path: Path) -> None:
    one = paths.container("one", str(tmp_path / "not/there"))
    with pytest.raises(Unsupported, match=f"{tmp_path}/not/there is not on a btrfs: .* is "):
        Btrfs.place(one, {})
    assert backends.by_name("best", one.lxc_path) is Dir


def test_best_is_btrfs_there(btrfs_path: Path) -> None:
    assert backends.by_name("best", str(btrfs_path / "not/there")) is Btrfs


def test_a_text_without_a_prefix_is_what_stands_there(btrfs_path: Path) -> None:
    made(btrfs_path, "one")
    (btrfs_path / "plain").mkdir()
    (btrfs_path / "link").symlink_to("one/rootfs")
    assert backends.kind_of(f"{btrfs_path}/one/rootfs") == "btrfs"
    assert (
        backends.kind_of(f"{btrfs_path}/plain") == backends.kind_of(f"{btrfs_path}/gone") == backends.kind_of(f"{btrfs_path}/link") == "dir"
    )
    assert backends.kind_of(f"dir:{btrfs_path}/one/rootfs") == "dir"
    assert Btrfs.detect(f"{btrfs_path}/one/rootfs") and not Btrfs.detect(f"{btrfs_path}/plain")


def nest(root: Path) -> None:
    run("btrfs", "subvolume", "create", f"{root}/a")
    (root / "a/deep/er").mkdir(parents=True)
    run("btrfs", "subvolume", "create", f"{root}/a/deep/er/b")
    run("btrfs", "subvolume", "create", f"{root}/a/deep/er/b/c")
    (root / "a/deep/er/b/c/file").write_text("innermost")
    run("btrfs", "property", "set", f"{root}/a/deep/er/b", "ro", "true")
    run("btrfs", "subvolume", "create", f"{root}/z")


@pytest.mark.parametrize("by_number", [True, False])
def test_what_is_nested_goes_too(btrfs_path: Path, by_number: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.7 by their paths."""
    store = made(btrfs_path, "one")
    made(btrfs_path, "other")
    nest(btrfs_path / "one/rootfs")
    run("btrfs", "property", "set", f"{btrfs_path}/one/rootfs", "ro", "true")
    assert len(subvolumes(btrfs_path)) == 6
    if not by_number:
        monkeypatch.setattr(btrfs, "_SNAP_DESTROY_V2", btrfs._number("w", 99, 4096))
    store.destroy()
    assert subvolumes(btrfs_path) == ["other/rootfs"]


def test_deeper_than_a_path_can_say(btrfs_path: Path) -> None:
    store = made(btrfs_path, "one")
    fd = os.open(btrfs_path / "one/rootfs", os.O_RDONLY)
    for level in range(25):
        for name in ("d" * 200, "s"):
            if name == "s" and level % 8 == 7:
                btrfs.create(fd, name)
            else:
                os.mkdir(name, dir_fd=fd)
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
    os.close(fd)
    assert len(subvolumes(btrfs_path)) == 4
    store.destroy()
    assert subvolumes(btrfs_path) == []


def test_a_link_in_its_place_leads_nowhere(btrfs_path: Path) -> None:
    store, other = made(btrfs_path, "one"), made(btrfs_path, "other")
    store.destroy()
    os.symlink(btrfs_path / "other/rootfs", btrfs_path / "one/rootfs")
    store.destroy()
    assert subvolumes(btrfs_path) == ["other/rootfs"] and not os.path.lexists(btrfs_path / "one/rootfs")
    other.destroy()


def test_a_snapshot_is_equal_and_on_its_own(btrfs_path: Path) -> None:
    store = made(btrfs_path, "one")
    fill(btrfs_path / "one/rootfs")
    nest(btrfs_path / "one/rootfs")
    target = paths.container("two", str(btrfs_path))
    os.mkdir(target.directory)
    copied = store.snapshot(target)
    assert copied == (f"btrfs:{btrfs_path}/two/rootfs", False) and Btrfs.atomic
    assert same(btrfs_path / "one/rootfs", Path(target.rootfs)) == ""
    assert run("btrfs", "property", "get", f"{target.rootfs}/a/deep/er/b", "ro").stdout == "ro=true\n"
    assert sum("two/rootfs" in name for name in subvolumes(btrfs_path)) == 5
    Path(target.rootfs, "etc/issue").write_text("changed")
    store.destroy()
    assert Path(target.rootfs, "etc/issue").read_text() == "changed"
    assert Path(target.rootfs, "a/deep/er/b/c/file").read_text() == "innermost"


def test_a_snapshot_into_another_file_system_is_refused(btrfs_path: Path, images: Any) -> None:
    other = images.mounted("btrfs", "200M", "other")
    target = paths.container("two", str(other))
    os.mkdir(target.directory)
    with pytest.raises(Unsupported, match="is not on the file system of"):
        made(btrfs_path, "one").snapshot(target)
    assert os.listdir(target.directory) == [] and subvolumes(other) == []


def test_a_full_copy_has_what_is_nested(btrfs_path: Path, tmp_path: Path) -> None:
    store = made(btrfs_path, "one")
    nest(btrfs_path / "one/rootfs")
    target = paths.container("two", str(tmp_path))
    os.mkdir(target.directory)
    copy(store, Dir(Dir.create(target, {})), target.rootfs)
    assert same(btrfs_path / "one/rootfs", Path(target.rootfs)) == ""


def overfill(place: Path) -> int:
    """The errno, and what was written by then is on the disk."""
    try:
        written = os.open(place, os.O_WRONLY | os.O_CREAT)
    except OSError as error:
        return error.errno or 0
    try:
        for _chunk in range(100):
            os.write(written, os.urandom(1 << 20))
            os.fsync(written)
    except OSError as error:
        return error.errno or 0
    finally:
        os.close(written)
    return 0


def test_a_size_holds_and_changes_in_both_directions(btrfs_path: Path) -> None:
    store = made(btrfs_path, "one", size="16M")
    root = btrfs_path / "one/rootfs"
    assert store.size() == 16 << 20
    assert overfill(root / "big") == errno.EDQUOT and os.stat(root / "big").st_size < 17 << 20
    store.resize(32 << 20)
    assert store.size() == 32 << 20
    os.write(os.open(root / "more", os.O_WRONLY | os.O_CREAT), os.urandom(4 << 20))
    os.sync()
    store.resize(8 << 20)
    assert store.size() == 8 << 20 and overfill(root / "none") == errno.EDQUOT
    assert made(btrfs_path, "other").size() is None


def test_a_snapshot_has_the_size_too(btrfs_path: Path) -> None:
    target = paths.container("two", str(btrfs_path))
    os.mkdir(target.directory)
    assert Btrfs(made(btrfs_path, "one", size="64M").snapshot(target).rootfs_path).size() == 64 << 20


def test_a_task_makes_starts_resizes_and_removes(btrfs_path: Path, task: Task) -> None:
    said = {"name": "b1", "lxc_path": str(btrfs_path), "template": "busybox", "network": [], "backing_store": "btrfs", "size": "100M"}
    assert predict(**said).changed and os.listdir(btrfs_path) == []
    entry = task(**said)
    assert entry["state"] == "RUNNING" and entry["rootfs"] == f"{btrfs_path}/b1/rootfs"
    assert not task(**said)["changed"] and not task(**{**said, "backing_store": "best"})["changed"]
    run("btrfs", "subvolume", "create", f"/proc/{entry['init_pid']}/root/inside")
    assert task(**{**said, "size": "50M"})["actions"] == ["resize b1 to 50M"]
    assert not task(**{**said, "size": "50M"})["changed"]
    assert task(**{**said, "state": "stopped", "size": "50M"})["rootfs"] == f"btrfs:{btrfs_path}/b1/rootfs".partition(":")[2]
    apply(name="b1", lxc_path=str(btrfs_path), state="absent")
    assert subvolumes(btrfs_path) == [] and os.listdir(btrfs_path) == []


def test_a_task_elsewhere_fails_before_anything_is_touched(tmp_path: Path) -> None:
    said = {"name": "b1", "lxc_path": str(tmp_path), "template": "busybox", "backing_store": "btrfs"}
    for act in (predict, apply):
        with pytest.raises((Unsupported, AssertionError), match="is not on a btrfs"):
            report = act(**said)
            assert not report.failed, report.failed
    assert os.listdir(tmp_path) == []
