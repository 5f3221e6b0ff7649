# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `rename.py` leaves while it works, and what that means. Nothing here touches the disk but to look."""

from __future__ import annotations

import json
import os
from typing import Any

from ..errors import LxcError
from ..paths import Container, is_name
from .replacing import RENAMING as JOURNAL


def journal_of(container: Container) -> str:
    """The journal of a renaming, which goes along with the directory: where it lies says how far that came."""
    return f"{container.directory}/{JOURNAL}"


def pair(container: Container) -> tuple[Container, Container] | None:
    """Who was to become who, where somebody is renaming one of the two, or was killed at it; None where nobody is.

    A link that leads to itself keeps a new name free for the one that comes. Who that is, it does not say.
    """
    if is_kept(container):
        return container, container
    said = entry(container)
    if not said:
        return None
    return Container(container.lxc_path, str(said["from"])), Container(container.lxc_path, str(said["to"]))


def is_kept(container: Container) -> bool:
    """Whether its name is kept free by a link that leads to itself."""
    return leads_to(container, container)


def leads_to(container: Container, other: Container) -> bool:
    """Whether there is a link in its place, to the directory of another beside it."""
    try:
        return os.readlink(container.directory) == other.name
    except OSError:
        return False


def entry(container: Container) -> dict[str, Any]:
    """What the journal says; empty where there is none."""
    path = journal_of(container)
    if not os.path.lexists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            found = dict(json.load(file))
        if is_name(found["from"]) and is_name(found["to"]):
            return found
    except FileNotFoundError:  # it has been done meanwhile
        return {}
    except (ValueError, KeyError, TypeError):
        pass
    raise LxcError(f"{path} is not what was written there", hint="See which name the container should have, then remove the file")
