# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that LXC takes into a config and a start, or the kernel, refuses later. In a file they may be meant for another host or
a newer kernel; in a task they are a mistake."""

from __future__ import annotations

from ..config.keys import Match
from ..errors import BadValue


def check(option: str, match: Match, item: str) -> None:
    """Raise BadValue for one value of this key that could not be used."""
    if match.key.kind.startswith("capabilities"):
        _capabilities(option, item)
    elif match.key.name in ("lxc.cgroup.", "lxc.cgroup2."):
        _cgroup(option, match.suffix, item)


def _capabilities(option: str, item: str) -> None:
    from ..security import capabilities

    for word in item.split():
        if word != "none" and not capabilities.is_known(word):
            raise BadValue(option, word, "a capability of capabilities(7) in small letters, without cap_")


def _cgroup(option: str, file: str, item: str) -> None:
    from ..cgroup import values

    problem = values.problem(file, item)
    if problem:
        raise BadValue(option if "[" in option else f"{option}[{file}]", item, problem)
