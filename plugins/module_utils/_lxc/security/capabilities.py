# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.cap.drop`, `lxc.cap.keep`: which capabilities a container's processes can ever have (capabilities(7))."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..config.model import Config
from ..errors import StepError
from ..kernel import credentials


def number(name: str) -> int:
    """The kernel's number of a capability by LXC's name: lower case without CAP_, or a number. Raises StepError."""
    word = name.lower()
    if re.fullmatch(r"[0-9]+", word):
        return int(word)
    found = credentials.CAPABILITIES.get(word[4:] if word.startswith("cap_") else word)
    if found is None:
        raise StepError("capabilities", "Find capability", name, text="the kernel knows no capability of that name")
    return found


def is_known(name: str) -> bool:
    try:
        number(name)
    except StepError:
        return False
    return True


def dropped(config: Config) -> list[int]:
    """The numbers to take out of the bounding set, in the kernel's order. Both lists at once are an error, as in LXC."""
    drop, keep = config.get_list("lxc.cap.drop"), config.get_list("lxc.cap.keep")
    if drop and keep:
        raise StepError("capabilities", "Read", "lxc.cap.drop and lxc.cap.keep", text="both are set; use one of them")
    if keep:
        kept = _after_none(keep)
        return [cap for cap in range(credentials.last_cap() + 1) if cap not in kept]
    numbers = {number(name) for name in drop}
    last = credentials.last_cap() if numbers else 0
    return sorted(cap for cap in numbers if cap <= last)


def _after_none(names: Iterable[str]) -> set[int]:
    """`none` clears what stands before it, and alone keeps nothing (lxc.container.conf(5))."""
    kept: set[int] = set()
    for name in names:
        kept = set() if name == "none" else kept | {number(name)}
    return kept
