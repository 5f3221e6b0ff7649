# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which launcher gets a job, with real processes that launch nothing: they say what they are told to."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import sockets
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import launcher, launchers
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.launchers import Launchers
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop, fork
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


class Launches:
    """Each launch with its pid, what was noted of it, and the wait status with which it was done."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.launchers = Launchers(loop, "/nowhere")
        self.pids: dict[str, int] = {}
        self.noted: dict[str, list[dict[str, Any]]] = {}
        self.done: dict[str, int] = {}

    def begin(self, name: str) -> int:
        record = Record(Container("/c", name), None)
        notes = self.noted.setdefault(name, [])
        self.launchers.launch(record, lambda message, _fds: notes.append(message), lambda status: self.done.update({name: status}))
        self.pids[name] = record.launcher_pid
        return record.launcher_pid

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline
            self.loop.later(0.01, lambda: None)
            self.loop.turn()

    def wait(self, *names: str) -> None:
        self.until(lambda: set(names) <= set(self.done))


def serve(end: socket.socket) -> None:
    """The name of the container tells what to do: what begins with free ends well, bad ends with 3, a number waits for it."""
    while True:
        data = end.recv(4096)
        if not data:
            return
        name = json.loads(data)["container"][1]
        if name.startswith("bad"):
            os._exit(3)
        if name.startswith("hang"):
            end.recv(1)
        if name.startswith("lost"):
            full_fd = os.open("/dev/null", os.O_RDONLY)
            sockets.send_with_fds(end, b"{}", [full_fd] * 5)
            end.recv(1)
        end.send(json.dumps({"running": True, "free": name.startswith("free"), "name": name}).encode())
        if not name.startswith("free"):
            return


@pytest.fixture
def launches(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Launches:
    monkeypatch.setattr(launcher, "fork_launcher", lambda end, _root: fork(lambda: serve(end), [end.fileno()], lambda: None))
    return Launches(loop)


def test_one_whose_descriptors_find_no_room_is_ended_and_the_launch_told_why(launches: Launches) -> None:
    launches.begin("lost")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, before[1]))
    try:
        launches.until(lambda: launches.noted["lost"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "Too many open files" in str(launches.noted["lost"][0]["error"])
    launches.wait("lost")
    assert launches.done["lost"] == signal.SIGKILL


def test_one_that_is_free_launches_again(launches: Launches) -> None:
    first = launches.begin("free1")
    launches.wait("free1")
    assert launches.begin("free2") == first
    launches.wait("free2")
    assert launches.done == {"free1": 0, "free2": 0}
    assert [message["name"] for message in launches.noted["free1"] + launches.noted["free2"]] == ["free1", "free2"]


@pytest.mark.parametrize(("name", "status"), [("used", 0), ("bad", 3 << 8)])
def test_one_that_is_not_ends_and_another_takes_its_place(launches: Launches, name: str, status: int) -> None:
    first = launches.begin(name)
    launches.wait(name)
    assert launches.done == {name: status}
    assert launches.begin("free") != first
    launches.wait("free")


def test_each_that_is_at_work_has_its_own_process_and_one_rests_afterwards(launches: Launches) -> None:
    pids = {launches.begin(f"free{number}") for number in range(3)}
    launches.wait("free0", "free1", "free2")
    assert len(pids) == 3
    launches.until(lambda: len(alive(pids)) == 1)
    assert {launches.begin("free3")} == alive(pids)


def test_one_that_was_killed_while_it_rested_is_not_used(launches: Launches) -> None:
    first = launches.begin("free1")
    launches.wait("free1")
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    second = launches.begin("free2")
    assert second != first
    launches.wait("free2")
    launches.loop.reap()
    assert launches.done["free2"] == 0
    assert launches.begin("free3") == second


def test_it_rests_for_a_while_and_then_ends(launches: Launches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "_REST", 0.05)
    first = launches.begin("free1")
    launches.wait("free1")
    launches.until(lambda: not alive({first}))
    gc.collect()  # what earlier tests have left must not go meanwhile
    before = len(os.listdir("/proc/self/fd"))
    assert launches.begin("free2") != first
    launches.wait("free2")
    launches.launchers.dismiss()
    launches.until(lambda: not alive({launches.pids["free2"]}))
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_works_again_does_not_end_when_its_rest_would_have(launches: Launches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "_REST", 0.2)
    first = launches.begin("free1")
    launches.wait("free1")
    assert launches.begin("hang") == first
    end = time.monotonic() + 0.4
    launches.until(lambda: time.monotonic() > end)
    assert alive({first}) == {first}
    os.kill(first, signal.SIGKILL)
    launches.wait("hang")
    assert launches.done["hang"] == signal.SIGKILL


def alive(pids: set[int]) -> set[int]:
    """Those of our children that have not ended; the loop reaps them."""

    def runs(pid: int) -> bool:
        try:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None
        except ChildProcessError:
            return False

    return {pid for pid in pids if runs(pid)}
