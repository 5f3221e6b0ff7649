# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of a module that brings something to a state goes through check, apply, apply again and check again somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible.module_utils.basic")
yaml = pytest.importorskip("yaml")

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible  # noqa: E402
from ansible_collections.hostkit.lxc.plugins.modules import lxc_bridge, lxc_container, lxc_snapshot  # noqa: E402

TARGETS = Path(__file__).resolve().parents[1] / "integration/targets"
# The files of the four steps, and those that hand their options on to one.
RITUALS = ("ritual.yml", "creation_ritual.yml", "cell.yml", "four_steps.yml")
# What is refused whatever it says, and what each task has: one by the play, one by the files of the four steps.
ELSEWHERE = {"clone_name", "container_command", "lxc_path", "name"}
# What the kernels of the hosts that run playbooks have not: tests/root/storage has their four steps, in the virtual machine.
ELSEWHERE |= {"vg_name", "lv_name", "thinpool", "zfs_root"}
MODULES = [("lxc_container", lxc_container), ("lxc_bridge", lxc_bridge), ("lxc_snapshot", lxc_snapshot)]
Spec = Mapping[str, Mapping[str, Any]]


def options(spec: Spec, prefix: str = "") -> Iterator[str]:
    for name, rule in spec.items():
        yield prefix + name
        yield from options(rule.get("options", {}), f"{prefix}{name}.")


def named(value: Any, spec: Spec, prefix: str = "") -> Iterator[str]:
    """The options that a piece of a playbook names, whatever the variables are called that hold them."""
    if isinstance(value, list):
        for item in value:
            yield from named(item, spec, prefix)
    elif isinstance(value, str):  # an expression with a dictionary in it
        yield from (prefix + word for word in re.findall(r"'(\w+)':", value) if word in spec)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in spec:
                yield prefix + key
                yield from named(item, spec[key]["options"], f"{prefix}{key}.") if "options" in spec[key] else ()
            elif not prefix:
                yield from named(item, spec)


def rituals(target: str) -> Iterator[Mapping[str, Any]]:
    for path in (TARGETS / target / "tasks").glob("*.yml"):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")):
            if task.get("ansible.builtin.include_tasks") in RITUALS:
                yield task


@pytest.mark.parametrize(("target", "module"), MODULES)
def test_every_option_goes_through_the_four_steps(target: str, module: Any) -> None:
    shared = _ansible.shared_options() if target == "lxc_container" else {}  # of a bridge they say where its task is logged
    spec = {**shared, **module.argument_spec()}
    found = {name for task in rituals(target) for part in ("vars", "loop") for name in named(task.get(part), spec)}
    assert sorted(set(options(spec)) - found - ELSEWHERE) == []


def test_what_is_not_named_is_found() -> None:
    spec: Spec = {"name": {}, "network": {"options": {"type": {}, "mtu": {}}}, "state": {}}
    assert list(options(spec)) == ["name", "network", "network.type", "network.mtu", "state"]
    assert set(named({"ritual": {"network": [{"type": "veth", "other": {"state": 1}}]}}, spec)) == {"network", "network.type"}
    assert set(named("{{ {'name': 'x'} | combine(option) }}", spec)) == {"name"}
    assert set(named([{"say": {"mtu": 1}}], spec)) == set()
