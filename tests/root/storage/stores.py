# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backing stores that the matrix goes through, a line each in STORES; and what can be asked about any of them."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import inodeflags, libc, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import snapshot_list, wholefile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.dir import attach
from storage_images import Images, run

SMALL = "120M"  # the least that a btrfs takes, or nearly so
# LXC's list of users, as it may be found while a clone is being made.
USERS = ("lxc_snapshots", f"lxc_snapshots{wholefile.SUFFIX}")


def on_ext4(images: Images, name: str, size: str) -> Path:
    return images.mounted("ext4", size, name) / "lxc"


def on_btrfs(images: Images, name: str, size: str) -> Path:
    return images.mounted("btrfs", size, name) / "lxc"


def nothing(_lxc_path: Path) -> list[str]:
    return []


def subvolumes(lxc_path: Path) -> list[str]:
    """And those that are gone, as long as they have blocks."""
    place = str(lxc_path.parent)
    run("btrfs", "filesystem", "sync", place)
    return [line for kind in ("-a", "-d") for line in run("btrfs", "subvolume", "list", kind, place).stdout.splitlines()]


def loop_devices(lxc_path: Path) -> list[str]:
    """That have something below as their image. Of one that nobody has open the kernel lets go a moment later."""
    found = []
    for place in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found.append(place.read_text().strip())
        except OSError:  # gone since it was listed
            continue
    return sorted(image for image in found if image.startswith(f"{lxc_path}/"))


class Store(NamedTuple):
    """`place` makes a store of so many bytes of its own and says where the lxcpath is; `outside` lists what containers have there that is
    in none of their directories. `shares`: has clone_snapshot; `in_place`: a container goes back to a snapshot where it stands.
    """

    kind: str
    place: Callable[[Images, str, str], Path]
    outside: Callable[[Path], list[str]] = nothing
    options: Mapping[str, Any] = {}
    shares: bool = True
    in_place: bool = True


STORES = {
    "dir": Store("dir", on_ext4),
    "overlayfs": Store("overlayfs", on_ext4),
    "btrfs": Store("btrfs", on_btrfs, subvolumes),
    "loop": Store("loop", on_ext4, loop_devices, {"size": "64M"}, shares=False),
}


class Opened:
    """The whole root of a container, read-only, attached nowhere: its path."""

    def __init__(self, one: Container) -> None:
        self._fd = backends.for_rootfs(snapshot_list.rootfs_path(one)).open_root()

    def __enter__(self) -> Path:
        return Path(f"/proc/{os.getpid()}/fd/{self._fd}")

    def __exit__(self, *_error: object) -> None:
        mount.discard(self._fd)


class Shown(Opened):
    """The same at a place of the host, for programs that ask where they are."""

    def __init__(self, one: Container, place: Path) -> None:
        super().__init__(one)
        place.mkdir(exist_ok=True)
        self._place = place
        attach(os.dup(self._fd), str(place))

    def __enter__(self) -> Path:
        return self._place

    def __exit__(self, *_error: object) -> None:
        mount.umount(str(self._place), libc.MNT_DETACH)
        os.close(self._fd)


def content(one: Container) -> dict[str, tuple[object, ...]]:
    """All there is to know of each file of its root: kind, mode, owner, size, device, links, times, flags, attributes, content."""
    with Opened(one) as root:
        return described(root)


def described(root: Path) -> dict[str, tuple[object, ...]]:
    hashes: dict[tuple[int, int], str] = {}  # of what has many names once
    found = {".": _of(str(root), os.stat(root), hashes)}
    for top, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = os.path.join(top, name)
            found[os.path.relpath(path, root)] = _of(path, os.lstat(path), hashes)
    return found


def _of(path: str, about: os.stat_result, hashes: dict[tuple[int, int], str]) -> tuple[object, ...]:
    kind, text, flags = stat.S_IFMT(about.st_mode), "", 0
    follow = os.path.isdir(path) and not os.path.islink(path)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        fd = os.open(path, os.O_RDONLY)
        try:
            flags = inodeflags.get(fd) & inodeflags._CARRIED
            if kind == stat.S_IFREG:
                text = hashes.get((about.st_dev, about.st_ino)) or _hash(fd)
                hashes[about.st_dev, about.st_ino] = text
        finally:
            os.close(fd)
    elif kind == stat.S_IFLNK:
        text = os.readlink(path)
    names = [name for name in os.listxattr(path, follow_symlinks=follow) if not name.startswith("trusted.overlay.")]
    attributes = [(name, os.getxattr(path, name, follow_symlinks=follow)) for name in sorted(names)]
    size, links = (about.st_size, about.st_nlink) if kind == stat.S_IFREG else (0, 0)
    return (about.st_mode, about.st_uid, about.st_gid, size, about.st_rdev, links, about.st_mtime_ns, flags, attributes, text)


def _hash(fd: int) -> str:
    with open(fd, "rb", closefd=False) as file:
        return hashlib.sha256(file.read()).hexdigest()


def untouched(one: Container) -> str:
    """A digest of all that a container has: its directory with whatever lies in it, and its root as it is seen."""
    beside = {path: about for path, about in described(Path(one.directory)).items() if path not in (".", *USERS)}
    # The list of users comes and goes in the directory, which has another time then.
    return hashlib.sha256(repr((sorted(beside.items()), sorted(content(one).items()))).encode()).hexdigest()


def left(store: Store, lxc_path: Path) -> list[str]:
    """Everything of its containers, wherever it is, after a moment for what ends by itself."""
    deadline = time.monotonic() + 20
    while True:
        names = os.listdir(lxc_path) if lxc_path.exists() else []
        mounts = [one.target for one in mountinfo.read() if one.target.startswith(f"{lxc_path}/")]
        found = sorted([*names, *mounts, *store.outside(lxc_path)])
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def syncfs(path: Path) -> None:
    """So that blocks are allocated, and a full disk is found to be full."""
    fd = os.open(path, os.O_RDONLY)
    try:
        libc.syncfs(fd)
    finally:
        os.close(fd)
