# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root open for a few changes from the host, by no process of its own: nobody sees a mount, and a kill leaves none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from ..kernel import mount
from .base import Backend
from .overlayfs import Overlayfs

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened(store: Backend) -> Iterator[Optional[str]]:
    """A path that leads to it as long as the block lasts; None where it takes a mount that has a place."""
    if store.kind in ("dir", "btrfs"):
        yield store.directory()
    elif isinstance(store, Overlayfs) and store.kind == "overlayfs" and mount.has_new_api():
        root_fd = _overlay(store)
        try:
            yield f"/proc/{os.getpid()}/fd/{root_fd}"
        finally:
            mount.discard(root_fd)
    else:
        yield None


def _overlay(store: Overlayfs) -> int:
    """By descriptors, as fsconfig(2) takes 255 bytes a value."""
    fds = [os.open(layer, _DIRECTORY) for layer in (store.upper, store.work, *store.lowers)]
    try:
        upper, work, *lowers = (f"/proc/self/fd/{fd}" for fd in fds)
        return mount.new_fs("overlay", {"lowerdir": ":".join(lowers), "upperdir": upper, "workdir": work}, 0, "overlay")
    finally:
        for fd in fds:
            os.close(fd)
