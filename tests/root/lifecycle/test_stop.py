# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping: by which signal, how it is told, and that nobody answers afterwards."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
from stock import BLOCKING_INIT, DEAF_INIT

LISTENING_INIT = "#!/bin/sh\ntrap 'exit 0' {}\necho > /ready\nwhile :; do sleep 3600 & wait $!; done\n"


# As for a moment the C library does in each fork, but for longer.
BUSY_INIT = """#!/usr/bin/python3 -ISB
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
signal.signal(signal.SIGPWR, lambda *_: os._exit(0))
open("/ready", "w").close()
time.sleep(0.2)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
time.sleep(1000)
"""


def gone(container):
    return client.state(container) == State.STOPPED and container.name not in client.listening(container.lxc_path)


def wait_for(path):
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.005)


def test_sigpwr_for_an_ordinary_init(containers):
    container = containers.start(init=LISTENING_INIT.format("PWR"))
    wait_for(Path(container.rootfs, "ready"))
    stopped = stop.stop(container, 30)
    assert (stopped.how, stopped.signal) == ("signal", "SIGPWR") and 0 < stopped.seconds < 30
    assert gone(container)


def test_sigrtmin_3_for_an_init_that_blocks_it(containers):
    container = containers.start(init=BLOCKING_INIT, host_usr=True)
    wait_for(Path(container.rootfs, "ready"))
    stopped = stop.stop(container, 30)
    assert (stopped.how, stopped.signal) == ("signal", "SIGRTMIN+3") and gone(container)


def test_one_that_blocks_everything_for_a_moment_is_no_systemd(containers):
    container = containers.start(init=BUSY_INIT, host_usr=True)
    wait_for(Path(container.rootfs, "ready"))
    stopped = stop.stop(container, 30)
    assert (stopped.how, stopped.signal) == ("signal", "SIGPWR") and gone(container)


def test_the_configs_signal_goes_first(containers):
    container = containers.start("lxc.signal.halt = SIGUSR2", init=LISTENING_INIT.format("USR2"))
    wait_for(Path(container.rootfs, "ready"))
    stopped = stop.stop(container, 30)
    assert (stopped.how, stopped.signal) == ("signal", "SIGUSR2") and gone(container)


def test_the_callers_signal_goes_before_all(containers):
    container = containers.start("lxc.signal.halt = SIGUSR2", init=LISTENING_INIT.format("HUP"))
    wait_for(Path(container.rootfs, "ready"))
    stopped = stop.stop(container, 30, signal.SIGHUP)
    assert (stopped.how, stopped.signal) == ("signal", "SIGHUP") and gone(container)


def test_who_does_not_listen_is_killed(containers):
    container = containers.start(init=DEAF_INIT)
    stopped = stop.stop(container, 0.3)
    assert (stopped.how, stopped.signal) == ("killed", "SIGPWR") and stopped.seconds >= 0.3
    assert gone(container)


def test_no_time_is_no_question(containers):
    container = containers.start()
    assert stop.stop(container, 0)[:2] == ("killed", "") and gone(container)


def test_a_stop_signal_that_is_ignored_helps_nobody(containers, monkeypatch):
    monkeypatch.setattr(stop, "_KILL", 0.2)
    container = containers.start("lxc.signal.stop = SIGTERM")
    assert stop.stop(container, 0).how == "killed" and gone(container)


def test_a_stopped_one_is_already(containers, tmp_path):
    container = containers.start()
    stop.stop(container, 0)
    assert stop.stop(container, 10) == stop.Stopped("already")
    assert stop.stop(paths.container("wnone", str(tmp_path)), 10).how == "already"


@pytest.mark.parametrize(("timeout", "how"), [(30, "signal"), (0, "killed")])
def test_a_frozen_one_is_thawed_first(containers, timeout, how):
    container = containers.start()
    freeze.freeze(container)
    assert stop.stop(container, timeout).how == how and gone(container)
