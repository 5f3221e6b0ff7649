# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of an aufs put together by hand, on a kernel that has none: so its containers are not lost, and can be kept in another way.

What aufs writes into its upper layer: `.wh.NAME` for a name that is gone, `.wh..wh..opq` in a directory that hides the one below, and
files of its own whose names begin with `.wh..wh.` (aufs(5), Whiteout). Both layers belonged to the container, and are hostile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ..kernel import beneath, tree

_GONE, _OWN, _OPAQUE = ".wh.", ".wh..wh.", ".wh..wh..opq"
_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def merge(lower: str, upper: str, directory: str) -> None:
    """Into an empty directory: the lower layer without what the upper one hides, and over it the upper one without its marks."""
    tree.copy(lower, directory)
    upper_fd, target_fd = os.open(upper, _PLACE), os.open(directory, _PLACE)
    try:
        for path, names in _walk(upper_fd):
            _clear(upper_fd, target_fd, path, names)
        tree.copy(upper, directory)
        for path, names in _walk(upper_fd, with_own=True):
            for name in names:
                if name.startswith(_GONE):
                    _remove(target_fd, path, name)
    finally:
        os.close(upper_fd)
        os.close(target_fd)


def _walk(root_fd: int, with_own: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Every directory below, from the top, with its names; those of aufs itself only by their names."""
    todo = [""]
    while todo:
        path = todo.pop()
        fd = beneath.open_beneath(root_fd, path, _LIST)
        try:
            with os.scandir(fd) as entries:
                found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        finally:
            os.close(fd)
        yield path, [name for name in found if with_own or not name.startswith(_OWN) or name == _OPAQUE]
        todo += [f"{path}/{name}".lstrip("/") for name, is_directory in found.items() if is_directory and not name.startswith(_GONE)]


def _clear(upper_fd: int, target_fd: int, path: str, names: list[str]) -> None:
    """What of the lower layer is hidden, and what is of another kind than what comes in its place."""
    try:
        here_fd = beneath.open_beneath(target_fd, path, _LIST)
    except FileNotFoundError:  # only the upper layer has it
        return
    try:
        if _OPAQUE in names:
            for name in os.listdir(here_fd):
                tree.remove_at(here_fd, name, name)
        for name in names:
            if name.startswith(_GONE):
                tree.remove_at(here_fd, name[len(_GONE) :], name)
            elif _is_other(upper_fd, here_fd, path, name):
                tree.remove_at(here_fd, name, name)
    finally:
        os.close(here_fd)


def _is_other(upper_fd: int, here_fd: int, path: str, name: str) -> bool:
    """A directory meets a directory; whatever else there is goes, so that nothing is written through a link."""
    try:
        below = os.lstat(name, dir_fd=here_fd).st_mode
    except FileNotFoundError:
        return False
    parent_fd = beneath.open_beneath(upper_fd, path, _PLACE)
    try:
        above = os.lstat(name, dir_fd=parent_fd).st_mode
    finally:
        os.close(parent_fd)
    return not (stat.S_ISDIR(below) and stat.S_ISDIR(above))


def _remove(target_fd: int, path: str, name: str) -> None:
    parent_fd = beneath.open_beneath(target_fd, path, _PLACE)
    try:
        tree.remove_at(parent_fd, name, name)
    finally:
        os.close(parent_fd)
