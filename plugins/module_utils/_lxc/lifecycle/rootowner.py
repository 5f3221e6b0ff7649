# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a root is: a container that was copied by hand names that of the first one, and must not take it along."""

from __future__ import annotations

import os
from typing import Optional

from ..config import parser
from ..errors import InUse, LxcError
from ..paths import Container
from ..storage import backends
from . import dependents, snapshot_list, users

# Kept as files below a directory, by default the container's.
_INSIDE = ("dir", "overlayfs", "aufs", "btrfs", "loop")


def outside(one: Container, rootfs_path: str) -> str:
    """The place of a snapshot's own root that is not in its directory, "" for one that is. It was copied by hand, and names another's."""
    if backends.kind_of(rootfs_path) not in _INSIDE:
        return ""
    home = os.path.realpath(one.directory)
    places = users.places_of(rootfs_path)[-1:]
    return next((place for place in places if not users.is_within(os.path.realpath(os.path.dirname(place)), home)), "")


def refuse(one: Container) -> None:
    """What stands against the removal of one, by a link or a root that is another's. Of a half-made one its marker says what is its own."""
    dependents.refuse_link(one)
    if not os.path.lexists(one.partial):
        refuse_foreign_root(one)


def refuse_foreign_root(one: Container) -> None:
    """InUse where its root is that of another container, of which it was copied by hand: that would lose it."""
    try:
        config = parser.load(one.config, [])
    except (LxcError, OSError):  # who removes it says so
        return
    if config.rootfs_path and config.get_bool("lxc.rootfs.managed", True):
        other = _owner(one, config.rootfs_path)
        if other is not None:
            place = next(iter(users.places_of(config.rootfs_path)[-1:]), config.rootfs_path)
            text = f"Container {one.name} cannot be removed: its root {place} is that of {users.name_of(other, one)}"
            raise InUse(text, hint="Was it copied by hand? With lxc.rootfs.managed = 0 in its config that root stays")


def _owner(one: Container, rootfs_path: str) -> Optional[Container]:
    """Somebody else with the same root. What lies in its own directory, or has its name, is its own."""
    kept_inside = backends.kind_of(rootfs_path) in _INSIDE
    if not (outside(one, rootfs_path) if kept_inside else os.path.basename(rootfs_path) != one.name):
        return None
    around = [Container(*os.path.split(directory)) for directory in _above(rootfs_path) if os.path.isfile(f"{directory}/config")]
    mine, root = os.path.realpath(one.directory), _root(rootfs_path)
    for other in (*around, *users.everyone(one.lxc_path)):
        if os.path.realpath(other.directory) != mine and _root(snapshot_list.rootfs_path(other)) == root:
            return other
    return None


def _root(rootfs_path: str) -> str:
    """What is a container's alone: of layers the upper one."""
    places = users.places_of(rootfs_path)
    return os.path.realpath(places[-1]) if places else rootfs_path


def _above(rootfs_path: str) -> list[str]:
    """The directories around a root, the nearest first."""
    found = [os.path.dirname(place) for place in users.places_of(rootfs_path)[-1:]]
    while found and found[-1] != "/":
        found.append(os.path.dirname(found[-1]))
    return found[:-1]
