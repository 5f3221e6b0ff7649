# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose volumes need whose: LVM and ZFS are asked, as LXC writes none of it into its lists.

A snapshot in LVM that is not thin goes with its origin. A dataset can go, and those that were made from it get what they share: so in a
container's own family, which is it and its snapshots, nothing is in the way there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ..config import parser
from ..errors import InUse, LxcError
from ..paths import Container
from ..storage import named, naming
from ..storage.lvm import Lvm
from . import dependents, rootowner, snapshot_list, users


def of(one: Container) -> list[str]:
    """The texts of `lxc.rootfs.path` of those that need the volume of this container; none where it has another kind of root, or one
    that is not removed with it."""
    try:
        config = parser.load(one.config, [])
        is_managed = config.get_bool("lxc.rootfs.managed", True)
    except (LxcError, OSError):
        return []
    volume = named.of(config.rootfs_path) if is_managed else None
    return volume.users() if volume is not None else []


def family(container: Container) -> list[Container]:
    """The container and all of its snapshots."""
    return [container, *(entry.container for entry in snapshot_list.entries(container))]


def can_share(snapshot: Container) -> bool:
    """Whether a container should share the blocks of this snapshot: one in LVM that is not thin would go with it, and never grow."""
    volume = named.of(snapshot_list.rootfs_path(snapshot))
    return not isinstance(volume, Lvm) or volume.is_thin()


def clones(container: Container) -> list[str]:
    """Who else needs its volume, or that of one of its snapshots, all of which go with it: by name, as far as it is a container's.
    A snapshot goes alone, and what its dataset shares is handed over to its family."""
    going, owner = family(container), _owner(container)
    staying = family(owner) if owner != container else []
    return [
        users.name_of(one, container) if one else text
        for text, one in _users(going, owner)
        if one not in going and not (one in staying and text.startswith("zfs:"))
    ]


def in_the_way(container: Container, going: Iterable[Container]) -> list[Container]:
    """Who needs the volumes of these of its family, and does not go; InUse where it is nobody that is known."""
    going = list(going)
    mine = family(container)
    found = []
    for text, one in _users(going, container):
        if one is None:
            names = ", ".join(one.name for one in going)
            raise InUse(f"The volume of {names} is used by {text}", hint="That is no container's: remove it by hand")
        if one not in going and (one not in mine or text.startswith("lvm:")):
            found.append(one)
    return found


def outside(one: Container, rootfs_path: str) -> str:
    """As `rootowner.outside`. A volume lies in no directory: it is another's when its name is not this one's, and another config has it."""
    if named.of(rootfs_path) is None:
        return rootowner.outside(one, rootfs_path)
    plain, owner = rootfs_path.rpartition(":")[2], _owner(one)
    if naming.means(naming.of(one), os.path.basename(plain)):
        return ""
    others = (other for other in users.everyone(owner.lxc_path) if other != one)
    return plain if any(snapshot_list.rootfs_path(other).rpartition(":")[2] == plain for other in others) else ""


def _owner(one: Container) -> Container:
    """Whose snapshot it is, by the place where it lies; itself where it is none."""
    above, last = os.path.split(one.lxc_path)
    found = Container(*os.path.split(above)) if last == "snaps" else Container(above.removesuffix("snaps"), last)
    return found if one.lxc_path in dependents.snapshot_directories(found) and os.path.lexists(found.config) else one


def _users(going: Iterable[Container], container: Container) -> list[tuple[str, Optional[Container]]]:
    """The volumes that need those of these, each with the container or snapshot that has it as its root."""
    texts = [text for one in going for text in of(one)]
    everybody = users.everyone(container.lxc_path) if texts else ()
    roots = {_plain(snapshot_list.rootfs_path(one)): one for one in everybody}
    return [(text, roots.get(_plain(text))) for text in texts]


def _plain(text: str) -> str:
    """LXC 1.0 writes a volume without a prefix."""
    return text.removeprefix("lvm:").removeprefix("zfs:")
