# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits: which lines change, where new ones go, and that what holds already changes nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Union

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config.edit import edit, replace_networks
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config.lines import said, values
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError

Value = Union[None, str, list[str]]

BASE = """\
# made by hand
lxc.include = /usr/share/lxc/config/common.conf

lxc.uts.name=p1
# the caps
lxc.cap.drop = sys_time sys_module
  lxc.cap.drop   =   mac_admin
lxc.mount.entry = a a none bind 0 0
# between
lxc.mount.entry = b b none bind 0 0
lxc.mount.entry = c c none bind 0 0

lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.start.auto = 1
"""
LEGACY = """\
# old
lxc.utsname = p1
  lxc.network.type=veth
lxc.network.link = lxcbr0   \n\
lxc.rootfs = /x
lxc.rootfs.backend = dir
lxc.kmsg = 0
lxc.network.type = empty
lxc.network.ipv4 = 10.0.0.1/8
lxc.cap.drop = kill
"""


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines taken away and lines added, each in order."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize("text", [BASE, LEGACY, "", "\n", "lxc.uts.name = a", "a\r\nlxc.nosuch\r\n", "lxc.autodev = 7\n", "\0"])
def test_no_changes_give_the_text_back(text: str) -> None:
    assert edit(text, {}) == text


HOLDS: list[Mapping[str, Value]] = [
    {"lxc.uts.name": "p1"},
    {"lxc.utsname": "p1"},
    {"lxc.cap.drop": ["mac_admin", "sys_module", "sys_time"]},
    {"lxc.cap.drop": "sys_time sys_module mac_admin"},
    {"lxc.mount.entry": ["a a none bind 0 0", "b b none bind 0 0", "c c none bind 0 0"]},
    {"lxc.start.auto": ["0", "1"]},
    {"lxc.arch": None, "lxc.hook.start": []},
    {"lxc.include": "/usr/share/lxc/config/common.conf"},
]


@pytest.mark.parametrize("changes", HOLDS)
def test_what_holds_changes_nothing(changes: Mapping[str, Value]) -> None:
    assert edit(BASE, changes) == BASE


@pytest.mark.parametrize(
    ("changes", "removed", "added"),
    [
        ({"lxc.uts.name": "p2"}, ["lxc.uts.name=p1"], ["lxc.uts.name=p2"]),
        ({"lxc.uts.name": None}, ["lxc.uts.name=p1"], []),
        ({"lxc.uts.name": ""}, ["lxc.uts.name=p1"], ["lxc.uts.name="]),
        ({"lxc.cap.drop": ["sys_time", "mac_admin"]}, ["lxc.cap.drop = sys_time sys_module"], ["lxc.cap.drop = sys_time"]),
        ({"lxc.cap.drop": ["sys_time", "sys_module"]}, ["  lxc.cap.drop   =   mac_admin"], []),
        ({"lxc.cap.drop": ["sys_time", "sys_module", "mac_admin", "kill", "chown"]}, [], ["lxc.cap.drop = kill chown"]),
        ({"lxc.cap.drop": None}, ["lxc.cap.drop = sys_time sys_module", "  lxc.cap.drop   =   mac_admin"], []),
        ({"lxc.cap.drop": ""}, ["lxc.cap.drop = sys_time sys_module", "  lxc.cap.drop   =   mac_admin"], ["  lxc.cap.drop   ="]),
        ({"lxc.mount.entry": ["a a none bind 0 0", "c c none bind 0 0"]}, ["lxc.mount.entry = b b none bind 0 0"], []),
        ({"lxc.net.0.link": "br1"}, ["lxc.net.0.link = lxcbr0"], ["lxc.net.0.link = br1"]),
        ({"lxc.environment": ["A= x ", "B='"]}, [], ['lxc.environment = "A= x "', "lxc.environment = B='"]),
        ({"lxc.tty.dir": '"x"'}, [], ['lxc.tty.dir = ""x""']),
    ],
)
def test_only_the_lines_that_must_change_do(changes: Mapping[str, Value], removed: list[str], added: list[str]) -> None:
    after = edit(BASE, changes)
    assert changed(BASE, after) == (removed, added)
    assert edit(after, changes) == after


def test_places() -> None:
    after = edit(
        BASE,
        {
            "lxc.mount.entry": ["0", "a a none bind 0 0", "b2", "c c none bind 0 0", "d"],
            "lxc.start.delay": "5",
            "lxc.net.0.flags": "up",
            "lxc.net.1.link": "br7",
            "lxc.net.1.type": "macvlan",
            "lxc.net.1.macvlan.mode": "vepa",
            "lxc.cgroup2.memory.max": "1G",
            "lxc.mount.auto": "proc",
        },
    )
    assert after == BASE.replace("lxc.mount.entry = a", "lxc.mount.entry = 0\nlxc.mount.entry = a").replace(
        "lxc.mount.entry = b b none bind 0 0", "lxc.mount.entry = b2"
    ).replace("= c c none bind 0 0\n", "= c c none bind 0 0\nlxc.mount.entry = d\nlxc.mount.auto = proc\n").replace(
        "lxcbr0\n", "lxcbr0\nlxc.net.0.flags = up\nlxc.net.1.type = macvlan\nlxc.net.1.link = br7\nlxc.net.1.macvlan.mode = vepa\n"
    ).replace("lxc.start.auto = 1\n", "lxc.start.auto = 1\nlxc.start.delay = 5\nlxc.cgroup2.memory.max = 1G\n")


def test_a_file_without_a_final_line_end() -> None:
    assert edit("lxc.uts.name = a", {"lxc.uts.name": "b"}) == "lxc.uts.name = b"
    assert edit("lxc.uts.name = a", {"lxc.arch": "x86"}) == "lxc.uts.name = a\nlxc.arch = x86\n"
    assert edit("lxc.group = a", {"lxc.group": ["a", "b"]}) == "lxc.group = a\nlxc.group = b\n"
    assert edit("lxc.mount.entry = a", {"lxc.mount.entry": ["a", "b"]}) == "lxc.mount.entry = a\nlxc.mount.entry = b\n"
    assert edit("lxc.mount.entry = a", {"lxc.mount.entry": ["b", "c"]}) == "lxc.mount.entry = b\nlxc.mount.entry = c\n"
    assert edit("lxc.mount.entry = a", {"lxc.mount.entry": ["", "c"]}) == "lxc.mount.entry =\nlxc.mount.entry = c\n"
    assert edit("", {"lxc.arch": "x86"}) == "lxc.arch = x86\n"


def test_what_must_override_an_include_stands_below_it() -> None:
    text = "lxc.uts.name = a\nlxc.cap.drop = kill\nlxc.include = /x\n"
    assert edit(text, {"lxc.uts.name": "b"}) == "lxc.cap.drop = kill\nlxc.include = /x\nlxc.uts.name = b\n"
    assert edit(text, {"lxc.cap.drop": ""}) == "lxc.uts.name = a\nlxc.include = /x\nlxc.cap.drop =\n"
    assert edit(text, {"lxc.cap.drop": ["", "chown"]}) == "lxc.uts.name = a\nlxc.include = /x\nlxc.cap.drop =\nlxc.cap.drop = chown\n"
    assert edit(text, {"lxc.tty.max": "1", "lxc.uts.name": "a"}) == text + "lxc.tty.max = 1\n"
    assert edit(text, {"lxc.cap.keep": ["", "chown"]}) == text + "lxc.cap.keep =\nlxc.cap.keep = chown\n"


def test_a_list_that_clears_first() -> None:
    text = "lxc.mount.entry = x\nlxc.mount.entry =\nlxc.mount.entry = a\n"
    assert values(text) == {"lxc.mount.entry": ["", "a"]}
    assert edit(text, {"lxc.mount.entry": ["", "a"]}) == text
    # Without the line that clears, the one above it must not come to life again.
    assert edit(text, {"lxc.mount.entry": ["a"]}) == "lxc.mount.entry = a\n"
    assert (
        edit(text, {"lxc.mount.entry": ["", "a", "b"]})
        == "lxc.mount.entry = x\nlxc.mount.entry =\nlxc.mount.entry = a\nlxc.mount.entry = b\n"
    )


def test_lines_that_are_void_are_not_what_the_file_says() -> None:
    text = "lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net.0.type = veth\n"
    text += "lxc.hook.start = /a\nlxc.hook =\nlxc.uts.name = a\nlxc.uts.name = b\n"
    assert values(text) == {"lxc.net.0.type": ["veth"], "lxc.hook": [""], "lxc.uts.name": ["b"]}
    after = edit(text, {"lxc.net.0.link": "a", "lxc.hook.start": "/a", "lxc.uts.name": "c"})
    config = parser.loads(after)
    assert (config.networks[0].link, config.hooks("start"), config.uts_name) == ("a", ["/a"], "c")
    assert edit(text, {"lxc.uts.name": None}) == text.replace("lxc.uts.name = a\nlxc.uts.name = b\n", "")


def test_order_counts_where_lxc_lets_it() -> None:
    assert edit("lxc.mount.auto = proc:rw proc\n", {"lxc.mount.auto": "proc proc:rw"}) == "lxc.mount.auto = proc proc:rw\n"
    assert edit("lxc.cap.keep = kill none\n", {"lxc.cap.keep": "none kill"}) == "lxc.cap.keep = none kill\n"
    assert (
        edit("lxc.mount.entry = a\nlxc.mount.entry = b\n", {"lxc.mount.entry": ["b", "a"]}) == "lxc.mount.entry = b\nlxc.mount.entry = a\n"
    )
    assert edit("lxc.group = a b\n", {"lxc.group": "b a"}) == "lxc.group = a b\n"
    assert edit("lxc.group = a  b\n", {"lxc.group": "b c a"}) == "lxc.group = a  b\nlxc.group = c\n"
    assert edit("lxc.init.groups = 1,2\n", {"lxc.init.groups": ["2", "3"]}) == "lxc.init.groups = 2\nlxc.init.groups = 3\n"


def test_a_comma_does_not_separate_groups() -> None:
    assert edit("lxc.group = a,b\n", {"lxc.group": ["a", "b"]}) == "lxc.group = a b\n"


def test_a_legacy_file_is_upgraded_when_something_else_is_written() -> None:
    assert edit(LEGACY, {"lxc.uts.name": "p1", "lxc.net.1.ipv4.address": ["10.0.0.1/8"], "lxc.rootfs.path": "dir:/x"}) == LEGACY
    assert edit(LEGACY, {"lxc.cap.drop": ["chown"]}) == (
        "# old\nlxc.uts.name = p1\n  lxc.net.0.type=veth\nlxc.net.0.link = lxcbr0   \nlxc.rootfs.path = dir:/x\n"
        "lxc.net.1.type = empty\nlxc.net.1.ipv4.address = 10.0.0.1/8\nlxc.cap.drop = chown\n"
    )


def test_an_upgrade_changes_no_value() -> None:
    after = edit(LEGACY, {"lxc.tty.max": "2"})
    before = parser.loads(LEGACY)
    assert [pair for pair in parser.loads(after).pairs() if pair[0] != "lxc.tty.max"] == before.pairs()
    assert parser.loads(after).warnings == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lxc.uts.name": "a\nlxc.hook.pre-start = /evil"}, "one line"),
        ({"lxc.mount.entry": ["a", "b\0"]}, "NUL"),
        ({"lxc.nosuch": "1"}, "no such key"),
        ({"lxc.kmsg": "1"}, "left out"),
        ({"lxc.autodev": "2"}, "0 or 1"),
        ({"lxc.arch": ""}, "cannot clear"),
        ({"lxc.net.0.type": "phys"}, "type = veth"),
        ({"lxc.cap.keep": "kill"}, "without lxc.cap.drop"),
    ],
)
def test_what_lxc_would_refuse_is_refused(changes: Mapping[str, Value], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        edit("lxc.net.0.type = veth\nlxc.net.0.veth.pair = x\nlxc.cap.drop = chown\n", changes, "/x/config")


def test_a_bad_line_can_be_mended() -> None:
    assert edit("lxc.autodev = 7\nlxc.tty.max = x\n", {"lxc.autodev": "1"}) == "lxc.autodev = 1\nlxc.tty.max = x\n"


NETWORKS = """\
# net
lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.net.0.ipv4.address = 10.0.0.1/8
lxc.net.0.ipv4.address = 10.0.0.2/8
lxc.net.2.type = empty
lxc.uts.name = a
"""


def test_networks_that_hold_change_nothing() -> None:
    text = NETWORKS.replace("lxc.net.2", "lxc.net.1")
    sections: list[Mapping[str, Value]] = [
        {"link": "lxcbr0", "type": "veth", "ipv4.address": ["10.0.0.1/8", "10.0.0.2/8"], "name": "", "hwaddr": None},
        {"type": "empty"},
    ]
    assert replace_networks(text, sections) == text
    legacy = "lxc.network.type = veth\nlxc.network.link = lxcbr0\n"
    assert replace_networks(legacy, [{"type": "veth", "link": "lxcbr0"}]) == legacy


def test_the_whole_set_of_networks_is_replaced() -> None:
    after = replace_networks(NETWORKS, [{"type": "veth", "link": "br1", "ipv4.address": "10.0.0.2/8"}])
    assert after == "# net\nlxc.net.0.type = veth\nlxc.net.0.link = br1\nlxc.net.0.ipv4.address = 10.0.0.2/8\nlxc.uts.name = a\n"
    assert replace_networks(NETWORKS, []) == "# net\nlxc.uts.name = a\n"
    after = replace_networks(NETWORKS, [{"macvlan.mode": "vepa", "type": "macvlan"}, {"type": "empty"}])
    assert after == "# net\nlxc.uts.name = a\nlxc.net.0.type = macvlan\nlxc.net.0.macvlan.mode = vepa\nlxc.net.1.type = empty\n"
    assert replace_networks("", [{"type": "veth", "flags": "up"}]) == "lxc.net.0.type = veth\nlxc.net.0.flags = up\n"


def test_a_network_without_a_type_gets_one_above_its_lines() -> None:
    after = edit("lxc.net.0.link = br0\n", {"lxc.net.0.type": "veth"})
    assert after == "lxc.net.0.type = veth\nlxc.net.0.link = br0\n"


POOL: list[tuple[str, Value]] = [
    ("lxc.uts.name", "p1"), ("lxc.uts.name", ""), ("lxc.uts.name", " q'"), ("lxc.uts.name", None),
    ("lxc.group", ["a", "b"]), ("lxc.group", "b c"), ("lxc.group", ""), ("lxc.group", ["", "a"]), ("lxc.group", None),
    ("lxc.mount.entry", ["1", "2", "3"]), ("lxc.mount.entry", ["3", "1"]), ("lxc.mount.entry", ["", "2"]), ("lxc.mount.entry", "4"),
    ("lxc.mount.auto", "proc sys"), ("lxc.mount.auto", ["sys:ro", "proc"]), ("lxc.mount.auto", ""),
    ("lxc.cgroup.devices.allow", ["a", "c 1:3 rwm"]), ("lxc.cgroup.devices.allow", "c 1:5 rwm"), ("lxc.cgroup.devices.allow", None),
    ("lxc.sysctl.a.b", "1"), ("lxc.sysctl.a.b", "2"), ("lxc.environment", ["A=1", "B= 2 "]), ("lxc.environment", []),
    ("lxc.init.groups", "1,2"), ("lxc.init.groups", ["3"]), ("lxc.tty.max", "4"), ("lxc.tty.max", None), ("lxc.hook.start", ["/a", "/a"]),
    ("lxc.net.0.link", "br1"), ("lxc.net.0.name", "eth0"), ("lxc.net.1.type", "phys"), ("lxc.net.1.link", "eth0"), ("lxc.net.0.link", ""),
]  # fmt: skip


def _expected(key: str, value: Value) -> list[str]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    config = parser.from_pairs([("lxc.net.0.type", "veth"), ("lxc.net.1.type", "veth"), *((key, item) for item in items)])
    return config.get_list(key)


@pytest.mark.parametrize("text", [BASE, LEGACY, "", BASE.rstrip("\n")])
def test_any_row_of_edits_leads_to_the_values_and_then_changes_nothing(text: str) -> None:
    pick = random.Random(7)
    own = text.replace("lxc.include = /usr/share/lxc/config/common.conf\n", "")
    own = own if "type" in own else own + "lxc.net.0.type = veth\n"
    for _round in range(60):
        after = own
        for _step in range(4):
            changes = dict(pick.sample(POOL, 3))
            kept = {key: found for key, found in values(after).items() if key not in changes and not key.startswith("lxc.net.1.")}
            after = edit(after, changes)
            assert edit(after, changes) == after
            config = parser.loads(after)
            for key, value in changes.items():
                found, wanted = config.get_list(key), _expected(key, value)
                same = found == wanted if key not in ("lxc.group", "lxc.init.groups") else set(found) == set(wanted)
                assert same, (changes, after)
            assert {key: values(after)[key] for key in kept} == kept


BROKEN = """\
lxc.uts.name = p1
lxc.nonsense.key = 1
# kept
tty.max = 3
lxc.tty.max
lxc.nonsense.key = 2
lxc.start.auto = 1
"""


def test_lines_of_a_key_that_lxc_does_not_have_can_be_taken_away() -> None:
    after = edit(BROKEN, {"lxc.nonsense.key": None, "tty.max": None, "lxc.tty.max": None})
    assert after == "lxc.uts.name = p1\n# kept\nlxc.start.auto = 1\n"
    assert edit(after, {"lxc.nonsense.key": None}) == after


def test_a_line_without_a_value_is_replaced_by_one_with() -> None:
    assert "lxc.tty.max = 4\n" in edit(BROKEN, {"lxc.nonsense.key": None, "lxc.tty.max": "4"})
    assert "lxc.tty.max\n" not in edit(BROKEN, {"lxc.nonsense.key": None, "lxc.tty": "4"})


def test_bad_lines_that_are_left_are_an_error_that_says_how_to_be_rid_of_all() -> None:
    with pytest.raises(ConfigError, match=r"config:2: lxc\.nonsense\.key") as caught:
        edit(BROKEN, {"lxc.start.auto": "0"})
    assert caught.value.hint.endswith("lxc.nonsense.key: null, lxc.tty.max: null")
    with pytest.raises(ConfigError, match="config:4"):
        edit(BROKEN, {"lxc.nonsense.key": None})
    with pytest.raises(ConfigError, match="no such key"):
        edit("", {"lxc.nonsense.key": "1"})


def test_values_of_a_broken_file_are_those_of_its_good_lines() -> None:
    assert values(BROKEN) == {"lxc.uts.name": ["p1"], "lxc.start.auto": ["1"]}
    assert said(BROKEN) == {**values(BROKEN), "lxc.nonsense.key": ["1", "2"], "tty.max": ["3"], "lxc.tty.max": [""]}
