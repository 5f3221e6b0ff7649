# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that may fail says how it must fail: nothing in a playbook passes over a failure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("molecule", "playbooks", "tests/integration/targets")
PLAYBOOKS = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.yml") if "output" not in path.parts)
# The last would be content with any failure, a wrong argument or a crash among them.
HIDES = re.compile(r"^\s*(- )?(ignore_errors:|failed_when: *(false|no)\b|failed_when: *[a-z_]+ is not failed *$).*", re.MULTILINE)


def hidden(text: str) -> list[str]:
    return [match.group().strip() for match in HIDES.finditer(text)]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_task_passes_over_a_failure(path: Path) -> None:
    assert hidden(path.read_text(encoding="utf-8")) == []


def test_playbooks_are_found() -> None:
    assert len(PLAYBOOKS) > 20


@pytest.mark.parametrize(
    "line",
    [
        "ignore_errors: true",
        "ignore_errors: yes  # noqa",
        'ignore_errors: "{{ x }}"',
        "failed_when: false",
        "failed_when: it is not failed",
    ],
)
def test_what_hides_is_found(line: str) -> None:
    assert hidden(f"- name: x\n  {line}\n  register: it\n")


@pytest.mark.parametrize("line", ["failed_when: it is not failed or it.rc != 3", "failed_when: >-"])
def test_what_says_how_is_not(line: str) -> None:
    assert not hidden(f"- name: x\n  {line}\n  register: it\n")
