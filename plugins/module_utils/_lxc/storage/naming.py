# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What volumes and datasets are called: they lie in no directory, so their name says whose they are.

A container's is named as it is itself, like LXC's. That of a snapshot has its container's name in front, where LXC has only `snap0`, which
a group can hold once. While one comes in the place of another (a restore) both are there: the new one is numbered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from ..errors import BadValue, LxcError
from ..paths import Container

# lvm(8), VALID NAMES; zfs(8).
_LVM = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")
_LVM_EXPECTED = "1 to 127 of the characters A-Z a-z 0-9 + _ . -, not beginning with - and no name that LVM keeps for itself"
_LVM_RESERVED = re.compile(
    r"\.{1,2}|(snapshot|pvmove).*|.*_([ctvr]?data|[ctvr]?meta|mlog|[mr]image|[cv]origin|w?corig|iorig|pmspare|vdata).*", re.DOTALL
)
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:][A-Za-z0-9_.:-]*)*")
_DATASET_EXPECTED = "the name of a dataset, POOL or POOL/NAME: letters, digits and _ . : - in each part"
_WORK = ".hostkit-restore."
_NUMBER = re.compile(r"\.[0-9]+$")


def check(options: Mapping[str, object]) -> None:
    """The names that a task says: BadValue for what can be none."""
    for option in ("vg_name", "lv_name", "thinpool"):
        if options.get(option, "") != "" or (option in options and option != "thinpool"):
            lvm(option, options[option])
    if "zfs_root" in options:
        dataset("zfs_root", options["zfs_root"])


def lvm(option: str, name: object) -> str:
    """Of a volume, a group or a thin pool."""
    if isinstance(name, str) and _LVM.fullmatch(name) and not _LVM_RESERVED.fullmatch(name):
        return name
    raise BadValue(option, name, _LVM_EXPECTED)


def dataset(option: str, name: object) -> str:
    if isinstance(name, str) and _DATASET.fullmatch(name) and len(name) < 200:
        return name
    raise BadValue(option, name, _DATASET_EXPECTED)


def home(container: Container) -> Container:
    """Where a container will be when it is made: one that comes in the place of another is made in a hidden directory beside it."""
    above, name = os.path.split(container.lxc_path)
    return Container(above, container.name) if name == _WORK + container.name else container


def of(container: Container) -> str:
    """The name of the volume of a container, or of a snapshot."""
    one = home(container)
    if one != container and (name := _current(one)):
        return name
    above, last = os.path.split(one.lxc_path)
    if last == "snaps" and os.path.lexists(f"{above}/config"):
        return f"{os.path.basename(above)}_{one.name}"
    if above.endswith("snaps") and os.path.lexists(f"{above[:-5]}/{last}/config"):  # LXC 1.0's place
        return f"{last}_{one.name}"
    return one.name


def _current(container: Container) -> str:
    """That of one that is there: whoever comes in its place is called as it is."""
    from ..config import parser

    try:
        prefix, _colon, path = parser.load(container.config, []).rootfs_path.partition(":")
    except (LxcError, OSError):
        return ""
    return os.path.basename(path) if prefix in ("lvm", "zfs") else ""


def free(container: Container, wanted: str, is_taken: Callable[[str], bool]) -> str:
    """The name for a new volume of this container: the wanted one, and for one that comes in the place of another the next number."""
    if home(container) == container:
        return wanted
    return next(name for name in _numbered(_NUMBER.sub("", wanted)) if not is_taken(name))


def means(said: str, name: str) -> bool:
    """Whether a volume has the name that a task says, be it that a restore has numbered it."""
    return said in (name, _NUMBER.sub("", name))


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}.{number}" for number in count(1))
