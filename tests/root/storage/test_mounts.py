# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots that are really mounted, copied and removed."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import inodeflags, libc, mount, tree
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.copy import copy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.dir import Dir
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.overlayfs import Overlayfs


def in_mount_namespace(act: Callable[[], None]) -> None:
    """As the container's init has it: a forked child in a private mount namespace. A failure's text comes back."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            libc.unshare(libc.CLONE_NEWNS)
            mount.set_attr("/", propagation=libc.MS_PRIVATE, recursive=True)
            act()
            os._exit(0)
        except BaseException as error:
            os.write(write_fd, f"{type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(1)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        said = file.read().decode()
    status = os.waitpid(pid, 0)[1]
    assert status == 0, said


def can_unshare() -> bool:
    return subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not can_unshare(), reason="no mount namespace can be made here")


@pytest.fixture
def source(tmp_path: Path) -> paths.Container:
    """A container directory with a root of every kind of file."""
    one = paths.container("tsource", str(tmp_path))
    root = Path(one.rootfs)
    (root / "etc").mkdir(parents=True)
    (root / "etc/issue").write_text("lower")
    os.link(root / "etc/issue", root / "etc/issue.net")
    (root / "bin").symlink_to("/usr/bin")
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (root / "su").write_text("x")
    os.chown(root / "su", 12345, 54321)
    (root / "su").chmod(0o6755)
    os.setxattr(root / "su", "user.note", b"mine")
    os.setxattr(root / "su", "trusted.note", b"root's")
    os.setxattr(root / "su", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    with open(root / "holes", "wb") as file:
        file.truncate(20 << 20)
        file.seek(10 << 20)
        file.write(b"x")
    return one


@pytest.fixture
def target(tmp_path: Path) -> paths.Container:
    one = paths.container("ttarget", str(tmp_path))
    os.mkdir(one.directory)
    return one


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "mount").mkdir()
    yield str(tmp_path / "mount")
    assert not os.path.ismount(tmp_path / "mount")


def check_copy(root: Path) -> None:
    assert (root / "etc/issue").stat().st_ino == (root / "etc/issue.net").stat().st_ino
    assert os.readlink(root / "bin") == "/usr/bin" and (root / "null").stat().st_rdev == os.makedev(1, 3)
    su = (root / "su").stat()
    assert (su.st_uid, su.st_gid, stat.S_IMODE(su.st_mode)) == (12345, 54321, 0o6755)
    assert os.getxattr(root / "su", "user.note") == b"mine" and os.getxattr(root / "su", "trusted.note") == b"root's"
    assert os.getxattr(root / "su", "security.capability").startswith(bytes.fromhex("01000002"))
    assert (root / "holes").stat().st_size == 20 << 20 and (root / "holes").stat().st_blocks * 512 < 1 << 20


def test_dir_is_bound_with_its_options(source: paths.Container, place: str) -> None:
    def act() -> None:
        backends.for_rootfs(f"dir:{source.rootfs}").mount(place, "ro,nosuid,nodev")
        assert Path(place, "etc/issue").read_text() == "lower"
        flags = os.statvfs(place).f_flag
        assert flags & os.ST_RDONLY and flags & os.ST_NOSUID and flags & os.ST_NODEV
        assert not os.statvfs(source.rootfs).f_flag & os.ST_RDONLY
        with pytest.raises(OSError, match="Read-only"):
            Path(place, "new").write_text("x")

    in_mount_namespace(act)


def test_dir_without_options_can_be_written_and_takes_what_is_mounted_below(source: paths.Container, place: str) -> None:
    def act() -> None:
        mount.mount("tmpfs", f"{source.rootfs}/etc", "tmpfs")
        Path(source.rootfs, "etc/below").write_text("x")
        backends.for_rootfs(source.rootfs).mount(place, "")
        Path(place, "new").write_text("x")
        assert Path(place, "etc/below").exists()

    in_mount_namespace(act)
    assert Path(source.rootfs, "new").exists()


def test_dir_with_an_option_that_it_cannot_do(source: paths.Container, place: str) -> None:
    def act() -> None:
        with pytest.raises(StepError, match="idmap=container"):
            backends.for_rootfs(source.rootfs).mount(place, "idmap=container")

    in_mount_namespace(act)


@pytest.mark.parametrize("options", ["", "ro", "nosuid,metacopy=off"])
def test_overlay_is_mounted(source: paths.Container, target: paths.Container, place: str, options: str) -> None:
    copied = Dir(source.rootfs).snapshot(target)
    assert copied.depends and copied.rootfs_path == f"overlay:{source.rootfs}:{target.directory}/overlay/delta"

    def act() -> None:
        backends.for_rootfs(copied.rootfs_path).mount(place, options)
        assert Path(place, "etc/issue").read_text() == "lower"
        assert bool(os.statvfs(place).f_flag & os.ST_RDONLY) == (options == "ro")
        if options != "ro":
            Path(place, "etc/issue").write_text("upper")
            os.unlink(f"{place}/su")

    in_mount_namespace(act)
    assert Path(source.rootfs, "etc/issue").read_text() == "lower"
    assert Path(target.directory, "overlay/delta/etc/issue").exists() == (options != "ro")


def test_many_lower_layers_longer_than_fsconfig_takes(tmp_path: Path, target: paths.Container, place: str) -> None:
    lowers = []
    for number in range(8):
        layer = tmp_path / ("layer" * 10 + str(number))
        layer.mkdir()
        (layer / f"file{number}").write_text("x")
        lowers.append(str(layer))
    copied = Overlayfs.over(lowers, target)

    def act() -> None:
        backends.for_rootfs(copied.rootfs_path).mount(place, "")
        assert len(os.listdir(place)) == 8

    in_mount_namespace(act)
    clone = paths.container("tclone", str(tmp_path))
    os.mkdir(clone.directory)
    copy(backends.for_rootfs(copied.rootfs_path), Dir(Dir.create(clone, {})), clone.rootfs)
    assert len(os.listdir(clone.rootfs)) == 8


def test_the_old_text_with_olwork(source: paths.Container, target: paths.Container, place: str) -> None:
    os.mkdir(f"{target.directory}/delta0")

    def act() -> None:
        backends.for_rootfs(f"overlayfs:{source.rootfs}:{target.directory}/delta0").mount(place, "")
        assert os.path.isdir(f"{target.directory}/olwork/work")

    in_mount_namespace(act)


@pytest.mark.parametrize("kind", ["dir", "overlayfs"])
def test_copy_of_a_directory(source: paths.Container, target: paths.Container, kind: str) -> None:
    """Without what is mounted below it."""

    def act() -> None:
        mount.mount("tmpfs", f"{source.rootfs}/etc", "tmpfs")
        backend = backends.by_name(kind)
        copy(Dir(f"dir:{source.rootfs}"), backend(backend.create(target, {})), target.rootfs)

    in_mount_namespace(act)
    check_copy(Path(target.rootfs))


def test_copy_of_an_overlay_is_a_directory_of_its_own(source: paths.Container, target: paths.Container, tmp_path: Path, place: str) -> None:
    middle = paths.container("tmiddle", str(tmp_path))
    os.mkdir(middle.directory)
    store = backends.for_rootfs(Dir(source.rootfs).snapshot(middle).rootfs_path)

    def change() -> None:
        store.mount(place, "")
        Path(place, "new").write_text("upper")
        tree.remove(f"{place}/etc")

    in_mount_namespace(change)
    copy(store, Dir(Dir.create(target, {})), target.rootfs)
    root = Path(target.rootfs)
    assert (root / "new").read_text() == "upper" and not (root / "etc").exists() and (root / "su").stat().st_uid == 12345
    assert "tmiddle" not in Path("/proc/self/mountinfo").read_text()


def test_overlay_snapshot_keeps_the_lower_layer_and_what_was_removed(
    source: paths.Container, target: paths.Container, tmp_path: Path, place: str
) -> None:
    middle = paths.container("tmiddle", str(tmp_path))
    os.mkdir(middle.directory)
    store = backends.for_rootfs(Dir(source.rootfs).snapshot(middle).rootfs_path)

    def change() -> None:
        store.mount(place, "")
        os.unlink(f"{place}/su")
        tree.remove(f"{place}/etc")
        os.mkdir(f"{place}/etc")

    in_mount_namespace(change)
    copied = store.snapshot(target)
    assert copied == (f"overlay:{source.rootfs}:{target.directory}/overlay/delta", True)

    def act() -> None:
        backends.for_rootfs(copied.rootfs_path).mount(place, "")
        assert sorted(os.listdir(place)) == ["bin", "etc", "holes", "null"] and os.listdir(f"{place}/etc") == []

    in_mount_namespace(act)


def test_nothing_is_removed_while_something_is_mounted_below(source: paths.Container, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/file").write_text("precious")

    def act() -> None:
        os.mkdir(f"{source.rootfs}/mnt")
        fd = os.open(f"{source.rootfs}/mnt", os.O_PATH)
        mount.attach(mount.open_tree(str(tmp_path / "host"), clone=True), fd)
        with pytest.raises(OSError, match="is mounted there"):
            backends.for_rootfs(source.rootfs).destroy()
        assert Path(source.rootfs, "etc/issue").exists()

    in_mount_namespace(act)
    assert (tmp_path / "host/file").read_text() == "precious"
    backends.for_rootfs(source.rootfs).destroy()
    assert not os.path.exists(source.rootfs)


def test_a_mount_that_comes_while_it_is_removed_is_not_entered(
    source: paths.Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bind of the same file system has the same device number: only openat2 sees it."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/file").write_text("precious")

    def act() -> None:
        os.mkdir(f"{source.rootfs}/mnt")
        fd = os.open(f"{source.rootfs}/mnt", os.O_PATH)
        mount.attach(mount.open_tree(str(tmp_path / "host"), clone=True), fd)
        monkeypatch.setattr(tree, "mounts_below", lambda path: [])
        with pytest.raises(OSError):
            backends.for_rootfs(source.rootfs).destroy()

    in_mount_namespace(act)
    assert (tmp_path / "host/file").read_text() == "precious"


def flags_of(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        return inodeflags.get(fd)
    finally:
        os.close(fd)


def give(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        inodeflags.put(fd, inodeflags.get(fd) | flags)
    except OSError:
        pytest.skip("this file system has no immutable files")
    finally:
        os.close(fd)


def test_no_flag_keeps_a_container_from_being_removed(source: paths.Container) -> None:
    """A container can set them; the host's root wins."""
    root = Path(source.rootfs)
    (root / "log").mkdir()
    (root / "log/messages").write_text("x")
    give(root / "etc/issue", inodeflags.FS_IMMUTABLE_FL)
    give(root / "su", inodeflags.FS_APPEND_FL)
    for directory in ("log", "etc"):
        give(root / directory, inodeflags.FS_APPEND_FL | inodeflags.FS_IMMUTABLE_FL)
    (root / "empty").mkdir()
    give(root / "empty", inodeflags.FS_IMMUTABLE_FL)
    (root / "victim").symlink_to("/etc/hostname")
    tree.remove(source.rootfs)
    assert not root.exists() and os.path.exists("/etc/hostname")


def test_flags_are_copied(source: paths.Container, target: paths.Container) -> None:
    root = Path(source.rootfs)
    (root / "log/deep").mkdir(parents=True)
    given = {
        "etc/issue": inodeflags.FS_IMMUTABLE_FL,
        "su": inodeflags.FS_APPEND_FL | inodeflags.FS_NODUMP_FL,
        "log": inodeflags.FS_IMMUTABLE_FL,
        "log/deep": inodeflags.FS_APPEND_FL | inodeflags.FS_NOATIME_FL,
    }
    for path, flags in reversed(given.items()):
        give(root / path, flags)
    copy(Dir(f"dir:{source.rootfs}"), Dir(Dir.create(target, {})), target.rootfs)
    mask = inodeflags._CARRIED
    try:
        assert {path: flags_of(Path(target.rootfs, path)) & mask for path in given} == given
        assert flags_of(Path(target.rootfs, "etc")) & mask == 0
    finally:
        tree.remove(source.rootfs)
        tree.remove(target.rootfs)
