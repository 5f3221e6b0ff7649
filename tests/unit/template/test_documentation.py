# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/templates.md says what the templates take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import base, debian, run

TEXT = (Path(__file__).resolve().parents[3] / "docs/templates.md").read_text(encoding="utf-8")


def section(template: str) -> str:
    return TEXT.split(f"\n## {template}\n")[1].split("\n## ")[0]


def known(template: str) -> list[str]:
    """The options, from the error that a wrong one gets."""
    with pytest.raises(BadValue) as caught:
        run.check(template, {"no-such-option": 1})
    words = caught.value.expected.partition(": ")[2].split(", ")
    return [word for word in words if word != "none"]


@pytest.mark.parametrize("template", run.OURS)
def test_every_option_of_a_template_has_its_row(template: str) -> None:
    assert sorted(re.findall(r"(?m)^\| `(\w+)` \|", section(template))) == sorted(known(template))


def test_every_variant_and_the_age_are_named() -> None:
    for variant in debian._VARIANTS:
        assert f"`{variant}`" in section("debian")
    age = re.search(r"\| `cache_max_age` \| `(\w+)` \|", section("debian"))
    assert age and base.seconds({"cache_max_age": age[1]}, "cache_max_age", 0) == debian._WEEK
