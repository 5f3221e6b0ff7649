# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a running container: who they are, where they are, what they read and write, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_stream, attach_target, freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning

LOGIN = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "container": "lxc",
}


@pytest.fixture
def container(containers):
    return containers.start()


def run(container, *argv, **options):
    return attach(container, AttachRequest(list(argv), timeout=60, **options))


def shell(container, script, **options):
    return run(container, "sh", "-c", script, **options)


def text(container, script, **options):
    result = shell(container, script, **options)
    assert result.rc == 0, result
    return result.stdout.decode().strip()


def status(container, **options):
    lines = run(container, "cat", "/proc/self/status", **options).stdout.decode().splitlines()
    return {name: value.strip() for name, _colon, value in (line.partition(":") for line in lines)}


def environment(container, **options):
    return dict(line.split("=", 1) for line in run(container, "env", **options).stdout.decode().splitlines())


def test_streams_are_apart_and_the_exit_status_is_the_commands(container):
    assert shell(container, "echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n", False)


def test_a_signal_is_128_and_its_number(container):
    assert shell(container, "kill -TERM $$").rc == 128 + signal.SIGTERM


def test_not_found_is_127_and_not_executable_126(container):
    for argv in (["nonesuch"], ["/bin/nonesuch"], ["/etc/passwd/x"]):
        result = run(container, *argv)
        assert result.rc == 127 and argv[0].encode() in result.stderr
    assert run(container, "/etc/passwd").rc == 126
    assert run(container, "/home").rc == 126


def test_the_command_is_looked_for_in_the_path_it_gets(container):
    tool = Path(container.rootfs, "home/tool")
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    assert run(container, "tool").rc == 127
    assert run(container, "tool", environment={"PATH": "/nowhere:/home:/bin"}).stdout == b"found\n"


def test_ten_megabytes_both_ways_at_once(container):
    data = os.urandom(10 << 20)
    result = run(container, "tee", "/dev/stderr", stdin=data)
    assert result.rc == 0 and result.stdout == data and result.stderr == data


def test_a_command_that_reads_nothing_is_no_error(container):
    assert run(container, "true", stdin=b"x" * (4 << 20)) == (0, b"", b"", False)


def test_without_stdin_there_is_its_end(container):
    assert run(container, "cat") == (0, b"", b"", False)


def test_what_the_child_of_a_command_keeps_open_is_not_waited_for(container):
    assert shell(container, "echo begun; sleep 3600 &").stdout == b"begun\n"


def test_the_environment_is_a_logins(container, monkeypatch):
    monkeypatch.setenv("HISTFILE", "/host/history")
    assert environment(container) == LOGIN
    assert environment(container, user="alice")["HOME"] == "/home/alice"


def test_the_configs_environment_and_the_callers(containers, monkeypatch):
    monkeypatch.setenv("NOT_ASKED_FOR", "secret")
    container = containers.start("lxc.environment = A=config", "lxc.environment = B=config")
    assert environment(container, environment={"B": "caller", "C": "a b=c"}) == {
        **LOGIN,
        "A": "config",
        "B": "caller",
        "C": "a b=c",
    }
    kept = environment(container, keep_environment=True)
    assert kept["NOT_ASKED_FOR"] == "secret" and kept["HOME"] == "/root" and kept["container"] == "lxc"


def test_the_directory(container):
    assert text(container, "pwd") == "/root"
    assert text(container, "pwd", user="alice") == "/home/alice"
    assert text(container, "pwd", chdir="/tmp") == "/tmp"
    Path(container.rootfs, "root").rmdir()
    assert text(container, "pwd") == "/"
    with pytest.raises(errors.StepError, match="/nowhere"):
        run(container, "true", chdir="/nowhere")


def test_a_user_with_its_groups(container):
    assert text(container, "id -u; id -g; id -G", user="alice").split("\n") == ["1000", "100", "100 29 44"]
    assert text(container, "id -G", user="1000") == "100 29 44"
    assert text(container, "id -u; id -G", user="4321").split("\n") == ["4321", "4321"]
    assert text(container, "id -g; id -G", user="alice", group="audio").split("\n") == ["29", "29 44"]
    assert text(container, "id -u; id -G").split("\n") == ["0", "0 6"]


def test_an_unknown_user_runs_nothing(container):
    with pytest.raises(errors.NotFound, match="nobody_here"):
        shell(container, "touch /ran", user="nobody_here")
    with pytest.raises(errors.NotFound, match="no_group"):
        shell(container, "touch /ran", group="no_group")
    assert not Path(container.rootfs, "ran").exists()


def test_a_user_may_open_its_own_streams(container):
    script = "echo a > /dev/stdout; echo b > /dev/stderr; cat < /dev/stdin"
    assert shell(container, script, user="alice", stdin=b"c")[:3] == (0, b"a\nc", b"b\n")


def test_every_namespace_is_inits(container):
    pid = client.init_pid(container)
    inside = text(container, "for n in mnt pid uts ipc net cgroup user time; do readlink /proc/self/ns/$n; done").splitlines()
    assert inside == [os.readlink(f"/proc/{pid}/ns/{name}") for name in ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user", "time")]


def test_chosen_namespaces_only(container):
    assert text(container, "hostname; readlink /proc/self/ns/mnt /proc/self/ns/uts", namespaces=["uts"], chdir="/").splitlines() == [
        container.name,
        os.readlink("/proc/self/ns/mnt"),
        os.readlink(f"/proc/{client.init_pid(container)}/ns/uts"),
    ]
    assert text(container, "hostname", namespaces=[]) == socket.gethostname()


def test_confined_has_inits_bounding_set_and_no_more(containers):
    container = containers.start("lxc.cap.drop = sys_module sys_time mknod")
    inside, init = status(container), process.status(client.init_pid(container))
    assert inside["CapBnd"] == init["CapBnd"] == inside["CapEff"]
    assert inside["CapBnd"] != process.status(os.getpid())["CapBnd"]
    assert int(inside["CapInh"], 16) == int(inside["CapAmb"], 16) == 0
    assert int(status(container, user="alice")["CapEff"], 16) == 0
    elevated = status(container, elevated=True)
    assert elevated["CapBnd"] == process.status(os.getpid())["CapBnd"] and int(elevated["CapInh"], 16) == 0


def test_confined_is_in_the_containers_cgroups(container):
    inside = text(container, "cat /proc/self/cgroup").splitlines()
    assert inside and not [line for line in inside if ":/.." in line]
    assert [line for line in text(container, "cat /proc/self/cgroup", elevated=True).splitlines() if ":/.." in line]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_caller_with_threads(container, elsewhere):
    """It cannot have the joiner born in a cgroup; and signals are the main thread's."""
    expected = text(container, "cat /proc/self/cgroup")
    done = threading.Event()
    results = []
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        if elsewhere:
            thread = threading.Thread(target=lambda: results.append(text(container, "cat /proc/self/cgroup")))
            thread.start()
            thread.join(60)
        else:
            results.append(text(container, "cat /proc/self/cgroup"))
    finally:
        done.set()
        other.join()
    assert results == [expected]


def test_what_cannot_be_found_out_leaves_nothing(container, monkeypatch):
    """The joiner is under way by then."""

    def fail(*_args):
        raise FileNotFoundError(2, "no such file", "/proc/1/ns/mnt")

    before = sorted(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(attach_target.Inquiry, "_open", fail)
    with pytest.raises(errors.StepError, match="/proc/1/ns/mnt"):
        run(container, "true")
    assert_nothing_left(before)


def test_a_fork_that_fails_leaves_nothing(container, monkeypatch):
    def fail(*_args):
        raise BlockingIOError(11, "no more processes")

    before = sorted(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(process, "fork", fail)
    with pytest.raises(errors.StepError, match="Prepare the cgroup"):
        run(container, "true")
    assert_nothing_left(before)


def assert_nothing_left(fds):
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert sorted(os.listdir("/proc/self/fd")) == fds
    assert not [path for h in cgroupfs.hierarchies() for path, *_rest in os.walk(h.mount_point) if f"/.lxc-attach-{os.getpid()}" in path]


def test_no_new_privs_as_the_config_says(containers):
    container = containers.start("lxc.no_new_privs = 1")
    assert status(container)["NoNewPrivs"] == "1"
    assert status(container, elevated=True)["NoNewPrivs"] == "0"


def test_a_32_bit_personality(containers):
    container = containers.start("lxc.arch = i686")
    assert text(container, "uname -m") == "i686"


def test_signals_are_as_new(container):
    inside = status(container)
    assert int(inside["SigIgn"], 16) == int(inside["SigBlk"], 16) == 0


def test_nothing_of_the_callers_is_open_inside(container):
    listed = text(container, "exec ls -l /proc/self/fd").splitlines()[1:]
    names = [line.split(" -> ")[0].split()[-1] for line in listed]
    assert names in (["0", "1", "2"], ["0", "1", "2", "3"])  # ls itself has the directory open
    assert all("pipe:" in line for line in listed[:3])


def test_a_pty_only_when_asked(container):
    assert run(container, "tty").rc == 1
    inside = shell(container, "tty; test -e $(tty) && stty size; echo to-tty > /dev/tty; echo err >&2", pty=True, rows=33, cols=101)
    assert inside.rc == 0 and inside.stderr == b""
    name, size, *rest = inside.stdout.decode().split("\r\n")
    assert name.startswith("/dev/pts/") and size == "33 101" and rest == ["to-tty", "err", ""]
    assert environment(container, pty=True)["TERM"]


def test_a_pty_has_stdin_and_its_end(container):
    assert run(container, "cat", pty=True, stdin=b"line").stdout.endswith(b"line")
    assert run(container, "cat", pty=True).rc == 0


def test_all_that_is_written_to_a_pty_comes(container):
    assert shell(container, "seq 20000", pty=True).stdout.split() == [b"%d" % number for number in range(1, 20001)]


def test_the_window_follows_the_callers(container, monkeypatch):
    """The caller's own terminal is the test's pty on descriptor 0."""
    master_fd, slave_fd = os.openpty()
    attach_stream.tty.set_size(slave_fd, 50, 150)
    saved = os.dup(0)
    os.dup2(slave_fd, 0)
    try:
        script = f"trap 'stty size; exit' WINCH; kill -WINCH {os.getpid()} 2>/dev/null; touch /ready; while :; do sleep 0.05; done"
        pid = os.fork()
        if pid == 0:
            ready = Path(container.rootfs, "ready")
            while not ready.exists():
                pass
            os.kill(os.getppid(), signal.SIGWINCH)
            os._exit(0)
        result = shell(container, script, pty=True, rows=10, cols=20)
        os.waitpid(pid, 0)
    finally:
        os.dup2(saved, 0)
        for fd in (saved, master_fd, slave_fd):
            os.close(fd)
    assert b"50 150" in result.stdout and not result.timed_out


def test_what_is_frozen_or_stopped_is_said(container, tmp_path):
    freeze.freeze(container)
    with pytest.raises(errors.StepError, match="frozen"):
        run(container, "true")
    freeze.thaw(container)
    with pytest.raises(NotRunning):
        run(paths.container("wnone", str(tmp_path)), "true")


@pytest.mark.parametrize(
    "request_",
    [
        AttachRequest([]),
        AttachRequest([""]),
        AttachRequest(["a\0b"]),
        AttachRequest(["a"], environment={"A=B": "c"}),
        AttachRequest(["a"], environment={"A": "b\0"}),
        AttachRequest(["a"], namespaces=["network"]),
        AttachRequest(["a"], chdir="/\0"),
    ],
)
def test_bad_values_are_refused_first(request_, tmp_path):
    with pytest.raises(errors.BadValue):
        attach(paths.container("wnone", str(tmp_path)), request_)


def test_no_descriptor_is_left(container):
    def calls():
        run(container, "true")
        run(container, "true", elevated=True, pty=True)
        run(container, "nonesuch")
        attach(container, AttachRequest(["sleep", "100"], timeout=0.05))
        for wrong in ({"user": "nobody_here"}, {"chdir": "/nowhere"}):
            with pytest.raises(errors.LxcError):
                run(container, "true", **wrong)

    calls()
    before = sorted(os.listdir("/proc/self/fd"))
    calls()
    assert sorted(os.listdir("/proc/self/fd")) == before
