# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What few tasks say of a container, apart from what all do: nothing of it is loaded for the others."""

from __future__ import annotations

from typing import NamedTuple

from ..paths import Container


class Besides(NamedTuple):
    """`former` is the one that gets the task's name. `ephemeral` is gone once it stops; with `tmpfs` what it changes is in memory.
    `migrate`: where its root is kept otherwise than is asked for, it moves.
    `archive` is where it is written to, and with `force` anew each time."""

    former: Container | None = None
    ephemeral: bool = False
    tmpfs: bool = False
    migrate: bool = False
    archive: str = ""
    force: bool = False
