# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hooks leave behind in sessions of their own: it ends with a start that fails, and lives on after one that succeeds."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
from daemons import lines, scopes

AT_START = ("pre-start", "start-host", "script.up")
AT_END = ("stop", "script.down", "post-stop")


class Request(threading.Thread):
    """A start in the background; `error` is what came of it."""

    def __init__(self, box) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.box, self.error = box, None
        self.start()

    def run(self) -> None:
        try:
            self.box.start(60)
        except LxcError as error:
            self.error = error


@pytest.mark.parametrize("kind", AT_START)
def test_a_start_that_times_out_leaves_neither_process_nor_cgroup(make_box, daemon, kind):
    box = make_box("s1", *lines(kind, daemon.hook("exec sleep 600")))
    with pytest.raises(StepError, match="not running after 5 s"):
        box.start(timeout=5)
    assert daemon.has_run
    assert not daemon.pids() and not scopes(), "by the time that who asked is told"
    box.configure()
    box.start()


@pytest.mark.parametrize("kind", AT_START)
def test_a_start_that_is_stopped_or_fails_leaves_none_either(make_box, daemon, until, kind):
    box = make_box("s1", *lines(kind, daemon.hook("exec sleep 600")))
    request = Request(box)
    until(lambda: daemon.has_run, "the hook runs")
    assert scopes() and daemon.pids()
    client.stop(box.container, 30)
    request.join(30)
    assert "stopped while it started" in str(request.error)
    assert not daemon.pids() and not scopes()
    daemon.hook("exit 3")
    assert "status 3" in str(box.fails())
    assert not daemon.pids() and not scopes()


@pytest.mark.parametrize("kind", AT_START)
def test_a_start_that_succeeds_leaves_the_daemon_and_no_cgroup(make_box, monitor, daemon, kind):
    box = make_box("s1", *lines(kind, daemon.hook()))
    box.start()
    assert not scopes()
    [pid] = daemon.pids()
    assert hierarchies.of(pid) == hierarchies.of(monitor), "it is where hooks always were"
    box.kill()
    assert daemon.pids() == [pid] and not scopes()


@pytest.mark.parametrize("kind", AT_END)
def test_what_is_left_at_the_end_lives_on_too(make_box, monitor, daemon, until, kind):
    box = make_box("s1", *lines(kind, daemon.hook("exec 1>&- 2>&-")))
    box.start()
    box.kill()
    until(lambda: daemon.has_run and not scopes(), "the clean-up is over")
    [pid] = daemon.pids()
    assert hierarchies.of(pid) == hierarchies.of(monitor)


@pytest.mark.parametrize("kind", ["pre-start", "start-host"])
def test_a_start_whose_monitor_is_killed_leaves_nothing(only_ours, make_box, monitor, daemon, until, kind):
    """Who asked for it asks the next one, whose hook is done at once."""
    hook = daemon.hook("exec sleep 600")
    box = make_box("s1", *lines(kind, hook))
    request = Request(box)
    until(lambda: daemon.has_run, "the hook runs")
    Path(hook).write_text("#!/bin/sh\n")
    os.kill(monitor, signal.SIGKILL)
    request.join(60)
    assert request.error is None and box.state == State.RUNNING
    assert not daemon.pids() and not scopes()
