# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our modules report of, and do to, a container that lxc-start started is what they do to one of ours, to the word."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import command, facts, fleet, wait
from parity import DEAF_INIT, Both, Side


@pytest.fixture
def play(both: Both) -> Both:
    """`both`, when its address can be used: until then, which takes LXC longer, it is not reported."""

    def settled(scene: Callable[[Side], None], *what: Any) -> list[object]:
        def whole(side: Side) -> None:
            wait.wait(side.container, ["ipv6"], 20)
            scene(side)

        return both(whole, *what)

    return settled


VARYING = {"init_pid": 0, "memory_bytes": 0, "cpu_seconds": 0.0}


def tell(side: Side, what: str, report: Any) -> Any:
    """Keep a report without what differs from start to start; that such a value is there stays."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: type(entry).__name__ if key in VARYING and entry != -1 else plain(entry) for key, entry in value.items()}
        return [plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value

    values = {"changed": report.changed, "failed": report.failed, "warnings": list(report.warnings), **report.result}
    side.said.append((what, json.dumps(plain(values), sort_keys=True)))
    return report


def container(side: Side, state: str, **params: Any) -> Any:
    """lxc_container: predicted, done, and once more with nothing to do."""
    options = {"name": ["c1"], "lxc_path": side.container.lxc_path, "state": state, "stop_timeout": 10, **params}
    predicted = tell(side, f"{state} predicted", fleet.job(options).predict())
    done = tell(side, state, fleet.job(options).apply())
    assert not done.failed, done
    assert done.changed == predicted.changed
    if state != "restarted":
        assert not fleet.job(options).apply().changed
    return done


def info(side: Side) -> dict[str, Any]:
    report = tell(side, "info", facts.Facts({"name": ["c1"], "lxc_path": side.container.lxc_path}).apply())
    return dict(report.result["containers"][0])


def attach(side: Side, *argv: str, **params: Any) -> Any:
    options = {"name": "c1", "lxc_path": side.container.lxc_path, "argv": list(argv), **params}
    return tell(side, f"attach {argv} {params}", command.Command(options).apply())


def test_it_is_reported(play: Both) -> None:
    def scene(side: Side) -> None:
        found = info(side)
        assert (found["state"], found["init_pid"]) == ("RUNNING", side.pid)
        assert (found["ipv4"], found["ipv6"], found["interfaces"]) == (["10.66.0.2"], ["fd66::2"], ["eth0"])
        assert ((found["memory_bytes"] or 0) > 0) == ("memory" in hierarchies.controllers()) and found["cpu_seconds"] > 0
        everything = facts.Facts({"lxc_path": side.container.lxc_path}).apply()
        assert [entry["name"] for entry in everything.result["containers"]] == ["c1"]

    play(scene)


def test_it_goes_through_all_states(play: Both) -> None:
    def scene(side: Side) -> None:
        assert not container(side, "started").changed and not container(side, "present").changed
        for state, shown in {"frozen": "FROZEN", "started": "RUNNING", "stopped": "STOPPED"}.items():
            assert container(side, state).changed
            assert side.run("info -sH").output == f"{shown}\n"
            assert info(side)["state"] == shown
        assert container(side, "absent").changed
        assert not os.path.exists(side.container.directory)

    play(scene)


@pytest.mark.parametrize("before", ["started", "frozen"])
@pytest.mark.parametrize("state", ["stopped", "restarted", "absent"])
def test_from_each_to_each(play: Both, before: str, state: str) -> None:
    def scene(side: Side) -> None:
        first = side.pid
        container(side, before)
        side.ready.unlink()
        assert container(side, state).changed
        assert side.pid != first and bool(side.pid) == (state == "restarted")
        side.run("info -sH")

    play(scene)


def test_one_that_does_not_listen_is_killed(play: Both) -> None:
    def scene(side: Side) -> None:
        done = container(side, "stopped", stop_timeout=1)
        assert "killed" in done.result["actions"][0]

    play(scene, (), DEAF_INIT)


def test_commands_in_it(play: Both) -> None:
    def scene(side: Side) -> None:
        assert attach(side, "/bin/hostname").result["stdout"] == "c1"
        assert attach(side, "/bin/sh", "-c", "echo out; echo err >&2; exit 42").result["rc"] == 42
        assert attach(side, "/bin/sh", "-c", "kill -KILL $$").result["rc"] == 137
        assert attach(side, "/nonesuch").result["rc"] == 127
        assert attach(side, "/bin/cat", stdin="typed").result["stdout"] == "typed"
        attach(side, "/bin/env")
        attach(side, "/bin/env", environment={"A": "1"}, user="alice", chdir="/tmp")
        attach(side, "/bin/id", user="alice:audio")
        attach(side, "/bin/pwd", user="alice")
        attach(side, "/bin/cat", "/proc/self/cgroup")
        attach(side, "/bin/grep", "-E", "^(Cap...|NoNewPrivs|Sig...|Umask):", "/proc/self/status")
        attach(side, "/bin/grep", "Cap", "/proc/self/status", elevated=True)
        attach(side, "/bin/hostname", namespaces=["uts"])
        assert not attach(side, "/bin/touch", "/made", creates="/ready").changed
        assert not attach(side, "/bin/rm", "/made", removes="/made").changed
        assert attach(side, "/bin/sleep", "60", timeout=0.5).failed
        container(side, "frozen")
        with pytest.raises(LxcError, match="is frozen"):
            attach(side, "/bin/true")

    play(scene, ["lxc.cap.drop = sys_time", "lxc.environment = B=two words"])


def test_what_it_waits_for_is_there(play: Both) -> None:
    def scene(side: Side) -> None:
        attach(side, "/bin/sh", "-c", "nc -l -p 4711 >/dev/null 2>&1 </dev/null & while ! netstat -tln | grep -q :4711; do :; done")
        container(side, "started", wait_for=["running", "ipv4", "ipv6", "path:/ready", "port:4711"], wait_timeout=20)

    play(scene)


SAID: dict[str, Any] = {
    "hostname": "c1",
    "environment": {"FROM_CONFIG": "yes"},
    "autostart": {"enabled": True, "order": 7, "groups": ["web"]},
    "config": {"lxc.tty.max": 2, "lxc.mount.auto": "proc sys", "lxc.init.cmd": "/init"},
    "network": [
        {"type": "veth", "link": "parity0", "name": "eth0", "hwaddr": "02:00:00:00:00:07"}
        | {"ipv4": ["10.66.0.2/24 10.66.0.255"], "ipv6": ["fd66::2/64"]}
    ],
}
OTHER: dict[str, Any] = {
    "hostname": "c2",
    "environment": {"FROM_CONFIG": "no", "MORE": "too"},
    "autostart": {"enabled": False},
    "capabilities": {"drop": ["sys_time"]},
    "mounts": [{"source": "tmpfs", "target": "tmp", "type": "tmpfs", "options": ["size=64k"]}],
    "cgroup": {"memory.limit_in_bytes": "64M"},
    "hooks": {"stop": ["/bin/true"]},
    "config": {"lxc.tty.max": 1, "lxc.mount.auto": None, "lxc.pty.max": "128"},
    "network": [{"type": "empty"}],
}


def test_what_it_runs_with_is_compared_with_what_is_wanted(play: Both) -> None:
    """Through the item requests: nothing pending where the config says what is wanted, and everything else is."""

    def scene(side: Side) -> None:
        done = container(side, "started", **SAID)
        assert not done.changed and done.result["container"]["pending_restart"] == []
        done = container(side, "started", **OTHER)
        assert done.changed and len(done.result["container"]["pending_restart"]) > 8
        first = side.pid
        side.ready.unlink()
        done = tell(side, "restart", fleet.job(
            {"name": ["c1"], "lxc_path": side.container.lxc_path, "restart": "if_needed", "stop_timeout": 10, **OTHER}
        ).apply())  # fmt: skip
        assert not done.failed and done.changed and side.pid != first and done.result["container"]["pending_restart"] == []
        assert side.run("attach -- /bin/hostname").output == "c2\n"

    play(scene)
