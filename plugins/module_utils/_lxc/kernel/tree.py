# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole trees: copied with everything that a file carries, and removed without ever leaving them."""

from __future__ import annotations

import errno
import os
import stat

from . import mount, mountinfo

# openat2(2): not over a mount point (bind mounts too), not through a symbolic link.
_RESOLVE = mount.RESOLVE_NO_XDEV | mount.RESOLVE_NO_SYMLINKS | mount.RESOLVE_BENEATH
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(source: str, target: str, whole: bool = False) -> None:
    """The contents of one directory into another: owners, times, hard links, sparse files, device nodes, extended attributes, flags.

    ACLs and capabilities are among those. By cp of GNU coreutils, by reflink where the file system has it, and not into other file
    systems that are mounted below; nor into subvolumes, which cp takes for such, but with `whole`, for a source that nothing is mounted
    below. When we are killed cp goes too: it must not go on to write into what is cleaned up meanwhile.
    """
    from . import command, inodeflags

    preserved = "--preserve=mode,ownership,timestamps,links,xattr"
    within = [] if whole else ["-x"]
    argv = ["cp", "-R", "-P", *within, "-T", preserved, "--sparse=auto", "--reflink=auto", "--", f"{source}/.", target]
    setpriv = command.which("setpriv")
    result = command.run([setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else argv)
    if result.rc:
        raise OSError(errno.EIO, f"cp: {result.stderr.strip()[-300:] or f'exit status {result.rc}'}", source)
    inodeflags.carry(source, target)


def copy_attributes(source: str, target: str) -> None:
    """Of one directory to another, without what is in it: owner, mode, extended attributes, times."""
    import shutil

    found = os.stat(source)
    os.chown(target, found.st_uid, found.st_gid)
    shutil.copystat(source, target)


def mounts_below(path: str) -> list[str]:
    """Mount points at or below a path, in our mount namespace."""
    top = os.path.realpath(path)
    return [one.target for one in mountinfo.read() if one.target == top or one.target.startswith(top + "/")]


def remove(path: str) -> None:
    """Remove a file or a directory with all that is in it; a symbolic link goes itself. What is not there is no error.

    By descriptors: a link is never followed, whoever swaps it in; a file system mounted below raises EBUSY before anything is gone.
    """
    parent, name = os.path.split(path.rstrip("/"))
    below = mounts_below(path) if not os.path.islink(path) else []
    if below:
        raise OSError(errno.EBUSY, f"{below[0]} is mounted there", path)
    try:
        parent_fd = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_at(parent_fd, name, path)
    finally:
        os.close(parent_fd)


def remove_at(parent_fd: int, name: str, path: str) -> None:
    """The same for a name in an open directory, which messages call `path`; a mount on the way stops it where it stands (EBUSY, EXDEV)."""
    try:
        if _unlink(parent_fd, name):
            return
        directory_fd = _open_directory(parent_fd, name)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    _empty(directory_fd, path)
    _rmdir(parent_fd, name)


def _empty(directory_fd: int, path: str) -> None:
    """Remove all below an open directory, and close it.

    One descriptor at a time and no recursion: a hostile tree can be deeper than both allow. The way back up is `..`, which has to
    be the directory that we came from.
    """
    trail: list[tuple[str, tuple[int, int], list[str]]] = []
    fd, names = directory_fd, _names(directory_fd)
    try:
        while names or trail:
            if names:
                name = names.pop()
                if not _unlink(fd, name):
                    child_fd = _open_directory(fd, name)
                    trail.append((name, _identity(fd), names))
                    os.close(fd)
                    fd = child_fd
                    names = _names(fd)
                continue
            name, above, names = trail.pop()
            parent_fd = os.open("..", _OPEN, dir_fd=fd)
            os.close(fd)
            fd = parent_fd
            if _identity(fd) != above:
                raise OSError(errno.EXDEV, "it was moved away while it was removed", name)
            _rmdir(fd, name)
    except OSError as error:
        place = "/".join([path, *(step[0] for step in trail), str(error.filename or "")]).rstrip("/")
        raise OSError(error.errno, error.strerror, place) from None
    finally:
        os.close(fd)


def _unlink(directory_fd: int, name: str) -> bool:
    """False for a directory: EPERM by POSIX, EISDIR by Linux. EPERM is an immutable file's too, which no container can keep us off with."""
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        if stat.S_ISDIR(os.lstat(name, dir_fd=directory_fd).st_mode):
            return False
        if not _unlock(directory_fd, name):
            raise
        os.unlink(name, dir_fd=directory_fd)
    return True


def _unlock(directory_fd: int, name: str) -> bool:
    from . import inodeflags

    return inodeflags.unlock(directory_fd, name)


def _rmdir(directory_fd: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
    except PermissionError:
        if not _unlock(directory_fd, name):
            raise
        os.rmdir(name, dir_fd=directory_fd)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _names(directory_fd: int) -> list[str]:
    with os.scandir(directory_fd) as entries:
        return [entry.name for entry in entries]


def _open_directory(parent_fd: int, name: str) -> int:
    """A directory on the same mount. Without openat2 the device number has to tell."""
    try:
        return mount.openat2(parent_fd, name, _OPEN, 0, _RESOLVE)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
    fd = os.open(name, _OPEN, dir_fd=parent_fd)
    if os.fstat(fd).st_dev != os.fstat(parent_fd).st_dev:
        os.close(fd)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return fd
