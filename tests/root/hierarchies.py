# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cgroups this host has, looked at by the tests themselves, so that one test holds for v1, hybrid and unified hosts."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs


class Limit(NamedTuple):
    """A file of a container's cgroup: what is written to it, and what is read back."""

    version: int
    file: str
    written: str
    read: str

    @property
    def key(self) -> str:
        """As a config names it."""
        return f"lxc.cgroup{'2' if self.version == 2 else ''}.{self.file}"


_LIMITS = (
    Limit(1, "memory.limit_in_bytes", "64M", str(64 << 20)),
    Limit(2, "memory.max", "64M", str(64 << 20)),
    Limit(2, "hugetlb.2MB.max", "64M", str(64 << 20)),
)


def controllers() -> dict[str, int]:
    """Each controller that is to be had here, with the version of its hierarchy."""
    found = {}
    for hierarchy in cgroupfs.hierarchies():
        if hierarchy.version == 2:
            found.update(dict.fromkeys(cgroupfs.read(hierarchy.mount_point, "cgroup.controllers").split(), 2))
        else:
            found.update(dict.fromkeys(hierarchy.controllers, 1))
    return found


def limit() -> Limit:
    """One that this host has: of memory where it can be, else of huge pages, which is a real limit too."""
    here = controllers()
    for one in _LIMITS:
        if here.get(one.file.split(".")[0]) == one.version:
            return one
    pytest.skip("this host has neither the memory nor the hugetlb controller")


def has(version: int) -> bool:
    return version in [hierarchy.version for hierarchy in cgroupfs.hierarchies()]


def need(version: int, alone: bool = False) -> None:
    """Skip where no hierarchy of that version is mounted, or another one is too."""
    if not has(version):
        pytest.skip(f"this host has no cgroup v{version} hierarchy")
    if alone and has(3 - version):
        pytest.skip(f"this host has cgroup v{3 - version} hierarchies too")


def of(pid: int) -> dict[str, str]:
    """The cgroup of a process in each hierarchy that is mounted here, by the hierarchy's place. /proc names those that are not, too."""
    paths = cgroupfs.own_path(pid)
    return {h.mount_point: paths[h.controllers[0] if h.version == 1 else ""] for h in cgroupfs.hierarchies()}
