# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where `replace.py` works, and whether it has left something there. Nothing here touches the disk but to look."""

from __future__ import annotations

import os

from ..paths import Container

WORK = ".hostkit-restore"
_JOURNAL = "hostkit-restoring"
RENAMING = "hostkit-renaming"


def work_of(container: Container) -> Container:
    """The place of the one that comes, and then of the one that goes."""
    return Container(f"{container.lxc_path}/{WORK}.{container.name}", container.name)


def journal_of(container: Container) -> str:
    return f"{container.directory}/{_JOURNAL}"


def aside_of(container: Container) -> str:
    """Where the old one waits while the new one comes, on a file system that cannot exchange the two."""
    return f"{work_of(container).lxc_path}/.old"


def is_unfinished(container: Container) -> bool:
    """Whether somebody is at work, or was killed at it."""
    return os.path.lexists(work_of(container).lxc_path) or os.path.lexists(journal_of(container))
