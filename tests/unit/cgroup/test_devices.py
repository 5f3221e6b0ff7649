# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules from a config's lines, as values."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup import devices
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup.devices import Rules
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, cgroupfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.cgroup_bpf import Device
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.security import posture


def wanted(*lines: str, prefix: str = "lxc.cgroup2.devices.") -> Any:
    """The rules of `allow RULE` and `deny RULE`."""
    text = "".join(f"{prefix}{line.partition(' ')[0]} = {line.partition(' ')[2]}\n" for line in lines)
    return devices.wanted(parser.loads(text))


NULL, ZERO, DISK = "c 1:3 rwm", "c 1:5 rwm", "b 8:0 rwm"


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        (["deny a"], Rules(False)),
        (["allow a"], Rules(True)),
        (["deny a", f"allow {NULL}"], Rules(False, (Device("c", 1, 3, "rwm"),))),
        (["deny a *:* rwm", "allow c *:* m"], Rules(False, (Device("c", -1, -1, "m"),))),
        (["allow a", f"deny {DISK}"], Rules(True, (Device("b", 8, 0, "rwm"),))),
        # Without an `a` the first one says it.
        ([f"allow {NULL}"], Rules(False, (Device("c", 1, 3, "rwm"),))),
        ([f"deny {DISK}"], Rules(True, (Device("b", 8, 0, "rwm"),))),
        # An `a` that comes later begins anew.
        (["deny a", f"allow {NULL}", "deny a", f"allow {ZERO}"], Rules(False, (Device("c", 1, 5, "rwm"),))),
        (["deny a", f"allow {NULL}", "allow a"], Rules(True)),
        # More and less of the same device; of another one only that one.
        (["deny a", "allow c 1:3 r", "allow c 1:3 wm"], Rules(False, (Device("c", 1, 3, "rwm"),))),
        (["deny a", f"allow {NULL}", "deny c 1:3 w"], Rules(False, (Device("c", 1, 3, "rm"),))),
        (["deny a", f"allow {NULL}", f"allow {ZERO}", f"deny {NULL}"], Rules(False, (Device("c", 1, 5, "rwm"),))),
        (["deny a", "allow c 1:* rwm", f"deny {NULL}"], Rules(False, (Device("c", 1, -1, "rwm"),))),
        (["allow a", f"deny {DISK}", "allow b 8:0 r"], Rules(True, (Device("b", 8, 0, "wm"),))),
        (["allow a", "deny a *:* mwr", "allow c 1:3 mr"], Rules(False, (Device("c", 1, 3, "rm"),))),
        (["deny a", "allow a *:* m"], Rules(False, (Device("a", -1, -1, "m"),))),
        (["deny a", "allow a 8:0 rw"], Rules(False, (Device("a", 8, 0, "rw"),))),
        (["deny a", "allow /dev/null rw"], Rules(False, (Device("c", 1, 3, "rw"),))),
    ],
)
def test_a_list_comes_to_what_version_1_makes_of_it(lines: list[str], rules: Rules) -> None:
    assert wanted(*lines) == (rules, [])


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "c",
        "c 1:3",
        "d 1:3 rwm",
        "c 1 rwm",
        "c 1:x rwm",
        "c -1:3 rwm",
        "c 1:3 rwx",
        "c 1:3:4 rwm",
        "c 1:3 rwm x",
        "c 2147483648:0 r",
        "/dev rw",
    ],
)
def test_what_is_no_rule_is_named(rule: str) -> None:
    config = parser.loads("lxc.cgroup2.devices.deny = a\n")
    config._lines.append((config._lines[0][0]._replace(suffix="devices.allow"), rule))
    with pytest.raises(StepError, match="expected `a`") as caught:
        devices.wanted(config)
    assert f"Set lxc.cgroup2.devices.allow = {rule}: " in str(caught.value)


def test_a_path_is_only_allowed_and_must_be_there() -> None:
    with pytest.raises(StepError, match="expected"):
        wanted("deny /dev/null rw")
    with pytest.raises(StepError) as caught:
        wanted("allow /dev/nonesuch rw")
    assert caught.value.errno == errno.ENOENT


def test_another_file_is_named() -> None:
    with pytest.raises(StepError, match=r"lxc\.cgroup2\.devices\.list = a: there are devices\.allow and devices\.deny"):
        wanted("list a")


def test_without_any_there_is_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_bpf, "attach", lambda *_arguments: pytest.fail("nothing is to be attached"))
    assert devices.apply(parser.loads("lxc.cgroup2.memory.max = 1G\nlxc.cgroup.memory.limit_in_bytes = 1G\n"), "/nowhere") == []


def test_those_of_version_1_count_where_there_are_no_others() -> None:
    rules, [note] = wanted("deny a", f"allow {NULL}", prefix="lxc.cgroup.devices.")
    assert rules == Rules(False, (Device("c", 1, 3, "rwm"),)) and "under lxc-start it has no effect" in note
    assert wanted(f"allow {NULL}", prefix="lxc.cgroup.devices.")[0] == Rules(True), "version 1 has allowed everything else, too"
    assert wanted(f"deny {DISK}", prefix="lxc.cgroup.devices.")[0] == Rules(True, (Device("b", 8, 0, "rwm"),))


def test_those_of_version_1_do_not_count_beside_others() -> None:
    theirs, ours = "lxc.cgroup.devices.", "lxc.cgroup2.devices."
    same = f"{theirs}deny = a\n{theirs}allow = {NULL}\n{ours}deny = a\n{ours}allow = {NULL}\n"
    only_null = Rules(False, (Device("c", 1, 3, "rwm"),))
    assert devices.wanted(parser.loads(same)) == (only_null, [])
    rules, warnings = devices.wanted(parser.loads(f"{same}{theirs}allow = {DISK}\n"))
    assert rules == only_null
    assert warnings == [f"lxc.cgroup.devices.allow = {DISK} has no effect: on this host lxc.cgroup2.devices.* count"]


def test_our_containers_may_do_on_version_2_what_they_may_on_version_1() -> None:
    config = parser.loads(posture.common_text())
    rules, warnings = devices.wanted(config)
    only_v1 = "".join(f"lxc.cgroup.{key} = {value}\n" for key, value in config.prefix("lxc.cgroup."))
    assert warnings == [] and rules == devices.wanted(parser.loads(only_v1))[0]
    assert rules.allow is False and len(rules.exceptions) == len(posture._DEVICES)


def test_a_refusal_names_the_cgroup_and_what_is_needed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StepError, match="Attach the device rules to") as caught:
        devices.apply(parser.loads("lxc.cgroup2.devices.deny = a\n"), f"{tmp_path}/nonesuch")
    assert caught.value.errno == errno.ENOENT and "CONFIG_CGROUP_BPF" in caught.value.hint


@pytest.mark.parametrize(("versions", "is_rehearsed"), [([2], True), ([1, 2], False), ([1], False), ([], False)])
def test_it_is_rehearsed_where_it_will_be_needed(monkeypatch: pytest.MonkeyPatch, versions: list[int], is_rehearsed: bool) -> None:
    looked_at: list[bytes] = []

    def refuse(program: bytes) -> None:
        looked_at.append(program)
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(cgroupfs, "hierarchies", lambda: [cgroupfs.Hierarchy((), "/nowhere", version) for version in versions])
    monkeypatch.setattr(cgroup_bpf, "rehearse", refuse)
    devices.rehearse(parser.loads("lxc.cgroup2.devices.deny = a\n"))
    assert looked_at == ([cgroup_bpf.instructions(False, [])] if is_rehearsed else [])


def test_they_are_read_back_from_the_ledger() -> None:
    rules = Rules(False, (Device("c", 1, 3, "rwm"), Device("b", -1, -1, "m")))
    assert devices.from_fields(json.loads(json.dumps(rules))) == rules
    for broken in ([True], [True, "c"], [True, [["c", 1]]]):
        with pytest.raises((TypeError, ValueError)):
            devices.from_fields(broken)
