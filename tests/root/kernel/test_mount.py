# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mounts, each test with the new mount API and with mount(2) alone."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import beneath, libc, mount, mount_old, mountinfo

Run = Callable[..., Any]
_FSOPEN = 430  # the same everywhere


@pytest.fixture(params=["new", "old"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "new":
        ctypes.CDLL(None, use_errno=True).syscall(_FSOPEN, None, 0)  # EFAULT where there is one
        if ctypes.get_errno() == errno.ENOSYS:
            pytest.skip("no new mount API here")
        monkeypatch.setattr(mount, "new_api", None)
        assert mount.has_new_api()
    monkeypatch.setattr(mount, "new_api", request.param == "new")
    return str(request.param)


@pytest.fixture(autouse=True)
def _nothing_waits() -> Any:
    before = {name for name in os.listdir("/run") if name.startswith("mount-")}
    yield
    assert {name for name in os.listdir("/run") if name.startswith("mount-")} == before


def place(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def at(path: Path) -> list[mountinfo.Mount]:
    return [found for found in mountinfo.read() if found.target == str(path)]


def tmpfs(path: Path, attrs: int = 0, options: Optional[dict[str, Optional[str]]] = None) -> int:
    made = mount.new_fs("tmpfs", options or {}, attrs, "none")
    mount.attach(made, place(path))
    return made


def test_a_new_file_system(in_child: Run, tmp_path: Path) -> None:
    def work() -> None:
        made = tmpfs(tmp_path, mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOATIME, {"size": "1m", "mode": "0751"})
        (found,) = at(tmp_path)
        assert (found.fstype, found.source) == ("tmpfs", "none")
        assert found.options.split(",") == ["rw", "nosuid", "noatime"]
        assert {"size=1024k", "mode=751"} <= set(found.super_options.split(","))
        assert os.path.samestat(os.stat(made), os.stat(tmp_path)), "the descriptor means the mount, before and after"
        assert not os.get_inheritable(made)

    in_child(work)


def test_what_the_kernel_says_is_in_the_error(in_child: Run, either: str) -> None:
    with pytest.raises(OSError) as caught:
        in_child(lambda: mount.new_fs("tmpfs", {"nonsense": "1"}))
    assert caught.value.errno == errno.EINVAL
    if either == "new":
        assert "nonsense=1" in caught.value.strerror
        assert "Unknown parameter" in caught.value.strerror


def test_an_unknown_file_system(in_child: Run) -> None:
    with pytest.raises(OSError) as caught:
        in_child(lambda: mount.new_fs("nonsensefs", {}))
    assert (caught.value.errno, caught.value.filename) == (errno.ENODEV, "nonsensefs")


def test_a_value_too_long_for_fsconfig(in_child: Run, tmp_path: Path) -> None:
    """overlayfs with many layers; fsconfig(2) ends at 255 bytes."""

    def work() -> None:
        layers = []
        for number in range(12):
            layer = tmp_path / f"{number}{'x' * 40}"
            layer.mkdir()
            (layer / f"file{number}").touch()
            layers.append(str(layer))
        made = mount.new_fs("overlay", {"lowerdir": ":".join(layers)}, mount.MOUNT_ATTR_RDONLY, "overlay")
        (tmp_path / "merged").mkdir()
        mount.attach(made, place(tmp_path / "merged"))
        assert len(os.listdir(tmp_path / "merged")) == 12

    in_child(work)


def test_words_of_the_whole_file_system(in_child: Run, tmp_path: Path) -> None:
    def work() -> None:
        _attributes, _cleared, _propagation, data = mount.parse_options("sync,lazytime,size=1m")
        tmpfs(tmp_path, 0, {word.partition("=")[0]: word.partition("=")[2] or None for word in data.split(",")})
        assert {"sync", "lazytime"} <= set(at(tmp_path)[0].super_options.split(","))

    in_child(work)


def test_a_bind_with_attributes_leaves_the_source_alone(in_child: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()

    def work() -> None:
        tmpfs(source, mount.MOUNT_ATTR_NODEV)
        (source / "file").touch()
        tree_fd = mount.open_tree(str(source), clone=True)
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NOEXEC)
        mount.attach(tree_fd, place(target))
        assert at(target)[0].options.split(",") == ["ro", "nodev", "noexec", "relatime"]
        assert at(source)[0].options.split(",") == ["rw", "nodev", "relatime"]
        with pytest.raises(OSError) as caught:
            (target / "file").write_text("x")
        assert caught.value.errno == errno.EROFS
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_NOATIME)
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_STRICTATIME, clear=mount.MOUNT_ATTR_RDONLY | mount.MOUNT_ATTR_NODEV)
        assert at(target)[0].options.split(",") == ["rw", "noexec"]
        mount.set_attr(str(target), clear=mount.MOUNT_ATTR__ATIME)
        assert at(target)[0].options.split(",") == ["rw", "noexec", "relatime"]

    in_child(work)


def test_a_device_node_on_a_file(in_child: Run, tmp_path: Path) -> None:
    (tmp_path / "null").touch()

    def work() -> None:
        mount.bind(place(Path("/dev/null")), place(tmp_path / "null"))
        assert os.stat(tmp_path / "null").st_rdev == os.stat("/dev/null").st_rdev

    in_child(work)


@pytest.mark.parametrize("recursive", [False, True])
def test_a_tree_with_what_is_mounted_in_it(in_child: Run, tmp_path: Path, recursive: bool) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "source").mkdir()

    def work() -> None:
        tmpfs(tmp_path / "source")
        (tmp_path / "source/below").mkdir()
        tmpfs(tmp_path / "source/below")
        mount.bind(place(tmp_path / "source"), place(tmp_path / "target"), recursive=recursive)
        assert len(at(tmp_path / "target/below")) == int(recursive)
        if recursive:
            mount.set_attr(str(tmp_path / "target"), set=mount.MOUNT_ATTR_RDONLY, recursive=True)
            assert [at(tmp_path / name)[0].options[:2] for name in ("target", "target/below", "source/below")] == ["ro", "ro", "rw"]

    in_child(work)


def test_propagation(in_child: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def work() -> None:
        made = tmpfs(tmp_path / "a")
        (tmp_path / "a/b").mkdir()
        tmpfs(tmp_path / "a/b")
        mount.set_attr(made, propagation=libc.MS_SHARED)
        assert [len(at(tmp_path / name)[0].tags) for name in ("a", "a/b")] == [1, 0]
        mount.set_attr(made, propagation=libc.MS_SHARED, recursive=True)
        assert [len(at(tmp_path / name)[0].tags) for name in ("a", "a/b")] == [1, 1]
        mount.set_attr(str(tmp_path / "a"), propagation=libc.MS_PRIVATE, recursive=True)
        assert [len(at(tmp_path / name)[0].tags) for name in ("a", "a/b")] == [0, 0]

    in_child(work)


def test_below_a_shared_parent(in_child: Run, tmp_path: Path) -> None:
    """mount(2) does not move a mount out of a shared one; where it waits is private."""

    def work() -> None:
        mount.set_attr("/", propagation=libc.MS_SHARED, recursive=True)
        tmpfs(tmp_path)
        assert at(tmp_path)

    in_child(work)


def test_the_target_is_what_was_opened(in_child: Run, tmp_path: Path) -> None:
    """CVE-2015-1335, CVE-2021-30465: the name becomes a link to elsewhere between look and mount."""
    (tmp_path / "target").mkdir()
    (tmp_path / "victim").mkdir()

    def work() -> None:
        target_fd = place(tmp_path / "target")
        (tmp_path / "target").rename(tmp_path / "moved")
        (tmp_path / "target").symlink_to("victim")
        mount.attach(mount.new_fs("tmpfs", {}), target_fd)
        assert [len(at(tmp_path / name)) for name in ("moved", "victim", "target")] == [1, 0, 0]

    in_child(work)


def test_opened_and_mounted_below_a_mount_that_was_made(in_child: Run, tmp_path: Path) -> None:
    """What /proc of a container is built like."""

    def work() -> None:
        made = mount.new_fs("proc", {}, mount.MOUNT_ATTR_NOSUID, "proc")
        mount.attach(made, place(tmp_path))
        tree_fd = mount.open_tree(beneath.open_beneath(made, "sys"), clone=True)
        mount.set_attr(tree_fd, set=mount.MOUNT_ATTR_RDONLY)
        mount.attach(tree_fd, beneath.open_beneath(made, "sys"))
        assert at(tmp_path / "sys")[0].options.startswith("ro,nosuid")

    in_child(work, libc.CLONE_NEWNS | libc.CLONE_NEWPID)


def test_a_mount_that_is_thrown_away(in_child: Run) -> None:
    def work() -> None:
        before = mountinfo.read()
        made = mount.new_fs("proc", {})
        assert beneath.read_text(made, "sys/kernel/ostype") == "Linux\n"
        mount.discard(made)
        assert mountinfo.read() == before

    in_child(work)


def test_a_mount_that_was_closed_is_cleared_by_the_next(in_child: Run, tmp_path: Path) -> None:
    def work() -> None:
        before = mountinfo.read()
        os.close(mount.new_fs("tmpfs", {}))
        made = tmpfs(tmp_path)
        os.close(made)
        mount.umount(str(tmp_path))
        assert mountinfo.read() == before

    in_child(work)


def test_a_target_that_cannot_take_it(in_child: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def work() -> None:
        before = mountinfo.read()
        made = mount.new_fs("tmpfs", {})
        with pytest.raises(OSError) as caught:
            mount.attach(made, place(tmp_path / "file"))
        assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(tmp_path / "file"))
        mount.discard(made)
        with pytest.raises(OSError):
            mount.bind(place(tmp_path), place(tmp_path / "file"))
        assert mountinfo.read() == before

    in_child(work)


def test_remount_and_umount(in_child: Run, tmp_path: Path) -> None:
    def work() -> None:
        made = tmpfs(tmp_path, 0, {"size": "1m"})
        mount.remount(made, libc.MS_RDONLY, "size=2m")
        assert at(tmp_path)[0].super_options.split(",")[:2] == ["ro", "size=2048k"]
        with pytest.raises(OSError) as caught:
            mount.umount(str(tmp_path))
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(tmp_path))
        mount.umount(str(tmp_path), libc.MNT_DETACH)
        assert not at(tmp_path)

    in_child(work)


def test_mount_with_words_in_the_data(in_child: Run, tmp_path: Path) -> None:
    def work() -> None:
        mount.mount("none", str(tmp_path), "tmpfs", libc.MS_NOSUID, "size=1m,sync")
        assert "sync" in at(tmp_path)[0].super_options
        assert "nosuid" in at(tmp_path)[0].options

    in_child(work)


def test_pivot_root(in_child: Run, tmp_path: Path) -> None:
    def work() -> list[str]:
        tmpfs(tmp_path)
        (tmp_path / "here").mkdir()
        os.chdir(tmp_path)
        libc.pivot_root(".", ".")
        libc.call(".", "umount2", b".", libc.MNT_DETACH)
        return os.listdir("/")

    assert in_child(work) == ["here"]


def test_the_old_path_is_not_used_by_chance(either: str, in_child: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(mount_old, "new_fs", lambda *args: asked.append(args) or -1)
    in_child(lambda: None)
    if either == "old":
        mount.new_fs("tmpfs", {})
    else:
        in_child(lambda: mount.new_fs("tmpfs", {}))
    assert len(asked) == (either == "old")
