# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task says of the container that others are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadValue
from ..paths import NAME_RULE, Container, container, is_name


def read(params: Mapping[str, Any], lxc_path: str) -> tuple[Container, bool]:
    """The source, and whether its files are shared. Raises BadValue for what cannot be meant."""
    if "clone_from" not in params:
        raise BadValue("clone_snapshot", params["clone_snapshot"], "clone_from with it, which says what is cloned")
    for option in ("template", "template_options"):
        if option in params:
            raise BadValue("clone_from", params["clone_from"], f"no {option} with it: a container is made from one of the two")
    is_snapshot = bool(params.get("clone_snapshot"))
    for option in ("directory", "vg_name", "lv_name", "thinpool", "zfs_root"):
        if is_snapshot and option in params:
            raise BadValue(option, params[option], "clone_snapshot false with it: a snapshot is kept beside what it is made of")
    source = _source(params["clone_from"], lxc_path)
    if source in [container(one, lxc_path) for one in params["name"]]:
        raise BadValue("clone_from", params["clone_from"], "another container than those of name: in one task none is made from another")
    return source, is_snapshot


def _source(said: str, lxc_path: str) -> Container:
    """By its name in the same lxc_path, or by the path of its directory."""
    directory, slash, name = said.rstrip("/").rpartition("/")
    is_below = said.startswith("/") and directory.strip("/.")  # the root is no lxcpath
    if not is_name(name) or (slash and not is_below) or ".." in directory.split("/") or "\n" in said or "\0" in said:
        raise BadValue("clone_from", said, f"the name of a container ({NAME_RULE}), or the absolute path of its directory")
    return container(name, directory or "/") if slash else container(name, lxc_path)
