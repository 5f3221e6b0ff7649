# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As any user, on a plain directory; each test with openat2 and with the walk that stands in for it."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import beneath, mount

READ = os.O_RDONLY
_OPENAT2 = 437  # the same everywhere


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "openat2":
        ctypes.CDLL(None, use_errno=True).syscall(_OPENAT2, -100, b"/", None, 0)  # EINVAL where there is one
        if ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
            pytest.skip(f"no openat2 here: {os.strerror(ctypes.get_errno())}")
    else:
        monkeypatch.setattr(mount, "openat2", None)
    monkeypatch.setattr(beneath, "have_openat2", request.param == "openat2")
    return str(request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("host")
    root = tmp_path / "root"
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/file").write_text("inside")
    (root / "secret").write_text("mine")
    (root / "outside").mkdir()
    (root / "outside/secret").write_text("mine")
    (root / "absolute").symlink_to("/outside/secret")
    (root / "up").symlink_to("../../../outside/secret")
    (root / "dir/link").symlink_to("file")
    (root / "dir/dirlink").symlink_to("sub/")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("dir/new")
    (root / "tofile").symlink_to("dir/file/")
    (root / "whole").symlink_to(str(tmp_path))
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_PATH)
    before = len(os.listdir("/proc/self/fd"))
    yield fd
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor was left open"
    os.close(fd)


def where(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def code(act: Callable[..., int], *args: object) -> Optional[int]:
    """The errno, and the path in the error is the one asked for."""
    with pytest.raises(OSError) as caught:
        act(*args)
    assert caught.value.filename == args[1]
    return caught.value.errno


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("dir/file", "/dir/file"),
        ("/dir/file", "/dir/file"),
        ("//dir///./file", "/dir/file"),
        ("dir/sub/..", "/dir"),
        ("dir/../../../../dir/sub", "/dir/sub"),
        ("..", ""),
        ("/", ""),
        ("", ""),
        (".", ""),
        ("dir/", "/dir"),
    ],
)
def test_open_beneath_stays_inside(root: Path, root_fd: int, path: str, inside: str) -> None:
    assert where(beneath.open_beneath(root_fd, path)) == f"{root}{inside}"


@pytest.mark.parametrize(
    "path", ["absolute", "up", "loop", "dangling", "whole/outside", "dir/link", "dir/dirlink/x", "dir/../up", "dir/dirlink/"]
)
@pytest.mark.parametrize("flags", [os.O_PATH, READ])
def test_open_beneath_refuses_every_link(root_fd: int, path: str, flags: int) -> None:
    assert code(beneath.open_beneath, root_fd, path, flags) == errno.ELOOP


def test_open_beneath_can_name_a_link_itself(root: Path, root_fd: int) -> None:
    fd = beneath.open_beneath(root_fd, "dir/link", os.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "file"
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "expected"), [("dir/file/x", errno.ENOTDIR), ("dir/file/", errno.ENOTDIR), ("no/x", errno.ENOENT), ("no", errno.ENOENT)]
)
def test_plain_errors(root_fd: int, path: str, expected: int) -> None:
    assert code(beneath.open_beneath, root_fd, path) == expected


def test_a_name_with_nul(root_fd: int) -> None:
    assert code(beneath.open_beneath, root_fd, "dir\0x") == errno.EINVAL


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("absolute", "/outside/secret"),
        ("up", "/outside/secret"),
        ("dir/link", "/dir/file"),
        ("dir/dirlink", "/dir/sub"),
        ("dir/dirlink/../file", "/dir/file"),
        ("secret", "/secret"),
    ],
)
def test_open_in_root_follows_inside(root: Path, root_fd: int, path: str, inside: str) -> None:
    assert where(beneath.open_in_root(root_fd, path)) == f"{root}{inside}"


@pytest.mark.parametrize(("path", "expected"), [("loop", errno.ELOOP), ("tofile", errno.ENOTDIR), ("whole/outside/secret", errno.ENOENT)])
def test_open_in_root_errors(root_fd: int, path: str, expected: int) -> None:
    assert code(beneath.open_in_root, root_fd, path) == expected


def test_open_in_root_creates_where_a_link_points(root: Path, root_fd: int) -> None:
    os.close(beneath.open_in_root(root_fd, "dangling", os.O_WRONLY | os.O_CREAT, 0o600))
    assert (root / "dir/new").is_file()
    assert code(beneath.open_in_root, root_fd, "dangling", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) == errno.EEXIST


def test_descriptors_close_on_exec(root_fd: int) -> None:
    fds = [beneath.open_beneath(root_fd, "dir"), beneath.make_directories(root_fd, "new/er"), beneath.make_file(root_fd, "dir/f")]
    assert not any(map(os.get_inheritable, fds))
    for fd in fds:
        os.close(fd)


def test_make_directories(root: Path, root_fd: int) -> None:
    assert where(beneath.make_directories(root_fd, "/dir/a/../b/c", 0o700)) == f"{root}/dir/b/c"
    assert (root / "dir/b").stat().st_mode & 0o777 == 0o700
    assert not (root / "dir/a").exists()
    assert where(beneath.make_directories(root_fd, "dir/b/c")) == f"{root}/dir/b/c"
    assert where(beneath.make_directories(root_fd, "")) == str(root)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("whole/new", errno.ELOOP), ("dangling", errno.ELOOP), ("dir/file/x", errno.ENOTDIR), ("dir/file", errno.ENOTDIR)],
)
def test_make_directories_refuses(root: Path, root_fd: int, path: str, expected: int) -> None:
    assert code(beneath.make_directories, root_fd, path) == expected
    assert sorted(os.listdir(root.parent)) == ["outside", "root"]


def test_make_directories_when_another_makes_it_first(root: Path, root_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        real(name, mode, dir_fd=dir_fd)
        raise FileExistsError(errno.EEXIST, "another was first", name)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert where(beneath.make_directories(root_fd, "x/y")) == f"{root}/x/y"


def test_make_directories_when_a_link_is_swapped_in(root: Path, root_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2024-45310: between mkdirat and open the new directory becomes a link to the host's."""

    def mkdir(name: str, mode: int, *, dir_fd: int) -> None:
        os.symlink(str(root.parent / "outside"), name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert code(beneath.make_directories, root_fd, "x/y") == errno.ELOOP
    assert os.listdir(root.parent / "outside") == ["secret"]


def test_make_file(root: Path, root_fd: int) -> None:
    assert where(beneath.make_file(root_fd, "new/file", 0o600)) == f"{root}/new/file"
    assert (root / "new/file").stat().st_mode & 0o777 == 0o600
    assert where(beneath.make_file(root_fd, "dir/file")) == f"{root}/dir/file"
    assert (root / "dir/file").read_text() == "inside"
    assert where(beneath.make_file(root_fd, "fifo")) == f"{root}/fifo"


@pytest.mark.parametrize(
    ("path", "expected"), [("dir", errno.EISDIR), ("/", errno.EISDIR), ("dangling", errno.ELOOP), ("whole/x", errno.ELOOP)]
)
def test_make_file_refuses(root: Path, root_fd: int, path: str, expected: int) -> None:
    assert code(beneath.make_file, root_fd, path) == expected
    assert sorted(os.listdir(root.parent)) == ["outside", "root"]


def test_a_file_that_another_makes_first_is_named_and_not_opened(root: Path, root_fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the making a device may come there; opening it could act."""
    real, looked = beneath.open_beneath, []

    def open_beneath(dir_fd: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
        if path == "fifo" and not looked:
            looked.append(path)
            raise FileNotFoundError
        return real(dir_fd, path, flags, mode)

    monkeypatch.setattr(beneath, "open_beneath", open_beneath)
    monkeypatch.setattr(os, "O_RDONLY", os.O_NONBLOCK)  # so that a wrong open of the FIFO does not wait for ever
    fd = beneath.make_file(root_fd, "fifo")
    assert looked
    assert int(next(line for line in open(f"/proc/self/fdinfo/{fd}") if line.startswith("flags")).split()[1], 8) & os.O_PATH
    os.close(fd)


@pytest.mark.parametrize("flags", [os.O_PATH, READ, os.O_WRONLY | os.O_CREAT])
def test_a_link_swapped_in_at_the_end_of_a_walk(root_fd: int, monkeypatch: pytest.MonkeyPatch, flags: int) -> None:
    monkeypatch.setattr(beneath, "have_openat2", False)
    monkeypatch.setattr(beneath._Walk, "is_link", lambda _self, _name: False)
    assert code(beneath.open_beneath, root_fd, "absolute", flags) == errno.ELOOP


def test_read_text(root_fd: int) -> None:
    assert beneath.read_text(root_fd, "absolute") == "mine"
    assert beneath.read_text(root_fd, "dir/link", 3) == "ins"


@pytest.mark.parametrize("path", ["fifo", "dir"])
def test_read_text_opens_nothing_but_files(root_fd: int, path: str) -> None:
    """A FIFO would block for ever."""
    with pytest.raises(OSError, match="not a regular file"):
        beneath.read_text(root_fd, path)


def test_renames_do_not_make_it_try_for_ever(root_fd: int, monkeypatch: pytest.MonkeyPatch, either: str) -> None:
    if either == "walk":
        return
    asked = []

    def openat2(*args: object) -> int:
        asked.append(args)
        raise BlockingIOError(errno.EAGAIN, "again", args[1])

    monkeypatch.setattr(mount, "openat2", openat2)
    assert code(beneath.open_beneath, root_fd, "dir") == errno.EAGAIN
    assert 1 < len(asked) <= 1000


def test_a_kernel_without_openat2_is_asked_once(root: Path, root_fd: int, monkeypatch: pytest.MonkeyPatch, either: str) -> None:
    if either == "walk":
        return
    asked = []

    def openat2(*args: object) -> int:
        asked.append(args)
        raise OSError(errno.ENOSYS, "not there", args[1])

    monkeypatch.setattr(mount, "openat2", openat2)
    for _count in range(2):
        assert where(beneath.open_beneath(root_fd, "dir")) == f"{root}/dir"
    assert len(asked) == 1


def test_a_magic_link_leads_nowhere_else(tmp_path: Path) -> None:
    """/proc/self/root and cwd jump; as a text they stay below the root, which here is /proc itself."""
    proc_fd = os.open("/proc", os.O_PATH)
    with pytest.raises(OSError):
        os.close(beneath.open_in_root(proc_fd, f"{os.getpid()}/cwd/{os.listdir('.')[0]}"))
    os.close(proc_fd)
