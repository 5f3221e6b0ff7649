# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A default is a demand that nobody made: a template, a size, a volume group that a task does not name are none of its business."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.modules import lxc_container


def defaults(spec: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, rule in spec.items():
        if "default" in rule or "apply_defaults" in rule:
            yield prefix + name, rule.get("default")
        yield from defaults(rule.get("options", {}), f"{prefix}{name}.")


def test_only_the_state_has_a_default() -> None:
    assert dict(defaults({**_ansible.shared_options(), **lxc_container.argument_spec()})) == {"state": "started"}


def test_a_default_is_found_in_suboptions() -> None:
    assert dict(defaults({"a": {}, "b": {"options": {"c": {"default": False}}}})) == {"b.c": False}
