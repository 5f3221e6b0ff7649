# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freezing: the processes stand still, and whoever asks the monitor is told."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State
from stock import need_lxc

COUNTING = """#!/bin/sh
while :; do echo x >> /count; done
"""


def told_by_lxc(container):
    need_lxc()
    command = ["lxc-info", "-P", container.lxc_path, "-n", container.name, "-s", "-H"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_freeze_and_thaw(containers):
    container = containers.start(init=COUNTING)
    count = Path(container.rootfs, "count")
    assert freeze.freeze(container) is True
    assert client.state(container) == State.FROZEN and told_by_lxc(container) == "FROZEN"
    frozen_at = count.stat().st_size if count.exists() else 0
    assert freeze.freeze(container) is False
    assert (count.stat().st_size if count.exists() else 0) == frozen_at
    assert freeze.thaw(container) is True
    assert client.state(container) == State.RUNNING and told_by_lxc(container) == "RUNNING"
    assert freeze.thaw(container) is False
    while count.stat().st_size == frozen_at:
        pass


def test_lxcs_own_freeze_is_understood(containers):
    need_lxc()
    container = containers.start()
    subprocess.run(["lxc-freeze", "-P", container.lxc_path, "-n", container.name], check=True)
    assert freeze.freeze(container) is False
    assert freeze.thaw(container) is True
    assert told_by_lxc(container) == "RUNNING"


def test_state_clients_hear_of_it(containers):
    container = containers.start()
    heard = []
    link, now = client.watch(container, [State.FROZEN])
    assert now is None
    with link:
        link.settimeout(20)
        listener = threading.Thread(target=lambda: heard.append(client.wait(container, [State.FROZEN], 20)))
        listener.start()
        freeze.freeze(container)
        assert link.recv(4096)
        listener.join(20)
    assert heard == [State.FROZEN]
    freeze.thaw(container)


def test_lxc_monitor_hears_of_it_once(containers):
    container = containers.start()
    place = Path(paths.LXC_RUN, container.lxc_path.lstrip("/"))
    place.mkdir(parents=True, exist_ok=True)
    os.mkfifo(place / "monitor-fifo")
    fifo_fd = os.open(place / "monitor-fifo", os.O_RDONLY | os.O_NONBLOCK)
    freeze.freeze(container)
    freeze.thaw(container)
    said, size = os.read(fifo_fd, 65536), payloads.STATE_MESSAGE_SIZE
    os.close(fifo_fd)
    told = [payloads.StateMessage.unpack(said[at : at + size]).value for at in range(0, len(said), size)]
    # That it is RUNNING the stock one may say after lxc-start has returned.
    assert [state for state in told if state != State.RUNNING] == [State.FREEZING, State.FROZEN, State.THAWED]


def test_what_does_not_freeze_in_time_is_left_running(containers, monkeypatch):
    container = containers.start()
    monkeypatch.setattr(freeze.Freezer, "wait", lambda self, freeze, timeout: False)
    with pytest.raises(errors.TimedOut, match=container.name):
        freeze.freeze(container, 0.01)
    monkeypatch.undo()
    assert client.state(container) == State.RUNNING
    freezer = freeze.find(container)
    try:
        assert freezer.wait(False, 10)
    finally:
        client.close([freezer.directory_fd])


def test_a_stopped_one_cannot_be_frozen(containers, tmp_path):
    with pytest.raises(NotRunning):
        freeze.freeze(paths.container("wnone", str(tmp_path)))
