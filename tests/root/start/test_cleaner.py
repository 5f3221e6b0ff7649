# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hook that does not end when its container does: it is ended after a while, and the rest is done without hooks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, host
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State
from daemons import lines, scopes

pytestmark = pytest.mark.usefixtures("only_ours", "own_monitor")

KINDS = ("stop", "script.down", "post-stop")
NEWER = "1000.4.0"


def payloads(name: str) -> list[str]:
    return [base for base, *_rest in os.walk("/sys/fs/cgroup") if os.path.basename(base).startswith(f"lxc.payload.{name}")]


def hang(make_box, daemon, kind, until, *more):  # type: ignore[no-untyped-def]
    """A container whose init is gone and whose hook sleeps."""
    box = make_box("s1", *lines(kind, daemon.hook("exec sleep 600")), *more)
    box.start()
    os.kill(box.pid, signal.SIGKILL)
    until(lambda: daemon.has_run, "the hook runs")
    return box


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_hangs_is_ended_and_the_container_starts_again(collection, make_box, daemon, until, kind):
    """With all that the hook has begun; who waits for that start is told."""
    collection(NEWER, monitor__ending="_HOOKS = 5.0")
    box = hang(make_box, daemon, kind, until)
    warnings = box.start()
    assert ["had not ended after 5 s" in warning for warning in warnings] == [True]
    assert box.state == State.RUNNING and not daemon.pids() and not scopes()
    assert len({os.path.basename(path) for path in payloads("s1")}) == 1, "the cgroups of the first run are gone"
    assert warnings[0] in Path(box.container.log).read_text()
    assert warnings[0] in Path(paths.MONITOR_LOG).read_text()
    box.configure()
    box.kill()
    assert box.start() == [], "it was of that end alone"


@pytest.mark.parametrize("kind", ["stop", "script.down"])
def test_a_stop_brings_it_forward(collection, make_box, daemon, until, kind):
    """In this order: one that is asked for before the hooks run leaves them their time."""
    collection(NEWER, monitor__ending="_HASTENED = 1.0")
    box = hang(make_box, daemon, kind, until)
    assert box.state == State.STOPPING
    client.stop(box.container, 30)
    assert box.state == State.STOPPED
    until(lambda: not daemon.pids() and not scopes() and not payloads("s1"), "nothing is left")
    assert "had not ended after 1 s" in Path(box.container.log).read_text()


def test_hooks_that_end_in_time_are_not_disturbed_by_a_stop(make_box, tmp_path, until):
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nuntil [ -e {tmp_path}/go ]; do sleep 0.05; done\ntouch {tmp_path}/ended\n")
    hook.chmod(0o755)
    box = make_box("s1", f"lxc.hook.stop = {hook}", f"lxc.hook.post-stop = touch {tmp_path}/after; :")
    box.start()
    os.kill(box.pid, signal.SIGKILL)
    until((tmp_path / "begun").exists, "the hook runs")
    stopping = client.Exchange(box.container, Command.STOP, 20)
    assert box.state == State.STOPPING
    (tmp_path / "go").touch()
    client.stop(box.container, 30)
    del stopping
    assert (tmp_path / "ended").exists()
    until((tmp_path / "after").exists, "so did the next")
    assert box.start() == []


def test_a_reboot_whose_hook_hangs_is_a_reboot_all_the_same(collection, make_box, daemon, until):
    collection(NEWER, monitor__ending="_HOOKS = 5.0")
    box = make_box("s1", *lines("stop", daemon.hook("exec sleep 600")))
    box.init("[ -e /tmp/again ] || { touch /tmp/again; /bin/reboot -f; }")
    box.start()
    until(lambda: daemon.has_run, "it reboots")
    assert ["had not ended" in warning for warning in box.start()] == [True]
    assert box.state == State.RUNNING and not daemon.pids()


def test_a_cleaner_that_its_hook_kills_is_followed_by_one_without_hooks(make_box, tmp_path, until):
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nkill -9 -$PPID\nsleep 5\n")
    hook.chmod(0o755)
    box = make_box("s1", f"lxc.hook.stop = {hook}")
    box.start()
    os.kill(box.pid, signal.SIGKILL)
    until((tmp_path / "ran").exists, "the hook runs")
    until(lambda: box.state == State.STOPPED and not payloads("s1"), "nothing is left")
    assert "ended with wait status 9: hooks may not have run" in Path(box.container.log).read_text()


def test_the_next_monitor_waits_no_longer_either(collection, make_box, daemon, until):
    collection(NEWER, monitor__ending="_HOOKS = 5.0")
    box = hang(make_box, daemon, "stop", until)
    os.kill(int(host.request("hello")["pid"]), signal.SIGKILL)
    assert ["had not ended after 5 s" in warning for warning in box.start()] == [True]
    assert not daemon.pids() and not scopes()
