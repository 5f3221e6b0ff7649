# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench says of each figure whether it reaches its goal. The samples are made up."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[1] / "bench" / "row.py"


@pytest.fixture(scope="module")
def bench() -> Any:
    spec = importlib.util.spec_from_file_location("bench_row", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(bench: Any, ours: list[float], theirs: list[float], *goal: Any) -> Any:
    made = bench.Row("start", "lxc-start", *goal)
    made.ours, made.theirs = ours, theirs
    return made


@pytest.mark.parametrize(
    "ours, theirs, verdict",
    [
        ([8.0, 9.0, 30.0], [10.0, 10.0, 10.0], "goal 0.9 met"),  # of the medians: one slow sample is none
        ([9.0, 9.5, 9.5], [10.0, 10.0, 10.0], "goal 0.9 MISSED by 0.050 (6%)"),
        ([5.0, 8.0, 8.0], [5.0, 5.0, 20.0], "goal 0.9 MISSED by 0.700 (78%)"),
    ],
)
def test_a_ratio_has_a_goal(bench: Any, ours: list[float], theirs: list[float], verdict: str) -> None:
    made = row(bench, ours, theirs, 0.9)
    assert made.verdict() == verdict
    assert made.line().endswith(verdict)


@pytest.mark.parametrize(
    "ours, verdict",
    [
        ([1.0, 2.0, 50.0], "goal 50 ms met"),
        ([1.0, 2.0, 50.5], "goal 50 ms MISSED by 0.5 ms (1%)"),  # the slowest counts, whatever the ratio
    ],
)
def test_the_slowest_has_a_goal(bench: Any, ours: list[float], verdict: str) -> None:
    assert row(bench, ours, [1000.0], 50, "max").verdict() == verdict


def test_the_end_names_what_is_missed(bench: Any) -> None:
    met, missed = row(bench, [1.0], [2.0], 0.5), row(bench, [3.0], [2.0], 0.5)
    missed.name = "attach"
    lines = bench.report([met, missed]).splitlines()
    assert lines[2:] == ["1 of 2 goals met, missed:", "  attach: goal 0.5 MISSED by 1.000 (200%)"]
    assert bench.report([met]).splitlines()[1:] == ["1 of 1 goals met"]


def test_turns_alternate(bench: Any) -> None:
    made = row(bench, [], [], 1.0)
    order: list[str] = []

    def act(name: str, sample: float) -> list[float]:
        order.append(name)
        return [sample]

    bench.take_turns(made, 3, lambda: act("ours", 1.0), lambda: act("theirs", 2.0))
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (made.ours, made.theirs) == ([1.0] * 3, [2.0] * 3)
