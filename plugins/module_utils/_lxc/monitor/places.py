# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container of this monitor can be reached: its cgroup directories, its interfaces, its signals; and who asks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Optional

from ..cgroup.layout import Cgroup
from ..kernel import cgroupfs


def open_directory(cgroup: Cgroup) -> int:
    """A descriptor of the container's directory in one hierarchy."""
    return os.open(cgroup.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_directories(cgroups: Iterable[Cgroup]) -> tuple[int, ...]:
    """One of each, or OSError and none."""
    opened: list[int] = []
    try:
        for cgroup in cgroups:
            opened.append(open_directory(cgroup))
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    return tuple(opened)


def thaw(cgroups: Iterable[Cgroup]) -> None:
    """So that a frozen container can die; one without a freezer is not frozen."""
    for cgroup in cgroups:
        try:
            if "freezer" in cgroup.controllers:
                cgroupfs.write(cgroup.directory, "freezer.state", "THAWED")
            elif cgroup.version == 2:
                cgroupfs.write(cgroup.directory, "cgroup.freeze", "0")
        except OSError:
            continue


def net_item(links: Sequence[Sequence[Any]], key: str) -> Optional[str]:
    """`lxc.net.N.veth.pair` of a running container is the name that its interface really got."""
    match = re.fullmatch(r"lxc\.net\.([0-9]+)\.veth\.pair", key)
    if not match:
        return None
    for link in links:
        if str(link[0]) == match[1]:
            return str(link[2])
    return None


def same_namespaces(pid: int) -> bool:
    """Whether a peer lives in this monitor's pid and user namespace; pid 0 is one that has no number here.

    By the text of the links, which names them (namespaces(7)): it is asked of everybody who connects, and stat(2) takes four times as long.
    """
    if pid <= 0:
        return False
    try:
        return _namespaces(str(pid)) == _own_namespaces()
    except OSError:
        return False


@lru_cache(maxsize=1)
def _own_namespaces() -> tuple[str, str]:
    return _namespaces("self")


def _namespaces(process: str) -> tuple[str, str]:
    return os.readlink(f"/proc/{process}/ns/pid"), os.readlink(f"/proc/{process}/ns/user")
