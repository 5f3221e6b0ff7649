# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems in images, and a root with every kind of file in it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from stock import _skip_or_fail

ACL = bytes.fromhex("02000000 01000700ffffffff 02000600e8030000 04000500ffffffff 10000700ffffffff 20000500ffffffff".replace(" ", ""))


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
    return done


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            _skip_or_fail(f"{program} is not installed")


def wait_for_no_device(image: str) -> None:
    """Of a device that nobody has open any more the kernel lets go a moment later."""
    deadline = time.monotonic() + 10
    while loop.attached(image):
        assert time.monotonic() < deadline, f"{image} has still {loop.attached(image)}"
        time.sleep(0.02)


class Images:
    """Makes file systems in images, and mounts them; all is taken away at the end."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._mounted: list[Path] = []

    def mounted(self, fs_type: str, size: str, name: str = "fs", options: str = "") -> Path:
        need(f"mkfs.{fs_type}")
        image, place = self._base / f"{name}.img", self._base / name
        run("truncate", "-s", size, str(image))
        run(f"mkfs.{fs_type}", "-q", str(image))
        place.mkdir()
        run("mount", "-o", f"loop,{options}".rstrip(","), str(image), str(place))
        self._mounted.append(place)
        return place

    def clean(self) -> None:
        for place in reversed(self._mounted):
            run("umount", "--recursive", "--lazy", str(place), check=False)


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    if loop.problem():
        _skip_or_fail(loop.problem())
    made = Images(tmp_path)
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture
def btrfs_path(images: Images) -> Path:
    """A directory on a btrfs of its own."""
    return images.mounted("btrfs", "400M", "btrfs")


def fill(root: Path) -> None:
    """Every kind of file, with everything that a file can carry."""
    (root / "etc/deep/er").mkdir(parents=True)
    (root / "etc/issue").write_text("issue\n")
    os.link(root / "etc/issue", root / "etc/deep/issue.net")
    (root / "bin").symlink_to("/usr/bin")
    (root / "dangling").symlink_to("nowhere")
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root / "disk", 0o660 | stat.S_IFBLK, os.makedev(7, 250))
    os.mkfifo(root / "fifo", 0o600)
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(root, os.O_PATH)
        one.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    (root / "su").write_text("x")
    os.chown(root / "su", 12345, 54321)
    (root / "su").chmod(0o6755)
    os.setxattr(root / "su", "user.note", b"mine")
    os.setxattr(root / "su", "trusted.note", b"root's")
    os.setxattr(root / "su", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    os.setxattr(root / "etc/deep", "system.posix_acl_access", ACL)
    os.setxattr(root / "etc/deep", "system.posix_acl_default", ACL)
    with open(root / "holes", "wb") as file:
        file.truncate(20 << 20)
        file.seek(10 << 20)
        file.write(b"x")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "weird \n name\xff").write_text("x")
    os.utime(root / "etc/issue", (1, 1_000_000_000))
    os.utime(root / "etc/deep", (1, 1_100_000_000))
    os.setxattr(root, "user.root", b"its own")
    os.chown(root, 77, 78)
    root.chmod(0o751)
    os.utime(root, (1, 1_200_000_000))


def same(source: Path, target: Path) -> str:
    """What rsync would change to make them equal: nothing. The ACLs of xfs, which it looks at, are a second time in attributes of xfs."""
    need("rsync")
    return run("rsync", "-acHAXn", "--delete", "--itemize-changes", "--filter=-x trusted.SGI_ACL_*", f"{source}/", f"{target}/").stdout


def syncfs(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    libc.syncfs(fd)
    os.close(fd)


def apply(**options: Any) -> dict[str, Any]:
    """A task of lxc_container for one container; its entry of the result."""
    report = fleet.job({"stop_timeout": 5, **options, "name": [options["name"]]}).apply()
    assert not report.failed, report.failed
    [entry] = report.result["containers"]
    return dict(entry)


def predict(**options: Any) -> Any:
    return fleet.job({**options, "name": [options["name"]]}).predict()


@pytest.fixture
def task() -> Iterator[Callable[..., dict[str, Any]]]:
    """`apply`, whose containers are removed at the end."""
    made: set[tuple[str, str]] = set()

    def act(**options: Any) -> dict[str, Any]:
        made.add((options["name"], options["lxc_path"]))
        return apply(**options)

    yield act
    for name, lxc_path in made:
        fleet.job({"name": [name], "lxc_path": lxc_path, "state": "absent", "stop_timeout": 0}).apply()
