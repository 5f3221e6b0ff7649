# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of the bench: samples of both sides, and whether they reach the goal. A goal says something, and fails nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

RATIO, MAX = "ratio", "max"  # what a goal is of: the ratio of the medians, or our slowest


class Row:
    """Samples of both sides, in milliseconds unless another unit is said. `goal` is the most that is well."""

    def __init__(self, name: str, peer: str, goal: float, of: str = RATIO, unit: str = "ms") -> None:
        self.name, self.peer, self.goal, self.of, self.unit = name, peer, goal, of, unit
        self.ours: list[float] = []
        self.theirs: list[float] = []

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def excess(self) -> float:
        """How far beyond the goal; nothing or less is well."""
        return (max(self.ours) if self.of == MAX else self.ratio) - self.goal

    def verdict(self) -> str:
        unit = f" {self.unit}" if self.of == MAX else ""
        goal = f"goal {self.goal:g}{unit}"
        if self.excess <= 0:
            return f"{goal} met"
        by = f"{self.excess:.1f}" if self.of == MAX else f"{self.excess:.3f}"
        return f"{goal} MISSED by {by}{unit} ({self.excess / self.goal:.0%})"

    def line(self) -> str:
        ours, theirs = (f"{statistics.median(s):8.1f} [{min(s):.1f}-{max(s):.1f}]" for s in (self.ours, self.theirs))
        both = f"{ours:>26} {self.unit:<3}  {self.peer:<34} {theirs:>26} {self.unit:<3}"
        return f"{self.name:<62} {both}  ratio {self.ratio:.3f}   n={len(self.ours):<4} {self.verdict()}"


def report(rows: Iterable[Row]) -> str:
    """A line for each row, and at the end those that miss their goal."""
    rows = list(rows)
    missed = [row for row in rows if row.excess > 0]
    lines = [row.line() for row in rows]
    lines.append(f"{len(rows) - len(missed)} of {len(rows)} goals met" + (", missed:" if missed else ""))
    return "\n".join(lines + [f"  {row.name}: {row.verdict()}" for row in missed])


def take_turns(row: Row, rounds: int, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]) -> None:
    """So many rounds, and in each the other one begins: what warms up or wears out by then is nobody's advantage."""
    sides = [(row.ours, ours), (row.theirs, theirs)]
    for _round in range(rounds):
        for samples, act in sides:
            samples += act()
        sides.reverse()
