# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for: what is seen when it is not met, and that it ends."""

from __future__ import annotations

import os

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import info
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import wait
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


@pytest.fixture
def one(monkeypatch, tmp_path):
    """A container whose init is this process, with a log."""
    monkeypatch.setattr(query, "state", lambda container: State.RUNNING)
    monkeypatch.setattr(query, "init_pid", lambda container: os.getpid())
    (tmp_path / "m1").mkdir()
    container = paths.container("m1", str(tmp_path))
    with open(container.log, "w", encoding="utf-8") as stream:
        stream.write("".join(f"line {number}\n" for number in range(100)))
    return container


def test_what_is_met_is_not_waited_for(one):
    wait.wait(one, ["running"], 0)


@pytest.mark.parametrize(
    ("condition", "seen"),
    [("ipv4", "no global ipv4 address on its interfaces"), ("port:1", "nothing listens on TCP port 1")],
)
def test_at_the_end_it_says_what_it_saw_and_what_the_log_says(one, monkeypatch, condition, seen):
    monkeypatch.setattr(info, "addresses", lambda pid: {"names": ["eth0"], "ipv4": [], "ipv6": []})
    with pytest.raises(errors.TimedOut, match=seen) as caught:
        wait.wait(one, ["running", condition], 0)
    log = caught.value.details()["log"]
    assert (len(log), log[-1]) == (20, "line 99")


def test_an_address_ends_the_wait(one, monkeypatch):
    answers = iter([{"names": []}, {"names": ["eth0"], "ipv6": ["fd00::1"]}])
    monkeypatch.setattr(info, "addresses", lambda pid: next(answers))
    monkeypatch.setattr(wait, "_POLL", 0.01)
    wait.wait(one, ["ipv6"], 30)


def test_a_container_that_stops_is_not_waited_for(one, monkeypatch):
    monkeypatch.setattr(query, "state", lambda container: State.STOPPED)
    with pytest.raises(errors.StepError, match="the container has stopped"):
        wait.wait(one, ["running"], 60)


def test_a_listening_port_is_found_without_connecting_to_it(one):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        wait.wait(one, [f"port:{server.getsockname()[1]}"], 0)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
