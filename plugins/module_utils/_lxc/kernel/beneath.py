# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths below a root that somebody else controls, each resolved to a descriptor inside it.

By openat2(2); before Linux 5.6 by a walk of O_PATH|O_NOFOLLOW descriptors, where `..` goes back to the directory that the
walk came through, and so cannot leave either. A path that begins with / begins at that root. All descriptors close on exec.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Optional

from . import mount

# Whether the kernel has openat2; a first ENOSYS tells, and tests set it.
have_openat2 = True

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WHATEVER = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_INSIDE = mount.RESOLVE_IN_ROOT | mount.RESOLVE_NO_MAGICLINKS
_TRIES = 100
_MAX_LINKS = 40  # as the kernel's MAXSYMLINKS


def open_beneath(root_fd: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open it; a symbolic link anywhere on the way, or at its end, raises OSError ELOOP."""
    return _open(root_fd, path, flags, mode, follow=False)


def open_in_root(root_fd: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open it as a process would whose root this is: links are followed, and stay inside."""
    return _open(root_fd, path, flags, mode, follow=True)


def _open(root_fd: int, path: str, flags: int, mode: int, follow: bool) -> int:
    global have_openat2
    if "\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    if have_openat2:
        resolve = _INSIDE if follow else _INSIDE | mount.RESOLVE_NO_SYMLINKS
        try:
            return _openat2(root_fd, path, flags, mode, resolve)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                have_openat2 = False
            elif error.errno != errno.EPERM:  # which is what an older sandbox says to a call that it does not know
                raise
    return _Walk(root_fd, path, flags, mode, follow).open()


def _openat2(root_fd: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """EAGAIN says that a rename somewhere raced with a `..`: try again, but not for ever."""
    for _attempt in range(_TRIES - 1):
        try:
            return mount.openat2(root_fd, path or ".", flags, mode, resolve)
        except BlockingIOError:
            continue
    return mount.openat2(root_fd, path or ".", flags, mode, resolve)


class _Walk:
    """One resolution without openat2: a stack of the directories that were come through, the root at its bottom."""

    def __init__(self, root_fd: int, path: str, flags: int, mode: int, follow: bool) -> None:
        self.path = path
        self.flags = flags | os.O_CLOEXEC | (os.O_DIRECTORY if path.endswith("/") else 0)
        self.mode = mode
        self.follow = follow
        self.links = 0
        self.root_fd = root_fd
        self.stack: list[int] = []
        self.todo = _parts(path)

    @property
    def here(self) -> int:
        return self.stack[-1] if self.stack else self.root_fd

    def open(self) -> int:
        try:
            while self.todo:
                name = self.todo.pop(0)
                if name == "..":
                    self.leave()
                elif self.todo:
                    self.enter(name)
                else:
                    opened = self.last(name)
                    if opened is not None:
                        return opened
            return os.open(".", self.flags & ~(os.O_CREAT | os.O_EXCL), dir_fd=self.here)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None
        finally:
            for fd in self.stack:
                os.close(fd)

    def leave(self) -> None:
        if self.stack:
            os.close(self.stack.pop())

    def enter(self, name: str) -> None:
        fd = os.open(name, _WHATEVER, dir_fd=self.here)
        kind = os.fstat(fd).st_mode
        if stat.S_ISDIR(kind):
            self.stack.append(fd)
            return
        try:
            if not stat.S_ISLNK(kind):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            self.expand(fd)
        finally:
            os.close(fd)

    def last(self, name: str) -> Optional[int]:
        """The end of the path; None when it is a link, whose text is now what is left to do."""
        if self.is_link(name):
            return None
        fd = os.open(name, self.flags | os.O_NOFOLLOW, self.mode, dir_fd=self.here)
        if self.flags & os.O_PATH and not self.flags & os.O_NOFOLLOW and stat.S_ISLNK(os.fstat(fd).st_mode):
            os.close(fd)  # swapped in since we looked
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return fd

    def is_link(self, name: str) -> bool:
        """Whether a link stands there that must be dealt with; O_NOFOLLOW and O_CREAT|O_EXCL see to it themselves."""
        if self.flags & os.O_NOFOLLOW or (self.flags & os.O_EXCL and self.flags & os.O_CREAT):
            return False
        try:
            fd = os.open(name, _WHATEVER, dir_fd=self.here)
        except FileNotFoundError:
            return False
        try:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                return False
            self.expand(fd)
            return True
        finally:
            os.close(fd)

    def expand(self, link_fd: int) -> None:
        """Put a link's text before what is left. A magic link's text is a path like any other here, and stays inside as well."""
        self.links += 1
        if not self.follow or self.links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        text = os.readlink("", dir_fd=link_fd)
        if text.startswith("/"):
            while self.stack:
                os.close(self.stack.pop())
        if text.endswith("/") and not self.todo:
            self.flags |= os.O_DIRECTORY
        self.todo[:0] = _parts(text)


def _parts(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def make_directories(root_fd: int, path: str, mode: int = 0o755) -> int:
    """An O_PATH descriptor of the directory; what is missing of it is made (the umask applies). A link on the way is ELOOP."""
    try:
        return open_beneath(root_fd, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        pass
    here = os.open(".", _DIRECTORY, dir_fd=root_fd)
    try:
        for name in _parts(os.path.normpath("/" + path)):
            below = _make_directory(here, name, mode)
            os.close(here)
            here = below
    except OSError as error:
        os.close(here)
        raise OSError(error.errno, error.strerror, path) from None
    return here


def _make_directory(parent_fd: int, name: str, mode: int) -> int:
    """Whoever makes it first, and whatever is swapped in: what is opened is a directory, not a link to one."""
    for _attempt in range(_TRIES):
        try:
            return open_beneath(parent_fd, name, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            try:
                os.mkdir(name, mode, dir_fd=parent_fd)
            except FileExistsError:
                continue
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), name)


def make_file(root_fd: int, path: str, mode: int = 0o644) -> int:
    """A descriptor of the file, a place for a mount: whatever is there but a directory or a link, else a new empty file.

    What is there is only named (O_PATH), never opened: it may be a device. Directories on the way are made.
    """
    names = _parts(os.path.normpath("/" + path))
    if not names:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        parent_fd = make_directories(root_fd, "/".join(names[:-1]))
        try:
            return _make_file(parent_fd, names[-1], mode)
        finally:
            os.close(parent_fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _make_file(parent_fd: int, name: str, mode: int) -> int:
    for _attempt in range(_TRIES):
        try:
            fd = open_beneath(parent_fd, name, os.O_PATH)
        except FileNotFoundError:
            try:
                return os.open(name, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=parent_fd)
            except FileExistsError:
                continue
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        return fd
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), name)


def read_text(root_fd: int, path: str, limit: int = 1 << 20) -> str:
    """A regular file's first `limit` bytes; links are followed inside the root. Nothing else is opened: a FIFO blocks, a device acts."""
    place_fd = open_in_root(root_fd, path, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(place_fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        with open(f"/proc/self/fd/{place_fd}", "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    finally:
        os.close(place_fd)
