# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends that few hosts use, and what the host has to have before a root of theirs can be mounted in a container."""

from __future__ import annotations

from collections.abc import Mapping

from .aufs import Aufs
from .base import Backend
from .lvm import Lvm
from .zfs import Zfs, check_module

CLASSES: Mapping[str, type[Backend]] = {"aufs": Aufs, "lvm": Lvm, "zfs": Zfs}


def prepare(backend: Backend) -> None:
    """Unsupported names what is missing. A volume gets its device, which one that LXC has made may not have after a boot."""
    if isinstance(backend, Aufs):
        backend.check_host()
    if isinstance(backend, Lvm):
        backend.activate()
    if isinstance(backend, Zfs):
        check_module()
