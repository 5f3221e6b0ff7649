# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has moved or removed without LXC: who is gone, who lies behind a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ..paths import Container


def is_gone(one: Container) -> bool:
    """Whether it was removed by hand: it is not there, and the lxcpath is. One that is empty may be where a disk is not mounted now."""
    if os.path.lexists(one.directory):
        return False
    places = [one.lxc_path]
    if os.path.basename(one.lxc_path) == "snaps":
        places.append(os.path.dirname(os.path.dirname(one.lxc_path)))
    elif os.path.dirname(one.lxc_path).endswith("snaps"):
        places.append(os.path.dirname(one.lxc_path)[: -len("snaps")])
    return any(os.path.isdir(place) and os.listdir(place) for place in places)


def linked(lxc_path: str, links: Iterable[str]) -> Iterator[str]:
    """Those of the links that lead to a container elsewhere, each once; one below the lxcpath is known by its own name."""
    known: set[str] = set()
    for name in links:
        leads = os.path.realpath(f"{lxc_path}/{name}")
        if os.path.isdir(leads) and leads not in known and not leads.startswith(f"{os.path.realpath(lxc_path)}/"):
            known.add(leads)
            yield name
