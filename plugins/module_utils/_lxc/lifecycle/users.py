# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose root file system has files of a directory in it: found by what every config of the lxcpath names as its layers.

`lxc_snapshots` does not tell all: LXC writes no such line for an overlay over the lower layer that lies in another overlay's directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..paths import Container
from . import dependents, snapshot_list


class User(NamedTuple):
    """A container or a snapshot, and the places of its root."""

    container: Container
    places: tuple[str, ...]


def scan(lxc_path: str) -> list[User]:
    """Every container of an lxcpath and every snapshot of each, those without a root left out."""
    found = [User(one, places_of(snapshot_list.rootfs_path(one))) for one in everyone(lxc_path)]
    return [user for user in found if user.places]


def places_of(rootfs_path: str) -> tuple[str, ...]:
    """The paths in a text of `lxc.rootfs.path`, whatever the backend."""
    return tuple(os.path.normpath(word) for word in rootfs_path.split(":") if word.startswith("/"))


def of_places(places: Iterable[str], everybody: Iterable[User]) -> list[Container]:
    """Who has a layer at one of these places or below, by its spelling or by where that leads."""
    wanted = {spelling for place in places for spelling in (os.path.normpath(place), os.path.realpath(place))}
    return [user.container for user in everybody if any(_meets(place, wanted) for place in user.places)]


def _meets(place: str, wanted: set[str]) -> bool:
    return any(is_within(spelling, other) for spelling in (place, os.path.realpath(place)) for other in wanted)


def is_within(place: str, directory: str) -> bool:
    return place == directory or place.startswith(directory + "/")


def of_snapshot(one: Container, owner: Container, everybody: Iterable[User]) -> list[Container]:
    """Who needs a snapshot: by its layers, or because LXC wrote so. That of an overlay's owner it writes when it restores it in place,
    and there it is not true: the owner's layers say whether."""
    listed = [user for user in dependents.listed(one) if user != owner]
    return without(one, [*of_places([one.directory], everybody), *listed])


def without(one: Container, found: Iterable[Container]) -> list[Container]:
    """Each once, and not the one itself."""
    return [user for user in dict.fromkeys(found) if user != one]


def name_of(user: Container, beside: Container) -> str:
    """The lxcpath only where it is another."""
    return user.name if user.lxc_path == beside.lxc_path else user.directory


def everyone(lxc_path: str) -> Iterator[Container]:
    """Every container of an lxcpath, behind a link too, and every snapshot of each."""
    names, links = dependents.directories(lxc_path), dependents.directories(lxc_path, links=True)
    if links:
        from .byhand import linked

        names += linked(lxc_path, links)
    for name in names:
        one = Container(lxc_path, name)
        if os.path.lexists(one.config):
            yield one
        yield from snapshots(one)
    for name in set(dependents.directories(f"{lxc_path}snaps")) - set(names):
        yield from snapshots(Container(lxc_path, name))


def snapshots(one: Container) -> Iterator[Container]:
    """Half-made ones may have files already; what has none has no config."""
    yield from (entry.container for entry in snapshot_list.entries(one) if os.path.isfile(entry.container.config))
