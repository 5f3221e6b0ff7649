# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a root is, and where a volume or a dataset is made: the options that only some backing stores take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadValue
from ..storage import naming, size

_OF = {"directory": "dir", "vg_name": "lvm", "lv_name": "lvm", "thinpool": "lvm", "zfs_root": "zfs"}


def check(params: Mapping[str, Any]) -> None:
    """Raise BadValue for what cannot be meant, whatever the host has."""
    size.check(params.get("size"), params.get("fs_type"), params.get("backing_store"))
    for option, store in _OF.items():
        if option in params and params.get("backing_store", store) != store:
            raise BadValue(option, params[option], f"backing_store {store} with it, not {params['backing_store']}")
    naming.check({option: params[option] for option in _OF if option in params and option != "lv_name"})


def options(params: Mapping[str, Any], for_one: Callable[[str, str], str]) -> dict[str, str]:
    """Those that are said, for one container; `for_one` makes its own of a value that two cannot share."""
    found = {option: params[option] for option in ("size", "fs_type", *_OF) if option in params}
    if "lv_name" in found:
        found["lv_name"] = naming.lvm("lv_name", for_one("lv_name", found["lv_name"]))
    if "directory" in found:
        found["directory"] = for_one("directory", _directory(found["directory"]))
    return found


def _directory(path: str) -> str:
    if not path.startswith("/") or "\n" in path or "\0" in path or ".." in path.split("/"):
        raise BadValue("directory", path, "an absolute path without .. in it")
    return path
