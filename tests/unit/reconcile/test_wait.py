# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for: what is seen when it is not met, and that it ends."""

from __future__ import annotations

import os
import select
import socket
import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import info
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import conditions, shortage, wait
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State


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


def test_a_limit_that_is_too_low_is_named_where_a_wait_fails(one, monkeypatch):
    monkeypatch.setattr(shortage, "found", lambda: ["fs.inotify.max_user_instances is 128"])
    with pytest.raises(errors.TimedOut, match=r"not met within 0 s, nothing listens on TCP port 1; fs.inotify.max_user_instances is 128"):
        wait.wait(one, ["port:1"], 0)


def test_an_address_ends_the_wait(one, monkeypatch):
    answers = iter([{"names": []}, {"names": ["eth0"], "ipv6": ["fd00::1"]}])
    monkeypatch.setattr(info, "addresses", lambda pid: next(answers))
    wait.wait(one, ["ipv6"], 30)


class Told(conditions.Running):
    """Met when something can be read from a pipe, which is its source; how often it was looked at."""

    def __init__(self, one, pipe_fd):
        super().__init__(one, "told")
        self.pipe_fd = pipe_fd
        self.looks = 0

    def sources(self, pid):
        return [(os.dup(self.pipe_fd), select.POLLIN)]

    def seen(self, end):
        self.looks += 1
        return "" if select.select([self.pipe_fd], [], [], 0)[0] else "nothing to read"


@pytest.fixture
def pipe():
    fds = os.pipe()
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.fixture
def link(monkeypatch):
    """The monitor's end of what it would tell a state client by; init is this process."""
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(client, "watch_changes", lambda one, states: ours.dup())
    monkeypatch.setattr(client, "init_pidfd", lambda one: os.pidfd_open(os.getpid()))
    with ours, theirs:
        yield theirs


def events(one, pipe, told=True):
    condition = Told(one, pipe[0])
    condition.is_told = told
    return wait.Events(condition)


@pytest.mark.parametrize("woken_by", ["source", "link"])
def test_each_source_wakes(one, pipe, link, monkeypatch, woken_by):
    for pause in ("_SHORTEST", "_LONGEST", "_TOLD"):
        monkeypatch.setattr(wait, pause, 600)
    threading.Timer(0.05, lambda: os.write(pipe[1], b"x") if woken_by == "source" else link.send(b"x")).start()
    before = len(os.listdir("/proc/self/fd"))
    waiting = events(one, pipe)
    waiting.wait(600)
    waiting.close()
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(("told", "limits"), [(True, [2.0, 2.0, 2.0]), (False, [0.02, 0.03, 0.045])])
def test_without_an_event_the_pause_is_short_and_grows(one, pipe, link, monkeypatch, told, limits):
    asked = []
    monkeypatch.setattr(wait.Events, "_poll", lambda self, limit: asked.append(limit) or set())
    waiting = events(one, pipe, told)
    for _turn in limits:
        waiting.wait(600)
    assert asked == pytest.approx(limits)
    for _turn in range(20):
        waiting.wait(600)
    waiting.wait(0.001)
    waiting.close()
    assert max(asked) == (2.0 if told else 0.5) and asked[-1] == 0.001


@pytest.mark.parametrize("gone", ["link", "init", "sources"])
def test_what_cannot_be_listened_to_is_looked_at_again_and_again(one, pipe, link, monkeypatch, gone):
    asked = []
    monkeypatch.setattr(wait.Events, "_poll", lambda self, limit: asked.append(limit) or set())
    if gone == "link":
        monkeypatch.setattr(client, "watch_changes", failing(NotRunning("old")))
    elif gone == "init":
        monkeypatch.setattr(client, "init_pidfd", failing(NotRunning("none yet")))
    else:
        monkeypatch.setattr(Told, "sources", failing(OSError(24, "no inotify instance")))
    monkeypatch.setattr(Told, "needs_init", True)
    waiting = events(one, pipe)
    waiting.wait(600)
    waiting.close()
    assert asked == [wait._SHORTEST]


def failing(error):
    def fail(*_arguments):
        raise error

    return fail


def test_a_file_s_nearest_directory_is_watched(one, tmp_path):
    (tmp_path / "a").mkdir()
    for path, nearest in {"/a/b/c": "a", "/a/b": "a", "/x": "", "/a/": "", "/a/b/": "a"}.items():
        condition = conditions.Path(one, f"path:{path}", f"{tmp_path}{path}")
        directory_fd = condition._nearest(os.getpid())
        assert os.readlink(f"/proc/self/fd/{directory_fd}") == f"{tmp_path}/{nearest}".rstrip("/")
        os.close(directory_fd)


def test_a_container_that_stops_is_not_waited_for(one, monkeypatch):
    monkeypatch.setattr(query, "state", lambda container: State.STOPPED)
    with pytest.raises(errors.StepError, match="the container has stopped"):
        wait.wait(one, ["running"], 60)


def test_a_listening_port_is_found_without_connecting_to_it(one):
    with socket.create_server(("127.0.0.1", 0)) as server:
        wait.wait(one, [f"port:{server.getsockname()[1]}"], 0)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_when_the_monitor_or_init_has_spoken_both_are_listened_to_anew(one, pipe, link, monkeypatch):
    """It may be another init by now."""
    asked = []
    again = client.watch_changes
    monkeypatch.setattr(client, "watch_changes", lambda one, states: asked.append(states) or again(one, states))
    waiting = events(one, pipe)
    os.write(pipe[1], b"x")
    waiting.wait(600)
    assert len(asked) == 1, "a source has spoken"
    os.read(pipe[0], 1)
    link.send(b"x")
    waiting.wait(600)
    waiting.close()
    assert len(asked) == 2


def test_systemd_is_waited_for_by_an_event_until_it_can_be_asked(one, monkeypatch):
    silent = ["/run/systemd/private: No such file or directory"]
    monkeypatch.setattr(conditions, "missing", lambda one, path: silent[0] if path == conditions._SYSTEMD else "")
    condition = conditions.find(one, "systemd")
    assert silent[0] in condition.seen(0) and condition.is_told
    silent[0] = ""
    said = iter(["", "starting"])
    monkeypatch.setattr(conditions.Systemd, "_ask", lambda self, *options, timeout: next(said))
    assert condition.seen(0) == "systemctl is-system-running says starting" and not condition.is_told
