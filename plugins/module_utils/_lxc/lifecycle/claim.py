# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a container that is being made: claimed by LXC's `partial`, and all gone again where the making fails.

What a kill leaves is still marked, with nobody at work on it, and whoever claims the name next cleans it up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..errors import InUse, StepError
from ..kernel import tree
from ..paths import Container
from ..rollback import Rollback
from ..storage import base
from . import destroy, lock, partial

T = TypeVar("T")


@contextmanager
def claimed(container: Container, timeout: float) -> Iterator[int]:
    """The marker's descriptor, for `partial.remember_storage`. At the end of the block the container is whole; after an error it is gone.

    InUse: it exists, or somebody is making it.
    """
    with Rollback() as rollback:
        marker_fd = _claim(container, timeout)
        rollback.add(os.close, marker_fd)
        rollback.add(_give_up, container, marker_fd)
        yield marker_fd
        os.unlink(container.partial)
        rollback.keep()
        os.close(marker_fd)


def check_room(container: Container, root: str = "") -> None:
    """Raise what would be in the way of the directory, and of a root at a place of its own."""
    if os.path.lexists(container.config) or os.path.lexists(container.partial):  # it is cleaned up, or made by now
        return
    if os.path.lexists(container.directory):
        _check_leftovers(container)
    if root:
        step("storage", "Make", root, lambda: base.check_root_directory(root))


def _claim(container: Container, timeout: float) -> int:
    """The container's directory with our marker in it. Mode 0770 as LXC's: set-uid files in a root must be out of users' reach."""
    os.makedirs(container.lxc_path, 0o755, exist_ok=True)
    with lock.hold(container, "create it", timeout):
        if os.path.lexists(container.directory):
            _make_room(container)
        try:
            os.mkdir(container.directory, 0o770)
            os.chmod(container.directory, 0o770)
            return partial.mark(container, "create it")
        except OSError as error:
            raise StepError.from_os("create", "Make", container.directory, error) from error


def _make_room(container: Container) -> None:
    """Clean up after a killed process; a whole container, and anything that we do not know, is InUse."""
    state = partial.state(container)
    if state == "busy":
        raise partial.busy(container, "create it")
    if state == "abandoned":
        marker_fd = partial.mark(container, "create it")
        try:
            destroy.clean_up(container, marker_fd)
        finally:
            os.close(marker_fd)
        return
    if os.path.lexists(container.config):
        raise InUse(f"Container {container.name} already exists in {container.lxc_path}")
    _check_leftovers(container)
    tree.remove(container.directory)


def _check_leftovers(container: Container) -> None:
    """What is in the directory of a container that does not exist."""
    if not os.path.isdir(container.directory):
        raise InUse(f"{container.directory} is in the way: it is not a directory")
    others = partial.contents(container)
    if others:
        raise InUse(f"{container.directory} is in the way: it has no config but {', '.join(others[:5])} in it")


def _give_up(container: Container, marker_fd: int) -> None:
    destroy.clean_up(container, marker_fd)
    lock.forget(container)


def step(name: str, action: str, object: str, act: Callable[[], T]) -> T:
    """The act, whose system calls fail as a StepError."""
    try:
        return act()
    except OSError as error:
        raise StepError.from_os(name, action, str(error.filename or object), error) from error
