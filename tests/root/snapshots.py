# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers to take snapshots of, and trees to compare: small ones, with one of everything that a root may have in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount_old
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot
from patience import FACTOR

STORES = ("dir", "overlayfs")
HWADDR = "00:16:3e:11:22:33"


def stock(program: str, container: Container, *arguments: str, ok: bool = True) -> str:
    if shutil.which(program) is None:
        (pytest.fail if os.environ.get("HOSTKIT_REQUIRE_ORACLE") == "1" else pytest.skip)(f"{program} is not installed")
    command = [program, "-P", container.lxc_path, "-n", container.name, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * FACTOR, check=False)
    assert (done.returncode == 0) == ok, f"{command}: {done.returncode}: {done.stdout}"
    return done.stdout


def make(lxc_path: Path, name: str, store: str = "dir", lower: Container | None = None) -> Container:
    """A container with files in its root; over another's with `lower`, whose list says so as LXC has it."""
    one = Container(str(lxc_path), name)
    root = Path(one.rootfs)
    root.mkdir(parents=True)
    os.chmod(one.directory, 0o770)
    if lower is None:
        fill(root, name)
    text = f"dir:{root}"
    if store == "overlayfs":
        upper = Path(one.directory, "overlay/delta")
        (upper / "etc").mkdir(parents=True)
        (upper.parent / "work").mkdir()
        (upper / "etc/upper").write_text(name)
        text = f"overlay:{lower.rootfs if lower else root}:{upper}"
    if lower is not None:
        Path(one.directory, "lxc_rdepends").write_text(f"{lower.lxc_path}\n{lower.name}\n")
        with open(f"{lower.directory}/lxc_snapshots", "a", encoding="utf-8") as file:
            file.write(f"{one.lxc_path}\n{one.name}\n")
    lines = [f"lxc.uts.name = {name}", "lxc.net.0.type = veth", f"lxc.net.0.hwaddr = {HWADDR}", f"lxc.rootfs.path = {text}"]
    Path(one.config).write_text("# mine\n" + "\n".join(lines) + "\n")
    return one


def fill(root: Path, name: str) -> None:
    for directory in ("etc", "dev", "run", "usr/bin"):
        (root / directory).mkdir(parents=True)
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.1.1 {name}\n")
    (root / "usr/bin/one").write_bytes(b"\x7fELF" + os.urandom(5000))
    os.link(root / "usr/bin/one", root / "usr/bin/two")
    os.setxattr(root / "usr/bin/one", "user.note", b"kept")
    os.setxattr(root / "usr/bin/one", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    (root / "etc/link").symlink_to("/etc/hostname")
    os.mkfifo(root / "run/fifo")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "run/socket"))
    with open(root / "etc/sparse", "wb") as file:
        file.truncate(10 << 20)
        file.write(b"x")
    os.chown(root / "etc/hosts", 1234, 4321)


def write(one: Container, text: str) -> None:
    """Change a file of the container, as it would when it runs: in the upper layer of an overlay."""
    place = Path(one.directory, "overlay/delta/etc") if "overlay:" in Path(one.config).read_text() else Path(one.rootfs, "etc")
    (place / "state").write_text(text)


def state(one: Container) -> str:
    return tree(one)["etc/state"][-1]


def tree(one: Container) -> dict[str, tuple[Any, ...]]:
    """The whole root as the container sees it: kind, mode, owner, size, device, link count, attributes and contents."""
    from forked import run

    return run(lambda: _tree(one), libc.CLONE_NEWNS)  # type: ignore[no-any-return]


def _tree(one: Container) -> dict[str, tuple[Any, ...]]:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends

    store = backends.for_rootfs(parser.load(one.config).rootfs_path)
    mount_old.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE, "")
    mount_old.mount("tmpfs", "/mnt", "tmpfs", 0, "")
    store.mount("/mnt", "")
    return {str(path.relative_to("/mnt")): _described(path) for path in sorted(Path("/mnt").rglob("*"))}


def _described(path: Path) -> tuple[Any, ...]:
    found = path.lstat()
    kind = stat.S_IFMT(found.st_mode)
    content = ""
    if kind == stat.S_IFREG:
        data = path.read_bytes()
        content = data.decode() if len(data) < 100 and data.isascii() else hashlib.sha256(data).hexdigest()
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    names = [] if kind == stat.S_IFLNK else [name for name in os.listxattr(path) if not name.startswith("trusted.overlay")]
    attributes = sorted((name, os.getxattr(path, name)) for name in names)
    size = found.st_size if kind == stat.S_IFREG else 0
    links = found.st_nlink if kind == stat.S_IFREG else 0
    return (oct(found.st_mode), found.st_uid, found.st_gid, size, found.st_rdev, links, attributes, content)


def task(one: Container, **options: Any) -> Any:
    return snapshot.Job({"name": one.name, "lxc_path": one.lxc_path, **options}).apply()


def check(one: Container, **options: Any) -> Any:
    return snapshot.Job({"name": one.name, "lxc_path": one.lxc_path, **options}).predict()


def everything(directory: str) -> list[str]:
    """Every path below, with what tells whether it was touched."""
    found = []
    for path in sorted(Path(directory).rglob("*")):
        about = path.lstat()
        found.append(f"{path} {about.st_ino} {about.st_mode:o} {about.st_size} {about.st_mtime_ns}")
    return found
