# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets, by the program zfs of OpenZFS (zfs(8)), which talks to its kernel module. Sizes are bytes; names are checked by who calls."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping

from ..errors import StepError
from . import command, mount

_CONTROL = "/dev/zfs"
_TIMEOUT = 300.0
_PATIENCE = 10.0  # seconds, for a mount whose process is just ending
_PAUSE = 0.1
# On a snapshot: the dataset that it was taken for.
PURPOSE = "hostkit.lxc:clone"
# On a dataset: the directory of the container that it was made for.
OWNER = "hostkit.lxc:container"


def missing() -> str:
    """What this host lacks: the program, or the kernel's module. "" for nothing."""
    if not command.which("zfs"):
        return "it has no program zfs"
    if not mount.knows_fs("zfs"):
        return "its kernel has no zfs"
    if not os.path.exists(_CONTROL):
        return f"there is no {_CONTROL}"
    return ""


def exists(name: str) -> bool:
    """Of a dataset or a snapshot. A pool that is not imported has none."""
    return bool(_rows("list", "-H", "-o", "name", "-t", "filesystem,snapshot", name))


def create(name: str, properties: Mapping[str, str]) -> None:
    """FileExistsError where there is one of that name."""
    _run("create", *_options(properties), name)


def snapshot(name: str, properties: Mapping[str, str]) -> None:
    """One moment of a dataset; `name` is DATASET@SNAPSHOT."""
    _run("snapshot", *_options(properties), name)


def clone(snapshot_name: str, name: str, properties: Mapping[str, str]) -> None:
    """A dataset that shares the blocks of a snapshot, and needs it."""
    _run("clone", *_options(properties), snapshot_name, name)


def promote(name: str) -> None:
    """Give a clone the snapshot that it was made from, and all before that: its origin is then the clone of the two."""
    _run("promote", name)


def destroy(name: str, *options: str) -> None:
    """What is gone is no error."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            _run("destroy", *options, name)
        except FileNotFoundError:
            return
        except StepError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def snapshots(dataset: str) -> dict[str, list[str]]:
    """Its snapshots, the oldest first, each with the datasets that are made from it."""
    rows = _rows("list", "-H", "-p", "-t", "snapshot", "-d", "1", "-s", "createtxg", "-o", "name,clones", dataset)
    return {name: [one for one in made.split(",") if one not in ("", "-")] for name, made in rows}


def taken_for(parent: str, dataset: str) -> list[str]:
    """The snapshots, of whatever is below this dataset, that were taken to make that one and have no clone."""
    rows = _rows("list", "-H", "-p", "-t", "snapshot", "-d", "2", "-o", f"name,clones,{PURPOSE}", parent)
    return [name for name, made, purpose in rows if purpose == dataset and made in ("", "-")]


def clones(snapshot_name: str) -> list[str]:
    """The datasets that are made from this snapshot."""
    return [one for one in value(snapshot_name, "clones").split(",") if one not in ("", "-")]


def value(dataset: str, name: str) -> str:
    """Of a property; "-" where it has none."""
    [[found]] = _rows("get", "-H", "-p", "-o", "value", name, dataset) or [["-"]]
    return found


def set_value(dataset: str, name: str, text: str) -> None:
    _run("set", f"{name}={text}", dataset)


def _options(properties: Mapping[str, str]) -> list[str]:
    return [word for key, text in properties.items() for word in ("-o", f"{key}={text}")]


def _rows(*argv: str) -> list[list[str]]:
    """The lines of what it prints, none where it does not find what is asked for."""
    try:
        return [line.split("\t") for line in _run(*argv).splitlines()]
    except FileNotFoundError:
        return []


def _run(*argv: str) -> str:
    result = command.run(["zfs", *argv], timeout=_TIMEOUT)
    if not result.rc:
        return result.stdout
    about, said = argv[-1], " ".join(result.stderr.split())
    if "does not exist" in said or "no such pool" in said or "could not find any snapshots" in said:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), about)
    if "already exists" in said:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), about)
    code = errno.EBUSY if "is busy" in said else errno.ENOSPC if "out of space" in said else 0
    raise StepError("storage", f"zfs {argv[0]}", about, code, text=said[-300:] or f"it ended with status {result.rc}")
