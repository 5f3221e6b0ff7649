# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage backend is. A backend is made from the text of `lxc.rootfs.path`, and keeps nothing else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import NamedTuple, Optional, Protocol

from ..paths import Container


class Copied(NamedTuple):
    """The `lxc.rootfs.path` of a snapshot, and whether it needs the source's files for as long as it lives (lxc_rdepends)."""

    rootfs_path: str
    depends: bool


class Backend(Protocol):
    """`mount` runs in the container's new mount namespace, everything else in the host's.

    Failing system calls raise OSError with the object as filename; a wrong option raises BadValue.
    """

    kind: str
    rootfs_path: str
    atomic: bool
    """Whether a snapshot of a root in use is one moment of it."""

    def __init__(self, rootfs_path: str) -> None: ...

    @classmethod
    def detect(cls, rootfs_path: str) -> bool:
        """Whether this text of `lxc.rootfs.path` is ours."""

    @classmethod
    def place(cls, container: Container, options: Mapping[str, object]) -> str:
        """What `create` will return: the options are looked at, nothing is touched."""

    @classmethod
    def create(cls, container: Container, options: Mapping[str, object]) -> str:
        """Make empty storage for a new container whose directory exists; the text for `lxc.rootfs.path`."""

    def mount(self, target: str, options: str) -> None:
        """Mount the root on `target`, with what `lxc.rootfs.options` says. Nothing is imported here."""

    def umount(self, target: str) -> None:
        """Take away what `mount` or `mount_host` put on `target`."""

    def mount_host(self, target: str) -> str:
        """Where a template or a copy finds the root: a directory that is there anyway, or `target` after mounting on it."""

    def directory(self) -> str:
        """The root's place on the host as mount targets of a config may spell it; "" when it has none."""

    def destroy(self) -> None:
        """Remove the storage. What is already gone is no error."""

    def open_root(self) -> int:
        """The whole root, read-only, as a mount that is attached nowhere and ends with `mount.discard`: what a copy is read from.
        Nothing of it is left when we are killed."""

    def size(self) -> Optional[int]:
        """How many bytes it may hold; None where nothing says so."""

    def resize(self, size: int) -> None:
        """Another number of bytes, of a root in use too. BadValue for one that cannot be: a file system in an image does not shrink."""

    def snapshot(self, target: Container) -> Copied:
        """A cheap copy for another container, whose directory exists: it shares the source's blocks or files. Where `atomic` is
        false the source must not be running."""


def check_root_directory(path: str) -> None:
    """Raise now what `make_root_directory` would."""
    try:
        is_free = stat.S_ISDIR(os.lstat(path).st_mode) and not os.listdir(path)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(path)):
            raise
        return
    if not is_free:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def make_root_directory(path: str) -> None:
    """An empty directory of mode 0755, never through a symbolic link in its last place."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode) or os.listdir(path):
            raise
    os.chmod(path, 0o755)
