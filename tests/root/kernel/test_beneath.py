# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody swaps directories for links all the while (CVE-2021-30465, CVE-2024-45310)."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import beneath, libc, mount

Run = Callable[..., Any]
_RENAME_EXCHANGE = 2
_RACES = 20000 if os.environ.get("HOSTKIT_SOAK") else 1500


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beneath, "have_openat2", request.param == "openat2")


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Path]:
    """root/a/shared is a directory and a link to outside by turns, for as long as the test runs."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("host")
    shared = tmp_path / "root/a"
    (shared / "shared").mkdir(parents=True)
    (shared / "shared/secret").write_text("mine")
    (shared / "link").symlink_to("../../outside")
    renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    one, other = os.fsencode(shared / "shared"), os.fsencode(shared / "link")
    if renameat2(libc.AT_FDCWD, one, libc.AT_FDCWD, other, _RENAME_EXCHANGE) < 0:
        pytest.skip("no RENAME_EXCHANGE here")
    pid = os.fork()
    if pid == 0:
        while os.getppid() != 1:
            renameat2(libc.AT_FDCWD, one, libc.AT_FDCWD, other, _RENAME_EXCHANGE)
        os._exit(0)
    yield tmp_path
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.soak
def test_what_is_opened_is_never_outside(swapping: Path) -> None:
    root_fd = os.open(swapping / "root", os.O_PATH)
    opened = 0
    for _count in range(_RACES):
        try:
            assert beneath.read_text(root_fd, "a/shared/secret") == "mine"
            opened += 1
        except FileNotFoundError:
            pass
        try:
            fd = beneath.open_beneath(root_fd, "a/shared/secret", os.O_RDONLY)
            assert os.read(fd, 9) == b"mine"
            os.close(fd)
        except OSError as error:
            assert error.errno in (errno.ELOOP, errno.EAGAIN, errno.ENOTDIR), error
    os.close(root_fd)
    assert opened


@pytest.mark.soak
def test_what_is_made_is_never_outside(swapping: Path) -> None:
    root_fd = os.open(swapping / "root", os.O_PATH)
    made = 0
    for count in range(_RACES):
        for make in (beneath.make_directories, beneath.make_file):
            try:
                os.close(make(root_fd, f"a/shared/{make.__name__}{count}/x"))
                made += 1
            except OSError as error:
                assert error.errno in (errno.ELOOP, errno.EAGAIN, errno.ENOTDIR), error
    os.close(root_fd)
    assert made
    assert os.listdir(swapping / "outside") == ["secret"]


def test_a_device_is_named_and_not_opened(in_child: Run, tmp_path: Path) -> None:
    """A node that the rootfs brings along may be any device of the host."""
    try:
        os.mknod(tmp_path / "tty1", 0o20600, os.makedev(4, 255))
    except PermissionError as error:
        pytest.skip(f"no device nodes here: {error.strerror}")
    root_fd = os.open(tmp_path, os.O_PATH)
    fd = beneath.make_file(root_fd, "tty1")
    flags = next(line for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines() if line.startswith("flags"))
    assert int(flags.split()[1], 8) & os.O_PATH
    with pytest.raises(OSError, match="not a regular file"):
        beneath.read_text(root_fd, "tty1")
    os.close(fd)
    os.close(root_fd)


def test_a_mount_inside_is_entered(in_child: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def work() -> None:
        root_fd = os.open(tmp_path, os.O_PATH)
        made = mount.new_fs("tmpfs", {})
        mount.attach(made, beneath.open_beneath(root_fd, "a"))
        assert os.fstat(beneath.make_directories(root_fd, "a/b/c")).st_dev == os.fstat(made).st_dev

    in_child(work)


def test_magic_links_do_not_lead_out(in_child: Run, tmp_path: Path) -> None:
    """A container's /proc/PID/root and fd lead to wherever that process is."""
    (tmp_path / "proc").mkdir()

    def work() -> None:
        root_fd = os.open(tmp_path, os.O_PATH)
        mount.attach(mount.new_fs("proc", {}), beneath.open_beneath(root_fd, "proc"))
        for path in ("proc/1/root/etc", "proc/1/cwd/etc", f"proc/1/fd/{root_fd}"):
            with pytest.raises(OSError):
                beneath.open_in_root(root_fd, path)

    in_child(work, libc.CLONE_NEWNS | libc.CLONE_NEWPID)
