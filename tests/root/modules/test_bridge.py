# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge's life by lxc_bridge: each option checked, applied, applied again and checked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rituals
from module import Module

NAME = "itbr0"


@pytest.fixture
def bridge() -> Iterator[Module]:
    module = Module("lxc_bridge", name=NAME)
    yield module
    module.done(state="absent", force=True)


def test_its_life(bridge: Module) -> None:
    for options, actions, _always in rituals.BRIDGE:
        checked, applied = bridge.done(check=True, **options), bridge.done(**options)
        assert checked["changed"] and applied["changed"]
        assert (checked["actions"], checked["diff"]) == (applied["actions"], applied["diff"])
        assert len(applied["actions"]) == actions
        again = bridge.done(**options)
        assert not again["changed"] and again["bridge"] == applied["bridge"]
        assert not bridge.done(check=True, **options)["changed"]
        assert applied["bridge"]["state"] == options.get("state", "present")
        for key in set(options) - {"force"}:  # which is how, and not what
            assert applied["bridge"][key] == ([options[key]] if key == "ipv4" else options[key])


def test_a_name_that_belongs_to_something_else_is_refused(bridge: Module) -> None:
    taken = bridge.refused(name="lo")
    assert taken["error"] == "InUse" and "lo exists and is not a bridge" in taken["msg"]


def test_one_that_is_not_there_is_gone(bridge: Module) -> None:
    assert not bridge.done(state="absent")["changed"]
