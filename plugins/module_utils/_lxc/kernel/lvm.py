# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical volumes, by the programs of LVM2 (lvm(8)): what they do is told to the device mapper, and the kernel knows no more than that.

Sizes are bytes. Names are checked by who calls.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ..errors import StepError
from . import command

_CONTROL = "/dev/mapper/control"
_PROGRAMS = ("lvcreate", "lvremove", "lvextend", "lvreduce", "lvchange", "lvs", "vgs")
_TIMEOUT = 300.0  # a thin pool that waits for room answers late
_JSON = ("--reportformat", "json", "--units", "b", "--nosuffix")
_GROUP = "vg_name,vg_extent_size,vg_free"
_VOLUME = "vg_name,lv_name,lv_size,lv_attr,origin,pool_lv,lv_tags"


class Group(NamedTuple):
    """A volume group: what its volumes are made of in multiples, and how much of it is free."""

    name: str
    extent: int
    free: int


class Volume(NamedTuple):
    """A logical volume. `origin` is what it is a snapshot of, `pool` the thin pool that it lies in; "" for none."""

    group: str
    name: str
    size: int
    attributes: str
    origin: str
    pool: str
    tags: tuple[str, ...] = ()

    @property
    def is_pool(self) -> bool:
        return self.attributes.startswith("t")

    @property
    def needs_origin(self) -> bool:
        """A snapshot that is not thin is no more than what has changed since: it goes with its origin."""
        return bool(self.origin) and not self.pool


def missing() -> str:
    """What this host lacks: a program, or the kernel's device mapper, whose module loads as its control device is opened; "" if none."""
    for program in _PROGRAMS:
        if not command.which(program):
            return f"it has no {program}"
    try:
        os.close(os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"its kernel has no device mapper ({_CONTROL}: {error.strerror})"
    return ""


def group(name: str) -> Optional[Group]:
    """None where there is none of that name."""
    rows = _report("vg", "vgs", "-o", _GROUP, "-S", f'vg_name="{name}"')
    return next((Group(row["vg_name"], int(row["vg_extent_size"]), int(row["vg_free"])) for row in rows), None)


def volumes(group_name: str) -> list[Volume]:
    """Those of a group; none where there is no such group."""
    rows = _report("lv", "lvs", "-o", _VOLUME, "-S", f'vg_name="{group_name}"')
    return [_volume(row) for row in rows]


def of_device(path: str) -> Optional[Volume]:
    """The volume that a block device is, whatever link the path is; None where it is none, or not there."""
    try:
        number = os.stat(path).st_rdev
    except OSError:
        return None
    rows = _report("lv", "lvs", "-o", _VOLUME, "-S", f"lv_kernel_major={os.major(number)} && lv_kernel_minor={os.minor(number)}")
    return next(map(_volume, rows), None)


def create(group_name: str, name: str, size: int, pool: str, tag: str) -> None:
    """FileExistsError where there is one of that name. What an old file system has left in it is wiped."""
    place = ["--thinpool", f"{group_name}/{pool}", "-V"] if pool else ["-L"]
    more = [] if pool else [group_name]
    _run("lvcreate", "--yes", "--addtag", tag, "-W", "y", *place, f"{size}b", "-n", name, *more, about=f"{group_name}/{name}")


def snapshot(origin: Volume, name: str, tag: str) -> None:
    """One moment of it, of a volume in use too. That of a thin one is thin; another may become as large as all of its origin."""
    room = ["-k", "n"] if origin.pool else ["-l", "100%ORIGIN"]
    _run("lvcreate", "--yes", "--addtag", tag, "-s", *room, "-n", name, f"{origin.group}/{origin.name}", about=f"{origin.group}/{name}")


def activate(group_name: str, name: str) -> None:
    """Give it its device: a thin snapshot that LXC has made has none after a boot."""
    _run("lvchange", "-a", "y", "-K", f"{group_name}/{name}", about=f"{group_name}/{name}")


def extend(group_name: str, name: str, size: int) -> None:
    """In whole extents."""
    _run("lvextend", "--yes", "-L", f"{size}b", f"{group_name}/{name}", about=f"{group_name}/{name}")


def reduce(group_name: str, name: str, size: int) -> None:
    """Back, where nothing in it has grown yet."""
    _run("lvreduce", "--yes", "--force", "-L", f"{size}b", f"{group_name}/{name}", about=f"{group_name}/{name}")


def remove(group_name: str, name: str) -> None:
    """With all its snapshots that are not thin; who calls has looked for those."""
    _run("lvremove", "--yes", "--force", f"{group_name}/{name}", about=f"{group_name}/{name}")


def _volume(row: Mapping[str, str]) -> Volume:
    tags = tuple(row["lv_tags"].split(","))
    return Volume(row["vg_name"], row["lv_name"], int(row["lv_size"]), row["lv_attr"], row["origin"], row["pool_lv"], tags)


def _report(kind: str, *argv: str) -> list[dict[str, str]]:
    said = _run(argv[0], *_JSON, *argv[1:], about="logical volumes")
    return [row for report in json.loads(said)["report"] for row in report[kind]]


def _run(*argv: str, about: str) -> str:
    result = command.run(argv, env={"LVM_SUPPRESS_FD_WARNINGS": "1"}, timeout=_TIMEOUT)
    if not result.rc:
        return result.stdout
    said = " ".join(line.strip() for line in result.stderr.splitlines() if not line.strip().startswith("WARNING"))
    if "already exists in volume group" in said:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), about)
    code = errno.ENOSPC if "nsufficient free" in said or "nsufficient suitable" in said else 0
    raise StepError("storage", argv[0], about, code, text=said[-300:] or f"it ended with status {result.rc}")
