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
    return rest(params, one, several)._replace(besides=Besides(former))


def _new(params: Mapping[str, Any], old: Container, several: bool) -> Container:
    said = params["new_name"]
    if params.get("state") == "absent":
        raise BadValue("new_name", said, "another state with it: what is absent has no name")
    new = check_name(for_one("new_name", said, old.name, several), "new_name")
    if new in params["name"]:
        raise BadValue("new_name", said, f"another name than those of name: {new} is one of them")
    return Container(old.lxc_path, new)
