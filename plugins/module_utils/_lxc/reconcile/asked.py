# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that few tasks have, read into what is wanted of a container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadValue
from ..paths import Container, check_name
from .besides import Besides
from .checks import for_one
from .desired import Desired

Read = Callable[[Mapping[str, Any], Container, bool], Desired]


def read(params: Mapping[str, Any], one: Container, several: bool, rest: Read) -> Desired:
    """All that the task wants of it; `rest` reads the other options. Raises BadValue for what cannot be meant."""
    former = None
    if "new_name" in params:
        former, one = one, _new(params, one, several)
    wanted = rest(params, one, several)
    if "ephemeral" in params or "ephemeral_tmpfs" in params:
        wanted = _ephemeral(wanted, params)
    besides = Besides(
        former,
        ephemeral=bool(params.get("ephemeral")),
        tmpfs=bool(params.get("ephemeral_tmpfs")),
        migrate=_migrate(params),
        archive=_archive(params, one, several),
        force=bool(params.get("force")),
    )
    return wanted._replace(besides=besides)


def _archive(params: Mapping[str, Any], one: Container, several: bool) -> str:
    if "archive" not in params:
        if params.get("force"):
            raise BadValue("force", params["force"], "archive with it, which is what it is about")
        return ""
    from ..lifecycle import archive

    said = for_one("archive", params["archive"], one.name, several)
    archive.program(said)
    if not said.startswith("/") or "\n" in said or "\0" in said or ".." in said.split("/"):
        raise BadValue("archive", params["archive"], "an absolute path without .. in it")
    return said


def _migrate(params: Mapping[str, Any]) -> bool:
    if not params.get("migrate"):
        return False
    if "backing_store" not in params:
        raise BadValue("migrate", params["migrate"], "backing_store with it, which says how its root filesystem is to be kept")
    if "new_name" in params:
        raise BadValue("migrate", params["migrate"], "no new_name with it: one task renames, and another moves")
    return True


def _ephemeral(wanted: Desired, params: Mapping[str, Any]) -> Desired:
    """It is said in the config, and what it is made as says clone_snapshot, or nobody: then it is an overlay, as lxc-copy -e has it."""
    is_ephemeral = bool(params.get("ephemeral"))
    if params.get("ephemeral_tmpfs") and not is_ephemeral:
        raise BadValue("ephemeral_tmpfs", params["ephemeral_tmpfs"], "ephemeral: true with it")
    if is_ephemeral and wanted.clone is None and wanted.state != "absent":
        raise BadValue("ephemeral", params["ephemeral"], "clone_from with it, which says what it is a clone of")
    if is_ephemeral and wanted.state == "restarted":
        raise BadValue("ephemeral", params["ephemeral"], "another state with it: one that is stopped for a restart is gone")
    if "lxc.ephemeral" in wanted.config:
        raise BadValue("ephemeral", params.get("ephemeral"), "to be the only one that says so, but config has lxc.ephemeral")
    if wanted.clone is not None and "clone_snapshot" not in params and is_ephemeral:
        wanted = wanted._replace(clone=(wanted.clone[0], True))
    return wanted._replace(config={**wanted.config, "lxc.ephemeral": "1" if is_ephemeral else None})


def _new(params: Mapping[str, Any], old: Container, several: bool) -> Container:
    said = params["new_name"]
    if params.get("state") == "absent":
        raise BadValue("new_name", said, "another state with it: what is absent has no name")
    new = check_name(for_one("new_name", said, old.name, several), "new_name")
    if new in params["name"]:
        raise BadValue("new_name", said, f"another name than those of name: {new} is one of them")
    return Container(old.lxc_path, new)
