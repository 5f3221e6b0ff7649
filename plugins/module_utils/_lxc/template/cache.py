# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems that were made once and are copied for every container: /var/cache/lxc/hostkit/NAME/rootfs, for root only.

Made beside their place and renamed, under a lock, so that two never make the same one and nobody copies a half of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator

from .. import paths
from ..errors import InUse, StepError
from ..kernel import filelock, tree
from .base import Log

# Longer than any mirror takes for a small system.
_WAIT = 3600.0
_POLL = 0.2


def directory() -> str:
    return f"{paths.CACHE}/hostkit"


def copy_of(name: str, max_age: int, build: Callable[[str], None], target: str, log: Log) -> None:
    """Copy the root called `name` into `target`; where none is younger than `max_age` seconds, `build` fills a new directory first."""
    try:
        _copy_of(name, max_age, build, target, log)
    except OSError as error:
        raise StepError.from_os("template", "Use the cache", str(error.filename or directory()), error) from error


def _copy_of(name: str, max_age: int, build: Callable[[str], None], target: str, log: Log) -> None:
    os.makedirs(directory(), 0o700, exist_ok=True)
    os.chmod(directory(), 0o700)  # it has set-uid files in it
    built = False
    while True:
        with _locked(name, True, log):
            if _age(name) is not None and (built or (0 <= (_age(name) or 0) <= max_age and not _leftovers(name))):
                log("Copying the root file system from the cache")
                tree.copy(f"{directory()}/{name}/rootfs", target)
                return
        with _locked(name, False, log):
            _remove_leftovers(name, log)
            age = _age(name)
            if age is None or not 0 <= age <= max_age:
                _build(name, build, log)
            built = True


def _age(name: str) -> float | None:
    try:
        return time.time() - os.stat(f"{directory()}/{name}/made").st_mtime
    except FileNotFoundError:
        return None


def _build(name: str, build: Callable[[str], None], log: Log) -> None:
    place = f"{directory()}/{name}"
    new = f"{place}.new-{secrets.token_hex(4)}"
    os.mkdir(new, 0o700)
    try:
        os.mkdir(f"{new}/rootfs", 0o755)
        build(f"{new}/rootfs")
        with open(f"{new}/made", "w", encoding="ascii"):
            pass
        if os.path.lexists(place):
            os.rename(place, f"{place}.old-{secrets.token_hex(4)}")
        os.rename(new, place)
    except BaseException:
        tree.remove(new)
        raise
    _remove_leftovers(name, log)


def _remove_leftovers(name: str, log: Log) -> None:
    for entry in _leftovers(name):
        try:
            tree.remove(f"{directory()}/{entry}")
        except OSError as error:
            log(f"Cannot remove {directory()}/{entry} yet: {error.strerror}")


def _leftovers(name: str) -> list[str]:
    """What a killed process left, and the root that was replaced."""
    return [entry for entry in os.listdir(directory()) if entry.startswith((f"{name}.new-", f"{name}.old-"))]


@contextlib.contextmanager
def _locked(name: str, shared: bool, log: Log) -> Iterator[None]:
    path = f"{directory()}/{name}.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _WAIT
        told = False
        while not filelock.try_lock(fd, shared):
            if not told:
                log(f"Waiting for {filelock.holder(path)}, which uses the same root file system")
                told = True
            if time.monotonic() >= deadline:
                raise InUse(f"The cached root file system {directory()}/{name} is in use by {filelock.holder(path)}")
            time.sleep(_POLL)
        if not shared:
            filelock.note(fd, "make a root file system")
        yield
    finally:
        os.close(fd)
