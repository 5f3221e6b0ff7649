# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of snapshots, and the job of lxc_snapshot_info: it only reads, in every mode."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..lifecycle import snapshot_list, users
from ..lifecycle.details import backing_store
from ..lifecycle.snapshot_list import Snapshot
from ..paths import Container, container
from .place import lxc_path_of
from .plan import Report


def entries(one: Container, found: Sequence[Snapshot]) -> list[dict[str, object]]:
    """One for each snapshot, as both modules return it."""
    everybody = users.scan(one.lxc_path) if found else []
    return [_entry(one, snapshot, everybody) for snapshot in found]


def _entry(one: Container, snapshot: Snapshot, everybody: Sequence[users.User]) -> dict[str, object]:
    using = users.of_snapshot(snapshot.container, one, everybody)
    return {
        "name": snapshot.name,
        "timestamp": snapshot.timestamp,
        "created": snapshot_list.time_of(snapshot.timestamp),
        "comment": snapshot.comment,
        "path": snapshot.container.directory,
        "backing_store": backing_store(snapshot_list.rootfs_path(snapshot.container)),
        "dependents": [users.name_of(user, one) for user in using],
    }


class Facts:
    """A `Job` that changes nothing."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._container = container(params["name"], lxc_path_of(params))
        self._name = snapshot_list.check_name(params["snapshot"]) if "snapshot" in params else ""

    def predict(self) -> Report:
        return self.apply()

    def apply(self) -> Report:
        one = self._container
        found = [snapshot for snapshot in snapshot_list.snapshots(one) if self._name in ("", snapshot.name)]
        others = [
            {"name": entry.name, "path": entry.container.directory, "problem": entry.problem}
            for entry in snapshot_list.entries(one)
            if entry.problem and self._name in ("", entry.name)
        ]
        exists = bool(found) if self._name else os.path.lexists(one.config)
        return Report(False, {"snapshots": entries(one, found), "others": others, "exists": exists})
