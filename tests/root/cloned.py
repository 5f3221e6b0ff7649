# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources for clones, and what can be asked about them and their copies."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends

MACHINE_ID = "0123456789abcdef0123456789abcdef\n"


def quiet(line: str) -> None:
    pass


def tree_of(directory: str, *but: str) -> dict[str, object]:
    """All there is to know of every file, without the times of directories and without these names at the top."""
    found: dict[str, object] = {}
    for top, names, files in os.walk(directory):
        for name in [*names, *files]:
            path = os.path.join(top, name)
            relative = os.path.relpath(path, directory)
            if relative.partition("/")[0] in but:
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
    (root / "etc/hosts").write_text(f"127.0.1.1 {name}\n10.0.0.9\t{name}.example.org {name} x{name}\n")
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
def lxc_path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lxc"
    assert [one.target for one in mountinfo.read() if str(tmp_path) in one.target] == []


KINDS = [("dir", False), ("dir", True), ("overlayfs", False), ("overlayfs", True)]
