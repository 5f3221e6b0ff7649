# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an attach ends before its time: nothing that it began is left, neither process nor cgroup; and what outlives it by right does."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_child, attach_scope, attach_target
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

# A daemon as daemons are: forked twice, a session of its own, its parent gone; then more that never stops forking.
TREE = """
(setsid sh -c '(sleep {mark} & touch /begun; exec sleep {mark}) &' &)
sleep {mark} & sleep {mark}
"""


@pytest.fixture
def mark():
    """A number that only this test's processes have in their command line."""
    return str(int(uuid.uuid4().hex[:7], 16) + 10**9)


def marked(mark):
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and mark.encode() in Path("/proc", entry, "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry))
        except OSError:
            continue
    return [pid for pid in found if process.alive(pid)]


def scopes():
    return [path for h in cgroupfs.hierarchies() for path, *_rest in os.walk(h.mount_point) if f"/.lxc-attach-{os.getpid()}" in path]


def tree(mark, **options):
    return AttachRequest(["sh", "-c", TREE.format(mark=mark)], **options)


@pytest.fixture(params=["confined", "elevated", "pty", "v1", "no cgroup.kill", "no scope"])
def options(request, monkeypatch):
    """Every way to hold the tree together."""
    if request.param == "v1":
        hierarchies.need(1)
        monkeypatch.setattr(attach_scope, "within", lambda fds: within([fd for fd in fds if not attach_scope.is_v2(fd)]))
    if request.param == "no cgroup.kill":
        monkeypatch.setattr(cgroupfs, "write", without_kill)
    if request.param == "no scope":
        monkeypatch.setattr(attach_scope, "create", lambda directory_fd: None)
    return {"elevated": request.param == "elevated", "pty": request.param == "pty"}


within = attach_scope.within
write = cgroupfs.write


def without_kill(directory, file, value):
    if file == "cgroup.kill":
        raise FileNotFoundError(2, "no such file", file)
    write(directory, file, value)


def assert_nothing_left(mark, orphans_escape=False):
    """Descent alone cannot find what the container's init has adopted: the daemon's two."""
    left = marked(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) <= (2 if orphans_escape else 0)
    assert not scopes()


def test_timeout_ends_the_whole_tree(containers, mark, options, request):
    container = containers.start()
    result = attach(container, tree(mark, timeout=0.5, **options))
    assert result.timed_out and result.rc == 137
    assert Path(container.rootfs, "begun").exists()
    assert_nothing_left(mark, orphans_escape="no scope" in request.node.name)


def test_a_command_that_has_not_begun_yet_is_ended_too(containers, options, monkeypatch):
    """The joiner is held until then, and cannot tell its pid."""
    container = containers.start()
    monkeypatch.setattr(attach_child, "_execute", lambda *_plan: time.sleep(60))
    result = attach(container, AttachRequest(["true"], timeout=0.3, **options))
    assert result.timed_out and result.rc == 137
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert not scopes()


def test_a_joiner_that_is_killed_takes_what_it_made_along(containers, mark, monkeypatch):
    """While it is held until the program runs, which takes its time here."""
    container = containers.start()
    fork, execute = attach_child.fork, attach_child._execute

    def kill_it_when_it_is_held(plan):
        pid = fork(plan)
        if os.fork() == 0:
            while process.status_values(pid, "State") != ["D (disk sleep)"]:
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            os._exit(0)
        return pid

    def execute_late(*plan):
        time.sleep(0.5)
        execute(*plan)

    monkeypatch.setattr(attach_child, "fork", kill_it_when_it_is_held)
    monkeypatch.setattr(attach_child, "_execute", execute_late)
    with pytest.raises(errors.StepError, match="killed"):
        attach(container, AttachRequest(["sleep", mark]))
    assert os.wait()[1] == 0  # the helper; there is no other child
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert_nothing_left(mark)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_caller_ends_the_whole_tree(containers, mark, number):
    container = containers.start()
    begun = Path(container.rootfs, "begun")
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(number, signal.SIG_DFL)
            attach(container, tree(mark))
        finally:
            os._exit(99)
    end = time.monotonic() + 20
    while not begun.exists() or len(marked(mark)) < 3:  # some may still be about to exec
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(pid, number)
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number
    assert_nothing_left(mark)


def test_a_python_caller_gets_its_keyboard_interrupt(containers, mark):
    container = containers.start()
    begun = Path(container.rootfs, "begun")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        while not begun.exists():
            time.sleep(0.005)
        os.kill(parent, signal.SIGINT)
        os._exit(0)
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            attach(container, tree(mark, timeout=30))
    finally:
        signal.signal(signal.SIGINT, handler)
        os.waitpid(pid, 0)
    assert_nothing_left(mark)


def test_what_the_caller_ignores_stays_ignored(containers):
    container = containers.start()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = "kill -HUP $$; echo alive"
        assert attach(container, AttachRequest(["sh", "-c", script])).rc == 128 + signal.SIGHUP  # the command's own is as new
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_killed_caller_takes_the_command_along(containers, mark):
    container = containers.start()
    pid = os.fork()
    if pid == 0:
        try:
            attach(container, AttachRequest(["sleep", mark]))
        finally:
            os._exit(99)
    end = time.monotonic() + 20
    while not marked(mark):
        assert time.monotonic() < end
    (command,) = marked(mark)
    pidfd = process.pidfd_open(command)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert process.pidfd_wait(pidfd, 20)
    os.close(pidfd)


def test_a_joiner_ends_with_a_caller_that_is_killed_before_it_was_told(containers, monkeypatch):
    container = containers.start()
    read_fd, write_fd = os.pipe()
    fork = attach_child.fork

    def note(plan):
        pid = fork(plan)
        os.write(write_fd, b"%d" % pid)
        return pid

    monkeypatch.setattr(attach_child, "fork", note)
    monkeypatch.setattr(attach_target.Inquiry, "target", lambda _self: time.sleep(60))
    pid = os.fork()
    if pid == 0:
        try:
            attach(container, AttachRequest(["true"]))
        finally:
            os._exit(99)
    pidfd = process.pidfd_open(int(os.read(read_fd, 16)))
    assert not process.pidfd_wait(pidfd, 0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert process.pidfd_wait(pidfd, 20)
    for fd in (pidfd, read_fd, write_fd):
        os.close(fd)


@pytest.mark.parametrize("elevated", [False, True])
def test_a_daemon_that_was_begun_lives_on(containers, mark, elevated):
    container = containers.start()
    result = attach(container, AttachRequest(["sh", "-c", f"(setsid sleep {mark} &)"], elevated=elevated))
    assert result.rc == 0
    end = time.monotonic() + 20
    while not marked(mark):  # it may still be about to exec
        assert time.monotonic() < end
    (pid,) = marked(mark)
    its, inits = hierarchies.of(pid), hierarchies.of(client.init_pid(container))
    assert not [path for path in its.values() if ".lxc-attach-" in path]
    if not elevated:
        assert {path.removesuffix("/.lxc") for path in its.values()} == set(inits.values())
    assert not scopes()
    os.kill(pid, signal.SIGKILL)


def test_nothing_is_a_zombie_of_the_callers(containers, mark):
    container = containers.start()
    attach(container, tree(mark, timeout=0.3))
    attach(container, AttachRequest(["true"]))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
