# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error for a name that does not exist, which says what does."""

from __future__ import annotations

import os

from ..errors import LxcError, NotFound
from ..paths import Container


def existing(lxc_path: str) -> list[str]:
    """The names of the containers that are defined in this lxcpath."""
    try:
        names = os.listdir(lxc_path)
    except OSError:
        return []
    return sorted(name for name in names if os.path.lexists(f"{lxc_path}/{name}/config"))


def not_found(one: Container) -> NotFound:
    """The error for a name that does not exist: what exists instead, the nearest first."""
    return NotFound(
        f"Container {one.name} does not exist in {one.lxc_path}. {_others(one)}",
        hint="Check the spelling; lxc_container makes it when template (none: without a root filesystem) or clone_from says from what",
    )


def no_source(one: Container) -> NotFound:
    """The same for what was to be cloned."""
    return NotFound(f"clone_from: container {one.name} does not exist in {one.lxc_path}. {_others(one)}", hint="Check the spelling")


def _others(one: Container) -> str:
    from difflib import get_close_matches

    names = existing(one.lxc_path)
    near = get_close_matches(one.name, names, 3)
    shown = ", ".join((near or names)[:10])
    if not shown and not os.path.isdir(one.lxc_path):
        return f"The lxc_path {one.lxc_path} is no directory"
    return f"{'Nearest' if near else 'There are'}: {shown}" if shown else f"There is no container in {one.lxc_path}"


def missing(one: Container, existence: str, former: Container | None = None) -> LxcError:
    """The error for what is not there, or not whole, when nothing says what to make it from; `former` was to be renamed to it."""
    if existence == "absent" and former is not None:
        text = f"Neither container {former.name}, which was to be renamed, nor {one.name} exists in {one.lxc_path}. {_others(former)}"
        return NotFound(text, hint="Check the spelling")
    if existence == "absent":
        return not_found(one)
    return LxcError(
        f"Container {one.name} is half-made: its creation was cut off, and neither template nor clone_from says what to make it from",
        hint="Say one of them to make it anew, or state: absent to remove it",
    )
