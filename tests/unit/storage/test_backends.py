# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backend a name and a text mean, and what overlay's texts mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mount
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.aufs import Aufs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.dir import Dir
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.overlayfs import Overlayfs


@pytest.mark.parametrize("kind", ["dir", "none"])
def test_dir_by_name(kind: str) -> None:
    assert backends.by_name(kind) is Dir


@pytest.mark.parametrize("kind", ["overlay", "overlayfs"])
def test_overlay_by_name(kind: str) -> None:
    assert backends.by_name(kind) is Overlayfs


@pytest.mark.parametrize("kind", ["nbd", "rbd"])
def test_what_is_not_there_yet_is_named(kind: str) -> None:
    with pytest.raises(Unsupported, match=kind):
        backends.by_name(kind)
    with pytest.raises(Unsupported, match=kind):
        backends.preload(f"{kind}:/dev/x")


@pytest.mark.parametrize(
    "text", ["", "relative/path", "dir:relative", "overlay:/only", "overlay:/a:b", "overlay:/a,b:/c", "loop:x", "btrfs:x", "aufs:/a"]
)
def test_texts_that_mean_nothing(text: str) -> None:
    with pytest.raises(BadValue):
        backends.for_rootfs(text)


def test_an_unknown_name() -> None:
    with pytest.raises(BadValue, match="overlayfs"):
        backends.by_name("overlayz")


def test_places_on_the_host() -> None:
    assert backends.directory("dir:/x/rootfs") == "/x/rootfs" == backends.directory("/x/rootfs")
    assert backends.directory("overlay:/low:/up") == "/low" and backends.directory("") == ""
    backends.preload("")


@pytest.mark.parametrize(
    ("text", "lowers", "upper", "work"),
    [
        ("overlay:/p/a/rootfs:/p/b/overlay/delta", ["/p/a/rootfs"], "/p/b/overlay/delta", "/p/b/overlay/work"),
        ("overlayfs:/p/a/rootfs:/p/b/delta0", ["/p/a/rootfs"], "/p/b/delta0", "/p/b/olwork"),
        ("overlay:/l1:/l2:/l3:/p/up", ["/l1", "/l2", "/l3"], "/p/up", "/p/work"),
    ],
)
def test_overlay_texts(text: str, lowers: list[str], upper: str, work: str) -> None:
    found = Overlayfs(text)
    assert (found.lowers, found.upper, found.work) == (lowers, upper, work)


def test_an_olwork_that_is_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "olwork").mkdir()
    assert Overlayfs(f"overlay:/low:{tmp_path}/delta").work == f"{tmp_path}/olwork"


def test_the_exact_mount_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(mount, "mount", lambda *args: calls.append(args))
    monkeypatch.setattr(mount, "set_attr", lambda place, **more: calls.append((place, more["set"], more["clear"])))
    Overlayfs(f"overlay:/l1:/l2:{tmp_path}/delta").mount("/target", "ro,nosuid,metacopy=on")
    data = f"lowerdir=/l1:/l2,upperdir={tmp_path}/delta,workdir={tmp_path}/work,metacopy=on"
    assert calls == [
        ("overlay", "/target", "overlay", 0, data),
        ("/target", mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOSUID, 0),
    ]


def test_a_new_overlay_is_filled_in_its_lower_layer(tmp_path: Path) -> None:
    one = paths.container("one", str(tmp_path))
    (tmp_path / "one").mkdir()
    text = Overlayfs.create(one, {})
    assert text == f"overlay:{tmp_path}/one/rootfs:{tmp_path}/one/overlay/delta"
    store = Overlayfs(text)
    assert store.mount_host("/never") == f"{tmp_path}/one/rootfs"
    (tmp_path / "one/rootfs/file").write_text("x")
    store.destroy()
    assert [path.name for path in (tmp_path / "one").rglob("*")] == ["overlay"]


def test_a_path_that_overlay_cannot_say(tmp_path: Path) -> None:
    one = paths.container("one", str(tmp_path / "a,b"))
    with pytest.raises(BadValue, match="comma"):
        Overlayfs.create(one, {})


def test_destroy_leaves_the_lower_layer_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "base/rootfs").mkdir(parents=True)
    (tmp_path / "base/rootfs/file").write_text("x")
    (tmp_path / "one").mkdir()
    store = Overlayfs(Overlayfs.over([f"{tmp_path}/base/rootfs"], paths.container("one", str(tmp_path))).rootfs_path)
    store.destroy()
    assert (tmp_path / "base/rootfs/file").exists()


@pytest.mark.parametrize("text", ["overlay:{0}/base:{0}/upper", "overlay:{0}/base:{0}/one/delta", "aufs:{0}/base:{0}/upper"])
def test_destroy_leaves_a_lower_layer_that_is_only_beside_the_upper_one(tmp_path: Path, text: str) -> None:
    for place in ("base", "upper", "one/delta"):
        (tmp_path / place).mkdir(parents=True)
    backends.for_rootfs(text.format(tmp_path)).destroy()
    assert (tmp_path / "base").is_dir() and not os.path.lexists(text.format(tmp_path).split(":")[-1])


def test_dir_in_a_place_of_its_own(tmp_path: Path) -> None:
    one = paths.container("one", str(tmp_path))
    assert Dir.create(one, {"directory": f"{tmp_path}/else"}) == f"dir:{tmp_path}/else"
    (tmp_path / "else/file").write_text("x")
    with pytest.raises(FileExistsError):
        Dir.create(one, {"directory": f"{tmp_path}/else"})
    for place in ("relative", "/a/../b", "/a:b", "/a\nb"):
        with pytest.raises(BadValue):
            Dir.create(one, {"directory": place})
    with pytest.raises(BadValue, match="fs_type"):
        Dir.create(one, {"fs_type": "ext4"})


def test_dir_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "link").symlink_to("victim")
    with pytest.raises(FileExistsError):
        Dir.create(paths.container("one", str(tmp_path)), {"directory": f"{tmp_path}/link"})


@pytest.mark.parametrize("kind", ["dir", "overlayfs"])
def test_a_directory_has_no_size_and_says_what_has_one(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Unsupported, match=f"size: the backing store {kind} has none below {tmp_path}") as caught:
        backends.by_name(kind).create(paths.container("one", str(tmp_path)), {"size": "1G"})
    assert "loop or btrfs" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_aufs_texts_and_a_kernel_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Aufs("aufs:/p/a/rootfs:/p/b/delta0")
    assert (store.lower, store.upper) == ("/p/a/rootfs", "/p/b/delta0") == (backends.directory(store.rootfs_path), store.upper)
    monkeypatch.setattr(mount, "knows_fs", lambda name: False)
    for act in (lambda: Aufs.place(paths.container("one", str(tmp_path)), {}), lambda: backends.preload(store.rootfs_path)):
        with pytest.raises(Unsupported, match="kernel has no aufs") as caught:
            act()
        assert "overlayfs" in caught.value.hint


def test_the_exact_mount_call_of_aufs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(mount, "knows_fs", lambda name: True)
    monkeypatch.setattr(mount, "mount", lambda *args: calls.append(args))
    Aufs("aufs:/low:/up").mount("/target", "diropq=w")
    assert calls == [("none", "/target", "aufs", 0, "br=/up=rw:/low=ro,xino=/dev/shm/aufs.xino,diropq=w")]
