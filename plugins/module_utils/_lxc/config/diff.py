# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change looks like."""

from __future__ import annotations

import difflib


def unified(before: str, after: str, path: str) -> str:
    """A unified diff of the two texts, empty when they are the same."""
    found = []
    for text in difflib.unified_diff(_lines(before), _lines(after), path, path):
        found.append(text if text.endswith("\n") else f"{text}\n\\ No newline at end of file\n")
    return "".join(found)


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
