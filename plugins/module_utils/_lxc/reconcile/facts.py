# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of lxc_container_info: it only reads, in every mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadValue, LxcError
from ..lifecycle import details
from ..paths import check_lxc_path, container
from ..wire import query
from .place import lxc_path_of
from .plan import Report


class Facts:
    """A `Job` that changes nothing."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        lxc_path = check_lxc_path(lxc_path_of(params))
        named = params.get("name")
        if named is not None and not named:
            raise BadValue("name", named, "at least one name, or to be left out for all containers")
        names = details.all_names(lxc_path) if named is None else dict.fromkeys(named)
        self._containers = [container(name, lxc_path) for name in names]

    def predict(self) -> Report:
        return self.apply()

    def apply(self) -> Report:
        entries: list[dict[str, object]] = []
        warnings = []
        for one, asker in zip(self._containers, query.askers(self._containers, details.QUESTIONS)):
            try:
                entries.append(details.details(one, asker))
            except (LxcError, OSError) as error:  # one that ends while it is read must not hide the others
                warnings.append(f"{one.name}: {error}")
        exists = bool(entries) and all(entry["exists"] for entry in entries)
        return Report(False, {"containers": entries, "exists": exists}, warnings=warnings)
