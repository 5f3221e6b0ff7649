# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a root that is being made, as paths below it: a link in the root, whoever put it there, never leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import StepError
from ..kernel import beneath, tree


def exists(rootfs: str, path: str) -> bool:
    """As a process would see it whose root this is."""
    with _root(rootfs, "Look at", path) as root_fd:
        try:
            os.close(beneath.open_in_root(root_fd, path))
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def write(rootfs: str, path: str, text: str | bytes, mode: int = 0o644) -> None:
    """A new file in place of whatever is there."""
    with _parent(rootfs, "Write", path) as (directory_fd, name):
        _unlink(directory_fd, name)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory_fd)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            os.fchmod(file.fileno(), mode)


def link(rootfs: str, path: str, target: str) -> None:
    """A symbolic link in place of whatever is there."""
    with _parent(rootfs, "Link", path) as (directory_fd, name):
        _unlink(directory_fd, name)
        os.symlink(target, name, dir_fd=directory_fd)


def remove(rootfs: str, pattern: str) -> None:
    """Files and directories by a pattern with at most one *, in the last component only. What is not there is no error."""
    directory, _slash, last = pattern.rpartition("/")
    prefix, star, suffix = last.partition("*")
    with _root(rootfs, "Remove", pattern) as root_fd:
        try:
            directory_fd = beneath.open_beneath(root_fd, directory or ".", os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        try:
            for name in os.listdir(directory_fd) if star else [last]:
                if not star or (name.startswith(prefix) and name.endswith(suffix)):
                    tree.remove_at(directory_fd, name, f"{directory}/{name}")
        finally:
            os.close(directory_fd)


@contextmanager
def _root(rootfs: str, action: str, path: str) -> Iterator[int]:
    try:
        root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield root_fd
        finally:
            os.close(root_fd)
    except OSError as error:
        raise StepError.from_os("template", action, f"{rootfs}/{path}", error) from error


@contextmanager
def _parent(rootfs: str, action: str, path: str) -> Iterator[tuple[int, str]]:
    with _root(rootfs, action, path) as root_fd:
        directory_fd = beneath.make_directories(root_fd, os.path.dirname(path), 0o755)
        try:
            yield directory_fd, os.path.basename(path)
        finally:
            os.close(directory_fd)


def _unlink(directory_fd: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
