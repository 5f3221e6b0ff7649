# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config file against what the task says, and what the running container was started with against both."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import configfile
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import container, course, drift, effects, observe_config, settled
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.desired import Observed
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.parameters import desired

TEXT = """\
# kept
lxc.uts.name = m1
lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.net.0.flags = up
lxc.net.0.hwaddr = 00:16:3e:01:02:03
lxc.tty.max = 1
lxc.environment = A=secret
"""

VERBS = type("Verbs", (), {"__getattr__": lambda self, verb: lambda desired: verb})()


def wanted(**params):
    return desired({"name": ["m1"], **params}, "/nowhere")[0]


def plan(text=TEXT, state="STOPPED", running=None, **params):
    return container.plan(wanted(**params), Observed("defined", state, text, running or {}), VERBS)


@pytest.mark.parametrize(
    "params",
    [
        {"hostname": "m1"},
        {"config": {"lxc.tty.max": 1, "lxc.utsname": "m1"}},
        {"config": {"lxc.group": None}},
        {"network": [{"type": "veth", "link": "lxcbr0"}]},
        {"environment": {"A": "secret"}},
        {"container_config": ["lxc.tty.max = 1"]},
    ],
)
def test_what_is_so_already_is_no_change(params):
    assert plan(state="RUNNING", **params).changes == []


@pytest.mark.parametrize(
    ("params", "keys"),
    [
        ({"hostname": "m2"}, "config lxc.uts.name"),
        ({"config": {"lxc.tty.max": 2, "lxc.start.auto": True}}, "config lxc.tty.max, lxc.start.auto"),
        ({"config": {"lxc.tty.max": None}}, "config lxc.tty.max"),
        ({"network": []}, "config lxc.net.0.type, lxc.net.0.link, lxc.net.0.flags, lxc.net.0.hwaddr"),
    ],
)
def test_a_change_names_its_keys_and_comes_before_the_start(params, keys):
    change, start = plan(**params).changes
    assert (change.field, change.apply(), start.apply()) == (keys, "write_config", "start")


def test_what_is_written_is_no_change_any_more():
    said = {"hostname": "m2", "network": [{"type": "veth", "link": "br1"}, {"type": "empty"}], "config": {"lxc.cap.drop": ["mknod"]}}
    after = plan(**said).config_after
    assert "# kept" in after
    assert plan(after, state="RUNNING", **said).changes == []


def test_a_mac_that_was_drawn_stays_while_the_type_does():
    assert "00:16:3e:01:02:03" in plan(network=[{"type": "veth", "link": "br1"}]).config_after
    assert "00:16:3e:01:02:03" not in plan(network=[{"type": "macvlan", "link": "br1"}]).config_after


def test_what_an_environment_variable_holds_is_shown_nowhere():
    planned = plan(environment={"A": "other", "B": "third"})
    change = planned.changes[0]
    text = repr(change[:4]) + drift.shown(planned.config_before) + drift.shown(planned.config_after)
    assert not [word for word in ("secret", "other", "third") if word in text]
    assert "B=(not shown)" in text
    assert drift.shown(TEXT).splitlines()[:-1] == TEXT.splitlines()[:-1]


def test_what_runs_with_an_old_value_is_pending():
    planned = plan(state="RUNNING", hostname="m2", running={"lxc.uts.name": "m1"})
    assert (planned.pending_restart, [change.field for change in planned.changes]) == (("lxc.uts.name",), ["config lxc.uts.name"])


def test_it_is_pending_still_when_the_file_is_right_already():
    planned = plan(state="RUNNING", hostname="m1", running={"lxc.uts.name": "old"})
    assert (planned.pending_restart, planned.changes) == (("lxc.uts.name",), [])


@pytest.mark.parametrize(
    ("state", "stands", "words"), [("started", "RUNNING", ["stop", "start"]), ("frozen", "FROZEN", ["stop", "start", "freeze"])]
)
def test_restart_if_needed(state, stands, words):
    said = {"state": state, "hostname": "m1", "restart": "if_needed"}
    observed = Observed("defined", stands, TEXT, {"lxc.uts.name": "old"})
    planned = container.plan(wanted(**said), observed, VERBS)
    assert [change.apply() for change in planned.changes] == words
    assert planned.pending_restart == ()


def test_nothing_is_restarted_when_nothing_is_pending():
    assert plan(state="RUNNING", hostname="m1", restart="if_needed", running={"lxc.uts.name": "m1"}).changes == []


def test_lists_are_compared_as_lists():
    running = {"lxc.cap.drop": "mknod\nsys_time\n"}
    assert (
        plan(TEXT + "lxc.cap.drop = mknod sys_time\n", state="RUNNING", config={"lxc.cap.drop": ["mknod", "sys_time"]}, running=running)
        == course.Plan()
    )


def test_keys_that_are_read_from_the_file_are_never_pending():
    said = wanted(config={"lxc.start.auto": 1, "lxc.group": ["a"], "lxc.tty.max": 2}, network=[{"type": "veth"}])
    assert observe_config._named_keys(said, TEXT) == [
        "lxc.tty.max", "lxc.net.0.type", "lxc.net.0.link", "lxc.net.0.flags", "lxc.net.0.hwaddr",
    ]  # fmt: skip


def test_a_file_that_is_not_utf8_survives(tmp_path):
    (tmp_path / "m1").mkdir()
    one = paths.container("m1", str(tmp_path))
    with open(one.config, "wb") as stream:
        stream.write(b"# \xff\nlxc.tty.max = 1\n")
    text = observe_config.read_config(one)
    configfile.write(one, drift.new_text(text, wanted(config={"lxc.tty.max": 2}), one.config), mode=None)
    with open(one.config, "rb") as stream:
        assert stream.read() == b"# \xff\nlxc.tty.max = 2\n"


def test_a_line_of_no_key_of_lxc_can_be_removed_and_once_gone_is_no_change():
    said = {"config": {"lxc.nonsense.key": None}}
    change = plan(TEXT + "lxc.nonsense.key = 1\n", state="RUNNING", **said).changes[0]
    assert change.field == "config lxc.nonsense.key"
    assert plan(TEXT, state="RUNNING", **said).changes == []


def test_a_broken_config_is_an_error_only_for_a_task_that_says_something_about_it():
    broken = TEXT + "lxc.nonsense.key = 1\n"
    assert plan(broken, state="RUNNING").changes == []
    with pytest.raises(ConfigError, match=r"lxc\.nonsense\.key") as caught:
        plan(broken, state="RUNNING", config={"lxc.tty.max": 1})
    assert "lxc.nonsense.key: null" in caught.value.hint


SETTLED = TEXT.replace("# kept", "lxc.include = /nowhere.conf")


@pytest.mark.parametrize(
    ("text", "params", "running", "known"),
    [
        (TEXT, {"config": {"lxc.tty.max": 1}}, {"lxc.tty.max": "1"}, True),
        (TEXT, {"config": {"lxc.group": None, "lxc.nonsense": None}}, {}, True),
        (TEXT, {"network": [{"type": "veth", "link": "lxcbr0"}]}, {"lxc.net.0.link": "lxcbr0"}, True),
        (TEXT, {"network": [{"type": "veth"}, {"type": "veth"}]}, {}, False),
        (TEXT, {"network": [{"type": "veth", "link": ""}]}, {}, False),
        (TEXT, {"config": {"lxc.tty.max": 2}}, {}, False),
        (TEXT, {"config": {"lxc.tty.max": 1}}, {"lxc.tty.max": "2"}, False),
        (TEXT, {"config": {"lxc.tty.max": None}}, {}, False),
        (TEXT + "lxc.tty.max = 1\n", {"config": {"lxc.tty.max": 1}}, {}, False),
        (TEXT + "lxc.nonsense = 1\n", {"config": {"lxc.tty.max": 1}}, {}, False),
        (TEXT + "tty = 1\n", {"config": {"tty": None}}, {}, False),
        (TEXT + "lxc.net.0.type = veth\n", {"config": {"lxc.tty.max": 1}}, {}, False),
        (TEXT + "lxc.tty = 1\n", {"config": {"lxc.tty.max": 1}}, {}, False),
        (SETTLED, {"config": {"lxc.tty.max": 1}}, {"lxc.tty.max": "1"}, True),
        (SETTLED, {"environment": {"A": "secret"}}, {"lxc.environment": "A=secret"}, False),
        (SETTLED, {"config": {"lxc.group": None}}, {"lxc.group": None}, False),
        (TEXT + "lxc.include = /nowhere.conf\n", {"config": {"lxc.tty.max": 1}}, {"lxc.tty.max": "1"}, False),
    ],
)
def test_what_can_be_seen_without_the_code_that_edits(text, params, running, known):
    assert settled.is_settled(wanted(**params), running, text) is known


def test_a_line_without_effect_is_warned_of_where_the_config_is_written(tmp_path, monkeypatch):
    (tmp_path / "m1").mkdir()
    monkeypatch.setattr(paths, "LXC_RUN", str(tmp_path / "run"))
    one = desired({"name": ["m1"], "config": {"lxc.tty.max": 2}}, str(tmp_path))[0]
    with open(one.container.config, "w", encoding="utf-8") as stream:
        stream.write("tty.max = 9\nlxc.tty.max = 1\n")
    warnings, was_so, _how = effects.Effects().write_config(one)
    assert warnings == [f"{one.container.config}:1: this line has no effect: 'tty.max' does not begin with lxc."]
    assert not was_so and effects.Effects().write_config(one).was_so, "the second time it says all that by then"
    with open(one.container.config, encoding="utf-8") as stream:
        assert stream.read() == "tty.max = 9\nlxc.tty.max = 2\n"
