# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of a module that brings something to a state goes through check, apply, apply again and check again somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import rituals

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.modules import lxc_bridge, lxc_container, lxc_snapshot

# What is refused whatever it says, and what each task of the tests has.
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
    """The options that a piece of the tables names."""
    if isinstance(value, list):
        for item in value:
            yield from named(item, spec, prefix)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in spec:
                yield prefix + key
                yield from named(item, spec[key]["options"], f"{prefix}{key}.") if "options" in spec[key] else ()
            elif not prefix:
                yield from named(item, spec)


def tables(module: str) -> list[Any]:
    """What tests/root/modules takes through the four steps."""
    if module == "lxc_bridge":
        return [step.options for step in rituals.BRIDGE]
    if module == "lxc_snapshot":
        return [step.options for step in [*rituals.snapshot_life("dir"), rituals.snapshot_end("dir")]]
    made = [creation.options for creation in rituals.creations(Path(), Path(), "", "").values()]
    made += [*rituals.clones(Path()).values(), *rituals.motions(Path())]
    return [*rituals.ALREADY, *rituals.CONTAINER, rituals.KEEP, *rituals.ENDS, *made]


@pytest.mark.parametrize(("target", "module"), MODULES)
def test_every_option_goes_through_the_four_steps(target: str, module: Any) -> None:
    shared = _ansible.shared_options() if target == "lxc_container" else {}  # of a bridge they say where its task is logged
    spec = {**shared, **module.argument_spec()}
    found = set(named(tables(target), spec))
    assert sorted(set(options(spec)) - found - ELSEWHERE) == []


def test_what_is_not_named_is_found() -> None:
    spec: Spec = {"name": {}, "network": {"options": {"type": {}, "mtu": {}}}, "state": {}}
    assert list(options(spec)) == ["name", "network", "network.type", "network.mtu", "state"]
    assert set(named({"ritual": {"network": [{"type": "veth", "other": {"state": 1}}]}}, spec)) == {"network", "network.type"}
    assert set(named([{"say": {"mtu": 1}}], spec)) == set()
