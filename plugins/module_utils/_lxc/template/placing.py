# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of an archive after the other, put below a directory by descriptors that no symbolic link can lead astray."""

from __future__ import annotations

import os
import stat
from typing import IO, NamedTuple

from ..errors import LxcError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)
_FOR_NEW = "system.posix_acl_default"


class Entry(NamedTuple):
    """`parts` is the name below the root, split; none is the root itself."""

    parts: tuple[str, ...]
    mode: int
    uid: int
    gid: int
    time: float
    attributes: dict[str, bytes]

    @property
    def path(self) -> str:
        return "/".join(self.parts) or "."


class Placer:
    """Keeps the last parent open, since members of one directory follow each other. Directories' times are set at the end, and the ACL that
    files which are made in one get."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._parent: tuple[tuple[str, ...], int] = ((), -1)
        self._late: list[Entry] = []

    def directory(self, entry: Entry) -> None:
        if entry.parts:
            parent_fd = self._open_parent(entry.parts)
            try:
                os.mkdir(entry.parts[-1], 0o700, dir_fd=parent_fd)
            except FileExistsError:
                pass
        late = {name: value for name, value in entry.attributes.items() if name == _FOR_NEW}
        fd = self._walk(entry.parts)
        try:
            _dress(fd, entry._replace(attributes={name: value for name, value in entry.attributes.items() if name not in late}))
        finally:
            os.close(fd)
        self._late.append(entry._replace(attributes=late))

    def file(self, entry: Entry, data: IO[bytes], size: int) -> None:
        parent_fd = self._make_way(entry)
        fd = os.open(entry.parts[-1], _NEW_FILE, 0o600, dir_fd=parent_fd)
        try:
            _copy(data, fd, size)
            _dress(fd, entry)
            os.utime(fd, (entry.time, entry.time))
        finally:
            os.close(fd)

    def symlink(self, entry: Entry, target: str) -> None:
        parent_fd = self._make_way(entry)
        name = entry.parts[-1]
        os.symlink(target, name, dir_fd=parent_fd)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent_fd, follow_symlinks=False)
        os.utime(name, (entry.time, entry.time), dir_fd=parent_fd, follow_symlinks=False)

    def hard_link(self, entry: Entry, source: tuple[str, ...]) -> None:
        if not source:
            raise LxcError(f"{entry.path} is a hard link to the root")
        source_fd = self._walk(source[:-1])
        try:
            found = os.lstat(source[-1], dir_fd=source_fd)
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
                raise LxcError(f"{entry.path} is a hard link to what is no file: {'/'.join(source)}")
            if source == entry.parts:
                return
            parent_fd = self._make_way(entry)
            os.link(source[-1], entry.parts[-1], src_dir_fd=source_fd, dst_dir_fd=parent_fd, follow_symlinks=False)
        except FileNotFoundError:
            raise LxcError(f"{entry.path} is a hard link to what is not in the archive: {'/'.join(source)}") from None
        finally:
            os.close(source_fd)

    def fifo(self, entry: Entry) -> None:
        parent_fd = self._make_way(entry)
        os.mkfifo(entry.parts[-1], 0o600, dir_fd=parent_fd)
        fd = os.open(entry.parts[-1], os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            _dress(fd, entry)
            os.utime(fd, (entry.time, entry.time))
        finally:
            os.close(fd)

    def node(self, entry: Entry, kind: int, device: int) -> None:
        """Named and not opened: to open a device does something."""
        parent_fd = self._make_way(entry)
        name = entry.parts[-1]
        os.mknod(name, kind | 0o600, device, dir_fd=parent_fd)
        os.chown(name, entry.uid, entry.gid, dir_fd=parent_fd, follow_symlinks=False)
        os.chmod(name, entry.mode, dir_fd=parent_fd)  # it is no link: nobody else is in this directory
        os.utime(name, (entry.time, entry.time), dir_fd=parent_fd, follow_symlinks=False)

    def finish(self) -> None:
        """The directories' times, which every file in them has changed."""
        self._forget_parent()
        for entry in reversed(self._late):
            try:
                fd = self._walk(entry.parts)
            except LxcError:
                continue  # a later member took its place
            try:
                for name, value in entry.attributes.items():
                    os.setxattr(fd, name, value)
                os.utime(fd, (entry.time, entry.time))
            finally:
                os.close(fd)

    def _make_way(self, entry: Entry) -> int:
        """The parent, in which nothing has the member's name any more; a later member replaces a file, but never a directory."""
        parent_fd = self._open_parent(entry.parts)
        try:
            os.unlink(entry.parts[-1], dir_fd=parent_fd)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            raise LxcError(f"{entry.path} would replace a directory") from None
        return parent_fd

    def _open_parent(self, parts: tuple[str, ...]) -> int:
        """The directory above, made where the archive has no member for it."""
        wanted = parts[:-1]
        if self._parent[1] < 0 or self._parent[0] != wanted:
            self._forget_parent()
            self._parent = (wanted, self._walk(wanted, make=True))
        return self._parent[1]

    def _forget_parent(self) -> None:
        if self._parent[1] >= 0:
            os.close(self._parent[1])
        self._parent = ((), -1)

    def _walk(self, parts: tuple[str, ...], make: bool = False) -> int:
        fd = os.dup(self._root_fd)
        try:
            for index, part in enumerate(parts):
                next_fd = _step(fd, part, "/".join(parts[: index + 1]), make)
                os.close(fd)
                fd = next_fd
        except BaseException:
            os.close(fd)
            raise
        return fd


def _step(fd: int, part: str, path: str, make: bool) -> int:
    made = make and _make_directory(fd, part)
    try:
        found = os.open(part, _DIRECTORY, dir_fd=fd)
        if made:
            os.fchmod(found, 0o755)  # whatever the umask is
        return found
    except FileNotFoundError:
        raise LxcError(f"{path} is not in the archive") from None
    except OSError:
        raise LxcError(f"The way to a member leads through {path}, which is no directory (a symbolic link?)") from None


def _make_directory(fd: int, name: str) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=fd)
    except FileExistsError:
        return False
    return True


def _dress(fd: int, entry: Entry) -> None:
    """Owner first: chown takes set-uid bits and capabilities away."""
    os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, entry.mode)
    for name, value in entry.attributes.items():
        os.setxattr(fd, name, value)


def _copy(data: IO[bytes], fd: int, size: int) -> None:
    """Blocks of zeros become holes."""
    left = size
    while left:
        block = data.read(min(_BLOCK, left))
        if not block:
            raise LxcError("The archive ends in the middle of a file")
        left -= len(block)
        if block == _ZEROS[: len(block)]:
            os.lseek(fd, len(block), os.SEEK_CUR)
        else:
            _write_all(fd, block)
    os.ftruncate(fd, size)


def _write_all(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]
