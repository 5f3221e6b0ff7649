# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the constraints are written, from what pip would install with each Python."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pin() -> Any:
    spec = importlib.util.spec_from_file_location("ci_pin", ROOT / "ci" / "pin.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_version_for_all_needs_no_marker(pin: Any) -> None:
    assert pin.lines({9: {"b": "1", "A": "2"}, 13: {"b": "1", "A": "2"}}) == ["A==2", "b==1"]


def test_versions_hold_for_the_pythons_that_have_them(pin: Any) -> None:
    resolved = {9: {"a": "1"}, 10: {"a": "2"}, 11: {"a": "2"}, 13: {"a": "3"}}
    assert pin.lines(resolved) == [
        'a==1 ; python_version < "3.10"',
        'a==2 ; python_version >= "3.10" and python_version < "3.13"',
        'a==3 ; python_version >= "3.13"',
    ]


def test_what_only_some_pythons_need_is_pinned_for_all(pin: Any) -> None:
    assert pin.lines({9: {"tomli": "1"}, 11: {}, 13: {}}) == ["tomli==1"]


def test_every_file_has_its_constraints_and_none_twice(pin: Any) -> None:
    files = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    assert files == set(pin.PYTHONS) == {path.stem for path in pin.CONSTRAINTS.glob("*.txt")}
    for name in files:
        pinned = re.findall(r"^[\w.-]+(?===)", (pin.CONSTRAINTS / f"{name}.txt").read_text(encoding="utf-8"), re.MULTILINE)
        assert pinned
        assert not pin.own(name) & {package.lower() for package in pinned}, name


def test_a_file_says_what_it_pins_itself(pin: Any) -> None:
    assert pin.own("root-pyroute2-0.7") == {"pyroute2", "pytest"}
