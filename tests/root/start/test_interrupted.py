# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes at the wrong moment: a kill, a stop while it starts, a start while it ends, a reboot that fails."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, LxcError, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, host, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State


def program(path: Path, *commands: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *commands]) + "\n")
    path.chmod(0o755)
    return str(path)


def cgroups(name: str) -> list[str]:
    return [base for base, _directories, _files in os.walk("/sys/fs/cgroup") if os.path.basename(base).startswith(f"lxc.payload.{name}")]


def said(path: Path) -> str:
    """What a hook has written whole: the file is there before its line is."""
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else ""


class Request(threading.Thread):
    """A start in the background; `error` is what came of it."""

    def __init__(self, box, timeout: float = 30) -> None:
        super().__init__()
        self.box, self.timeout, self.error = box, timeout, None
        self.start_time = time.monotonic()
        self.start()

    def run(self) -> None:
        try:
            self.box.start(self.timeout)
        except LxcError as error:
            self.error = error

    def result(self):
        self.join(40)
        assert not self.is_alive(), "the request was answered"
        return self.error


@pytest.mark.parametrize("kind", ["pre-start", "start-host"])
def test_a_launcher_that_its_hook_kills_leaves_nothing(make_box, tmp_path, monitor, until, kind):
    box = make_box("s1", "lxc.mount.auto = proc", "lxc.tty.max = 2")
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    box.configure(f"lxc.hook.{kind} = {program(tmp_path / 'hook', 'kill -9 -$PPID', 'sleep 60', f'touch {tmp_path}/late')}")
    assert "wait status 9" in str(box.fails())
    assert not (tmp_path / "late").exists(), "the hook is not waited for"
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed what it held")
    assert cgroups("s1") == []
    box.configure()
    box.start()


@pytest.mark.parametrize("kind", ["pre-mount", "mount", "autodev", "start"])
def test_a_launcher_that_is_killed_while_init_works_takes_init_along(make_box, tmp_path, monitor, until, kind):
    box = make_box("s1")
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    place = box.root / "bin/hook" if kind == "start" else tmp_path / "hook"
    ready = box.root / "tmp/ready" if kind == "start" else tmp_path / "ready"
    program(place, f"touch {'/tmp/ready' if kind == 'start' else ready}", "exec sleep 600")
    first = program(tmp_path / "first", f"echo $PPID > {tmp_path}/launcher")
    box.configure(f"lxc.hook.pre-start = {first}", f"lxc.hook.{kind} = {'/bin/hook' if kind == 'start' else place}")
    request = Request(box)
    until(ready.exists, "init's hook runs")
    init = int(client.ask(box.container, Command.GET_INIT_PID, 5).response.value)
    os.kill(int((tmp_path / "launcher").read_text()), signal.SIGKILL)
    assert "wait status 9" in str(request.result())
    until(lambda: not process.alive(init), "init is gone")
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed what it held")
    assert box.state == State.STOPPED and cgroups("s1") == []


def test_init_that_is_killed_from_the_host_while_it_starts(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"grep NSpid /proc/$PPID/status > {tmp_path}/seen", f"echo $PPID > {tmp_path}/pid", "exec sleep 600")
    box.configure(f"lxc.hook.start-host = {hook}")
    request = Request(box)
    until(lambda: said(tmp_path / "pid"), "the hook runs")
    os.kill(client.init_pid(box.container), signal.SIGKILL)
    os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert isinstance(request.result(), LxcError)
    assert box.state == State.STOPPED and cgroups("s1") == []


def test_a_stop_while_it_starts_gives_the_start_up(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"echo $$ > {tmp_path}/pid", "exec sleep 600")
    box.configure(f"lxc.hook.pre-start = {hook}")
    request = Request(box)
    until(lambda: said(tmp_path / "pid"), "the hook runs")
    pid = int((tmp_path / "pid").read_text())
    stop.stop(box.container, 10)
    assert box.state == State.STOPPED
    assert "stopped while it started" in str(request.result())
    until(lambda: not process.alive(pid), "the hook is gone")


def test_a_start_while_it_ends_is_a_start_afterwards(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"touch {tmp_path}/ending", "sleep 0.5")
    box.configure(f"lxc.hook.stop = {hook}")
    box.start()
    first = box.pid
    killer = threading.Thread(target=box.kill)
    os.kill(first, signal.SIGKILL)
    until((tmp_path / "ending").exists, "it is on its way down")
    box.start()
    assert box.pid != first and box.state == State.RUNNING
    del killer


REBOOTS_ONCE = "[ -e /tmp/again ] || { touch /tmp/again; /bin/reboot -f; }"


def test_a_start_during_a_reboot_is_told_of_the_reboot(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"touch {tmp_path}/ending", "sleep 0.5")
    box.configure(f"lxc.hook.stop = {hook}")
    box.init(REBOOTS_ONCE)
    box.start()
    until((tmp_path / "ending").exists, "it reboots")
    request = Request(box)
    assert request.result() is None
    pid = box.pid
    box.kill()
    assert box.state == State.STOPPED
    time.sleep(0.2)
    assert box.state == State.STOPPED and not process.alive(pid), "no request is left that would start it again"


def test_a_stop_during_a_reboot_is_a_stop(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"touch {tmp_path}/ending", "sleep 0.5")
    box.configure(f"lxc.hook.stop = {hook}")
    box.init(REBOOTS_ONCE)
    box.start()
    until((tmp_path / "ending").exists, "it reboots")
    client.stop(box.container, 20)
    assert box.state == State.STOPPED


def test_a_reboot_that_cannot_start_again_is_a_stop(make_box, tmp_path, monitor, until):
    box = make_box("s1")
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    box.init("sleep 0.3; /bin/reboot -f")
    box.start()
    box.configure("lxc.init.cmd = /missing")
    until(lambda: box.state == State.STOPPED, "the second start failed")
    assert cgroups("s1") == []
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed what it held")
    box.configure()
    box.init("")
    box.start()


def test_a_container_whose_directory_vanishes_can_be_stopped_and_does_not_come_back(make_box, until):
    box = make_box("s1", "lxc.hook.post-stop = /nowhere")
    box.start()
    shutil.rmtree(box.container.directory, ignore_errors=True)
    box.kill()
    until(lambda: cgroups("s1") == [], "its cgroups are gone")
    time.sleep(0.1)
    assert not os.path.exists(box.container.directory), "a log line must not make it anew"


def test_one_that_asked_for_the_start_and_went_away_changes_nothing(make_box, tmp_path, until):
    box = make_box("s1")
    hook = program(tmp_path / "hook", f"touch {tmp_path}/runs", "sleep 0.3")
    box.configure(f"lxc.hook.pre-start = {hook}")
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(paths.MONITOR_SOCKET)
    link.sendall(host.encode({"op": "start", "containers": [list(box.container)], "timeout": 20}))
    until((tmp_path / "runs").exists, "the start is under way")
    link.close()
    until(lambda: box.state == State.RUNNING, "it runs")


def test_a_timeout_of_many_days_does_not_end_the_monitor(make_box, tmp_path, monitor):
    box = make_box("s1")
    hook = program(tmp_path / "hook", "sleep 0.3")
    box.configure(f"lxc.hook.pre-start = {hook}")
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(paths.MONITOR_SOCKET)
    link.sendall(host.encode({"op": "start", "containers": [list(box.container)], "timeout": 3e8}))
    link.settimeout(20)
    assert host.Decoder().feed(link.recv(65536))[0]["ok"]
    link.close()
    assert process.alive(monitor) and box.state == State.RUNNING
    for bad in (float("nan"), -1, float("inf")):
        with pytest.raises(BadValue, match="timeout"):
            host.request("start", {"containers": [list(box.container)], "timeout": bad})
    with pytest.raises(BadValue, match="log_level"):
        host.request("start", {"containers": [list(box.container)], "log_level": "LOUD"})


def test_two_lxcpaths_with_the_same_name_never_share_a_cgroup(make_box, tmp_path):
    boxes = [make_box("s1")]
    for number in range(3):
        twin = type(boxes[0])(paths.container("s1", str(tmp_path / f"other{number}")))
        shutil.copytree(boxes[0].root, twin.root, symlinks=True)
        twin.configure()
        boxes.append(twin)
    try:
        for _container, error, _warnings, _was_up in runtime.start([box.container for box in boxes], 30):
            assert error is None, error
        seen = [client.cgroup(box.container, "") for box in boxes]
        assert len(set(seen)) == len(boxes), seen
        boxes[1].kill()
        assert [box.state for box in boxes] == [State.RUNNING, State.STOPPED, State.RUNNING, State.RUNNING]
    finally:
        for box in boxes:
            box.kill()


def test_states_that_are_told_do_not_bring_an_ending_container_back(box):
    box.start()
    for wrong in (State.STARTING, State.STOPPED, State.STOPPING, State.ABORTING):
        with pytest.raises(LxcError):
            client.set_state(box.container, wrong)
    assert box.state == State.RUNNING


def test_the_config_s_log_file_and_level_are_obeyed(make_box, tmp_path):
    box = make_box("s1", f"lxc.log.file = {tmp_path}/own.log", "lxc.log.level = DEBUG")
    hook = program(tmp_path / "hook", "echo said-by-the-hook")
    inside = program(box.root / "bin/hook", "echo said-inside")
    box.configure(
        f"lxc.log.file = {tmp_path}/own.log",
        "lxc.log.level = DEBUG",
        f"lxc.hook.pre-start = {hook}",
        f"lxc.hook.start = {inside[len(str(box.root)) :]}",
    )
    [(_container, error, _warnings, _was_up)] = runtime.start([box.container], 30)
    assert error is None
    log = (tmp_path / "own.log").read_text()
    assert "said-by-the-hook" in log and "said-inside" in log
    assert not (box.root / str(tmp_path).lstrip("/")).exists(), "the log of what runs inside is not written inside"


def test_a_long_line_of_a_failing_hook_does_not_hide_the_failure(make_box, tmp_path):
    box = make_box("s1")
    hook = program(tmp_path / "hook", "head -c 200000 /dev/zero | tr '\\0' x; echo; echo the cause", "exit 9")
    box.configure(f"lxc.hook.pre-mount = {hook}")
    error = box.fails()
    assert isinstance(error, StepError) and "status 9" in str(error) and error.log[-1] == "the cause"


def test_a_thousand_idle_connections_neither_delay_nor_stop_anybody(box, monitor, until):
    box.start()
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _number in range(1000)]
    try:
        for connection in silent:
            connection.connect(protocol.address(*box.container))
        assert client.state(box.container, timeout=5) == State.RUNNING
        assert len(os.listdir(f"/proc/{monitor}/fd")) < before + 300
        state_client = client.watch(box.container, [State.STOPPED])[0]
        assert client.state(box.container, timeout=5) == State.RUNNING
        state_client.close()
    finally:
        for connection in silent:
            connection.close()
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed them")
    spent = cpu_time(monitor)
    time.sleep(0.5)
    assert cpu_time(monitor) - spent <= 0.05, "it is idle"


def cpu_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_client_that_connected_before_the_end_is_not_kept_for_ever(box):
    box.start()
    early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early.connect(protocol.address(*box.container))
    assert box.state == State.RUNNING  # so it was accepted
    box.kill()
    early.settimeout(5)
    early.sendall(protocol.pack_request(Command.ADD_STATE_CLIENT, payload=payloads.pack_interest([State.RUNNING])))
    early.sendall(payloads.pack_interest([State.RUNNING]))
    try:
        assert early.recv(16) == b""
    except ConnectionResetError:
        pass
    early.close()
