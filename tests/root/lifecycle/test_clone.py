# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers made from others, on the real kernel: what is in the copy, what of the source is touched, and stock LXC's view of both."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import lines, parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends

MACHINE_ID = "0123456789abcdef0123456789abcdef\n"


def quiet(line: str) -> None:
    pass


def run_stock(program: str, *arguments: str, ok: bool = True) -> str:
    stock.need_lxc()
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def tree_of(directory: str, *but: str) -> dict[str, object]:
    """All there is to know of every file, without the times of directories and without these names at the top."""
    found: dict[str, object] = {}
    for top, names, files in os.walk(directory):
        for name in [*names, *files]:
            path = os.path.join(top, name)
            relative = os.path.relpath(path, directory)
            if relative.split("/")[0] in but:
                continue
            one = os.lstat(path)
            content = ""
            if stat.S_ISREG(one.st_mode):
                content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)}
            time = 0 if stat.S_ISDIR(one.st_mode) else one.st_mtime_ns
            found[relative] = (one.st_ino, one.st_mode, one.st_uid, one.st_gid, one.st_rdev, one.st_nlink, time, content, attributes)
    return found


def make(lxc_path: Path, name: str = "csource", store: str = "dir", *config: str) -> paths.Container:
    """A container of a static busybox that starts, with a root of every kind of file."""
    lxc_path.mkdir(exist_ok=True)
    one = paths.container(name, str(lxc_path))
    create.create(create.CreateRequest(one, "none", config={"lxc.net.0.type": "empty"}), quiet)
    root = Path(one.rootfs)
    stock.make_root(root, stock.INIT)
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1\t{name}.example.org {name} x{name}\n")
    (root / "etc/machine-id").write_text(MACHINE_ID)
    (root / "etc/machine-id").chmod(0o444)
    os.link(root / "etc/passwd", root / "etc/passwd-")
    os.mkfifo(root / "fifo")
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (root / "su").write_text("x")
    os.chown(root / "su", 1234, 4321)
    (root / "su").chmod(0o6755)
    os.setxattr(root / "su", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    with open(root / "holes", "wb") as file:
        file.truncate(8 << 20)
    rootfs = f"dir:{root}"
    if store == "overlayfs":
        os.makedirs(f"{one.directory}/overlay/delta")
        os.makedirs(f"{one.directory}/overlay/work")
        rootfs = f"overlay:{root}:{one.directory}/overlay/delta"
    said = [f"lxc.rootfs.path = {rootfs}", f"lxc.uts.name = {name}", "lxc.init.cmd = /init", "lxc.net.0.type = empty", *config]
    Path(one.config).write_text("# mine\n" + "\n".join(said) + "\n")
    return one


def request(source: paths.Container, name: str = "ctarget", **more: Any) -> clone.CloneRequest:
    return clone.CloneRequest(source, paths.container(name, source.lxc_path), **more)


def made(source: paths.Container, name: str = "ctarget", **more: Any) -> paths.Container:
    wanted = request(source, name, **more)
    clone.clone(wanted, quiet)
    return wanted.target


def inside(one: paths.Container, act: Callable[[Path], Any], in_child: Callable[..., Any]) -> Any:
    """What `act` says of the mounted root."""

    def look() -> Any:
        mount.set_attr("/", propagation=libc.MS_PRIVATE, recursive=True)
        place = Path(one.lxc_path, "mnt")
        place.mkdir(exist_ok=True)
        backends.for_rootfs(parser.load(one.config).rootfs_path).mount(str(place), "")
        return act(place)

    return in_child(look)


@pytest.fixture
def lxc_path(tmp_path: Path) -> Any:
    yield tmp_path / "lxc"
    assert [one.target for one in mountinfo.read() if str(tmp_path) in one.target] == []


KINDS = [("dir", False), ("dir", True), ("overlayfs", False), ("overlayfs", True)]


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_all_of_a_root_and_nothing_of_the_source(lxc_path: Path, in_child: Callable[..., Any], store: str, snapshot: bool) -> None:
    source = make(lxc_path, store=store)
    Path(source.directory, "csource.log").write_text("old")
    before = tree_of(source.directory)
    target = made(source, snapshot=snapshot)
    assert tree_of(source.directory, "lxc_snapshots") == before

    def look(root: Path) -> list[Any]:
        su = os.stat(root / "su")
        return [
            (su.st_uid, su.st_gid, stat.S_IMODE(su.st_mode), os.getxattr(root / "su", "security.capability")[:4]),
            os.stat(root / "etc/passwd").st_ino == os.stat(root / "etc/passwd-").st_ino,
            stat.S_ISFIFO(os.stat(root / "fifo").st_mode),
            os.stat(root / "null").st_rdev == os.makedev(1, 3),
            (os.stat(root / "holes").st_size, os.stat(root / "holes").st_blocks),
            (root / "etc/hostname").read_text(),
            (root / "etc/hosts").read_text(),
            ((root / "etc/machine-id").read_text(), stat.S_IMODE(os.stat(root / "etc/machine-id").st_mode)),
        ]

    assert inside(target, look, in_child) == [
        (1234, 4321, 0o6755, bytes.fromhex("01000002")),
        True,
        True,
        True,
        (8 << 20, 0),
        "ctarget\n",
        "127.0.0.1 localhost\n127.0.1.1\tctarget.example.org ctarget xcsource\n",
        ("", 0o444),
    ]
    found = {"config", "rootfs", *(["overlay"] if snapshot or store == "overlayfs" else []), *(["lxc_rdepends"] if snapshot else [])}
    assert set(os.listdir(target.directory)) == found
    assert stat.S_IMODE(os.stat(target.directory).st_mode) == 0o770
    assert parser.load(target.config).uts_name == "ctarget" and Path(target.config).read_text().startswith("# mine\n")


@pytest.mark.parametrize(("store", "snapshot"), KINDS)
def test_the_config_is_foreseen(lxc_path: Path, store: str, snapshot: bool) -> None:
    source = make(lxc_path, "csource", store, "lxc.net.1.type = veth", "lxc.net.1.hwaddr = 02:00:00:00:00:01")
    foreseen = clone.foresee(request(source, snapshot=snapshot))
    assert os.listdir(lxc_path) == ["csource"]
    text = Path(made(source, snapshot=snapshot).config).read_text()
    assert foreseen.count("x") == text.count("x") + 6 and "00:16:3e:xx:xx:xx" in foreseen
    address = lines.values(text)["lxc.net.1.hwaddr"][0]
    assert foreseen.replace("00:16:3e:xx:xx:xx", address) == text
