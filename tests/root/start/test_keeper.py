# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor, its keeper, or both are killed under running containers: nobody notices but the log."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy, freeze, ledger, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, host, presence, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State

pytestmark = pytest.mark.usefixtures("only_ours")

MANY = 50 if os.environ.get("HOSTKIT_SOAK") == "1" else 8
# A counter that goes on, somebody who writes to the console and notes when that fails, and a shell on a terminal.
BUSY = """
trap '/bin/reboot -f' USR1
while :; do echo x >> /tmp/count; echo tick > /dev/console || echo x >> /tmp/hung-up; sleep 0.05; done &
while :; do sh < /dev/tty1 > /dev/tty1 2>&1; sleep 0.2; done &
[ -e /tmp/booted ] && touch /tmp/again; touch /tmp/booted
"""


def processes() -> dict[str, int]:
    facts = runtime.ensure_monitor()
    return {"monitor": int(facts["pid"]), "keeper": int(facts["keeper"])}


def kill(which: str) -> None:
    """By SIGKILL, and wait until it is gone."""
    pid = processes()[which]
    os.kill(pid, signal.SIGKILL)
    await_end(pid)


def await_end(*pids: int) -> None:
    deadline = time.monotonic() + 20
    while any(process.alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Asking(threading.Thread):
    """Everybody's state again and again, by the socket that stock tools use, and by one of them."""

    def __init__(self, boxes) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.boxes, self.seen, self.asked, self.over = boxes, set(), 0, threading.Event()
        self.start()

    def run(self) -> None:
        info = shutil.which("lxc-info")
        while not self.over.is_set():
            for box in self.boxes:
                self.seen.add(query.state(box.container).name)
                self.asked += 1
            if info:
                command = [info, "-P", box.container.lxc_path, "-n", box.container.name, "-sH"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
                self.seen.add(done.stdout.strip() or done.stderr)

    def __enter__(self):  # type: ignore[no-untyped-def]
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.join(60)


class Fleet:
    """Some busy containers, and what must stay as it is."""

    def __init__(self, boxes, until) -> None:  # type: ignore[no-untyped-def]
        self.boxes, self.until = boxes, until
        for _container, error, _warnings, _was_up in runtime.start([box.container for box in boxes], 60):
            assert error is None, error
        self.inits = self.look()

    def look(self) -> list[tuple[int, int]]:
        return [(box.pid, process.start_time(box.pid)) for box in self.boxes]

    def counts(self) -> list[int]:
        return [path.stat().st_size if (path := box.root / "tmp/count").exists() else 0 for box in self.boxes]

    def goes_on(self) -> None:
        assert self.look() == self.inits
        before = self.counts()
        self.until(lambda: all(now > then for now, then in zip(self.counts(), before)), "every counter goes on")
        assert not [box for box in self.boxes if (box.root / "tmp/hung-up").exists()], "nobody's console was hung up"


@pytest.fixture
def fleet(make_box, until) -> Fleet:  # type: ignore[no-untyped-def]
    boxes = [make_box(f"k{number}", "lxc.tty.max = 1", "lxc.mount.auto = proc") for number in range(MANY)]
    for box in boxes:
        box.init(BUSY)
        shutil.copy(shutil.which("true") or "/bin/true", box.root / "tmp/true")
    return Fleet(boxes, until)


@pytest.fixture(params=[["monitor"], ["keeper"], ["monitor", "monitor", "keeper", "monitor"]], ids=["monitor", "keeper", "in turns"])
def killed(request: pytest.FixtureRequest) -> list[str]:
    """Who is killed, one after the other."""
    return list(request.param)


def test_nobody_reads_stopped_and_all_goes_on(fleet, killed):
    with Asking(fleet.boxes) as asking:
        for which in killed:
            before = asking.asked
            kill(which)
            fleet.goes_on()
            fleet.until(lambda before=before: asking.asked > before + 2 * MANY, "everybody was asked again")
    assert asking.seen == {"RUNNING"}
    assert processes()["keeper"] != processes()["monitor"]


def test_each_can_be_frozen_stopped_and_started_again_afterwards(fleet, killed, until):
    for which in killed:
        kill(which)
    for number, box in enumerate(fleet.boxes):
        freeze.freeze(box.container, 20)
        assert box.state == State.FROZEN
        freeze.thaw(box.container, 20)
        assert stop.stop(box.container, 20 if number % 2 else 0).how == ("signal" if number % 2 else "killed")
        assert box.state == State.STOPPED
    for box, (pid, _started) in zip(fleet.boxes, fleet.inits):
        box.start()
        assert box.pid != pid
    for box in fleet.boxes:
        box.kill()
    until(lambda: not os.listdir(paths.LEDGER), "nothing is remembered of what has ended")


@pytest.mark.parametrize("which", ["monitor", "keeper"])
def test_a_reboot_from_within_is_still_a_reboot(fleet, which, until):
    """Only the wait status tells it from a poweroff: it must reach whoever is the monitor by then."""
    kill(which)
    for box in fleet.boxes:
        os.kill(box.pid, signal.SIGUSR1)
    until(lambda: all((box.root / "tmp/again").exists() for box in fleet.boxes), "each booted a second time", 40)
    until(lambda: {box.state for box in fleet.boxes} == {State.RUNNING}, "each runs")
    assert not {pid for pid, _started in fleet.look()} & {pid for pid, _started in fleet.inits}


def test_a_reboot_that_nobody_can_tell_is_a_stop_and_said_to_be_unknown(make_box, until):
    box = make_box("k1")
    box.init(BUSY)
    box.start()
    kill("monitor")
    kill("keeper")
    os.kill(box.pid, signal.SIGUSR1)
    until(lambda: box.state == State.STOPPED, "it is down")
    assert "The init of k1 has ended; how is not known" in Path(paths.MONITOR_LOG).read_text()


def test_the_console_and_its_log_go_on(make_box, tmp_path, killed, until):
    log = tmp_path / "console.log"
    box = make_box("k1", f"lxc.console.logfile = {log}", "lxc.console.buffer.size = 64KB")
    box.init("while :; do echo tick > /dev/console || touch /tmp/hung-up; sleep 0.02; done &")
    box.start()
    until(lambda: log.exists() and log.stat().st_size > 100, "the console is logged")
    for which in killed:
        kill(which)
        size = log.stat().st_size
        until(lambda size=size: log.stat().st_size > size + 50, "the console is logged on")
    assert not (box.root / "tmp/hung-up").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_lxc_console_works_on(make_box, killed, until, number):
    box = make_box("k1", "lxc.tty.max = 1")
    place = "/dev/console" if number == 0 else "/dev/tty1"
    box.init(f"while :; do /bin/sh < {place} > {place} 2>&1; sleep 0.1; done &")
    box.start()
    with Terminal(f"lxc-console -P {box.container.lxc_path} -n k1 -t {number}") as terminal:
        for turn, which in enumerate(["", *killed]):
            if which:
                kill(which)
            name = f"tmp/typed{turn}"
            until(lambda name=name: terminal.types(f"touch /{name}") or (box.root / name).exists(), f"typing after the death of {which}")
        assert terminal.leaves() == 0


class Terminal:
    """A program with a terminal of its own, by script(1)."""

    def __init__(self, command: str) -> None:
        script = shutil.which("script")
        assert script and shutil.which("lxc-console"), "script(1) and lxc-console are wanted"
        self.process = subprocess.Popen([script, "-qec", command, "/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = b""
        while b"to exit the console" not in said:
            chunk = os.read(self._fd(), 4096)
            assert chunk, said
            said += chunk

    def _fd(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def types(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"\r\n{line}\r\n".encode())
        self.process.stdin.flush()
        time.sleep(0.2)

    def leaves(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\x01q")
        self.process.stdin.flush()
        self.process.communicate(timeout=10)
        return int(self.process.returncode)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def test_who_waits_for_a_state_goes_on_waiting(make_box, killed, until):
    """lxc-wait keeps its connection; its end would be taken for the container's."""
    box = make_box("k1")
    box.start()
    command = ["lxc-wait", "-P", box.container.lxc_path, "-n", "k1", "-s", "STOPPED", "-t", "60"]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    link, _state = client.watch(box.container, [State.STOPPED])
    until(lambda: len(clients_of(box)) >= 2, "both are known to wait")
    for which in killed:
        kill(which)
        assert processes()
    assert waiting.poll() is None
    box.kill()
    assert waiting.wait(20) == 0
    with link:
        link.settimeout(20)
        assert link.recv(512), "the state, and not only the end of the connection"


def clients_of(box):  # type: ignore[no-untyped-def]
    return (ledger.read(ledger.key_of(box.container)) or {}).get("clients", [])


def test_a_tty_is_still_its_owner_s(make_box, killed):
    """Nothing in the container has it open, and nothing hangs up on its owner."""
    box = make_box("k1", "lxc.tty.max = 1")
    box.start()
    link, tty_fd, _number = client.tty_fd(box.container, 1)
    reading = threading.Thread(target=read_to_the_end, args=(tty_fd,))
    reading.start()
    for which in killed:
        kill(which)
        with pytest.raises(client.Refused):
            client.tty_fd(box.container, 1)
    assert reading.is_alive()
    link.close()
    reading.join(20)
    assert not reading.is_alive()
    os.close(tty_fd)
    deadline = time.monotonic() + 20
    while True:  # the end of the connection frees it
        try:
            link, tty_fd, _number = client.tty_fd(box.container, 1)
            break
        except client.Refused:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    link.close()
    os.close(tty_fd)


def read_to_the_end(fd: int) -> None:
    try:
        os.read(fd, 1)
    except OSError:  # hung up
        return


def test_a_start_under_way_is_begun_again(make_box, tmp_path, killed, until):
    """Who asked for it hears that the connection ended, and asks the next monitor."""
    box = make_box("k1")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\n[ -e {tmp_path}/ready ] && exit 0\ntouch {tmp_path}/ready\nexec sleep 600\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.start-host = {hook}")
    result: list[object] = []

    def start() -> None:
        try:
            result.append(box.start(60))
        except LxcError as error:
            result.append(error)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    until((tmp_path / "ready").exists, "the hook runs")
    init = client.init_pid(box.container)
    for which in killed:
        kill(which)
    if killed == ["keeper"]:
        assert box.state == State.STARTING, "its launcher works on"
        box.kill()
        thread.join(30)
        assert "stopped while it started" in str(result)
        return
    thread.join(60)
    assert result == [[]], "it was started, without a warning"
    assert box.state == State.RUNNING and box.pid != init
    until(lambda: not process.alive(init), "the first init is gone")


def test_an_end_under_way_comes_to_its_end(make_box, tmp_path, killed, until):
    box = make_box("k1")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho x >> {tmp_path}/times\nsleep 0.7\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.stop = {hook}")
    box.start()
    os.kill(box.pid, signal.SIGKILL)
    until((tmp_path / "times").exists, "it is on its way down")
    for which in killed:
        kill(which)
        assert box.state in (State.STOPPING, State.STOPPED)
    until(lambda: box.state == State.STOPPED and not os.listdir(paths.LEDGER), "it is down, and forgotten")
    assert (tmp_path / "times").read_text() == "x\n"
    box.start()


def test_both_at_once_and_the_next_task_adopts(fleet, until):
    kill_both()
    with pytest.raises(NotRunning):
        client.init_pid(fleet.boxes[0].container)
    assert presence.orphaned()
    before = fleet.counts()
    until(lambda: all(now > then for now, then in zip(fleet.counts(), before)), "every counter goes on")
    assert processes() and not presence.orphaned()
    assert fleet.look() == fleet.inits
    assert {box.state for box in fleet.boxes} == {State.RUNNING}
    for box in fleet.boxes:
        pidfd = os.pidfd_open(box.pid)
        assert (ledger.read(ledger.key_of(box.container)) or {})["inode"] == process.pidfd_inode(pidfd), "it is known by that too"
        os.close(pidfd)
    first = fleet.boxes[0]
    assert stop.stop(first.container, 20).how == "signal"
    first.start()
    for box in fleet.boxes:
        box.kill()
    until(lambda: not os.listdir(paths.LEDGER), "nothing is remembered of what has ended")


def kill_both() -> None:
    pids = processes()
    for name in ("keeper", "monitor"):  # in this order: the monitor has no time to become the keeper
        os.kill(pids[name], signal.SIGSTOP)
    for name in ("keeper", "monitor"):
        os.kill(pids[name], signal.SIGKILL)
    await_end(*pids.values())


def test_while_nobody_answers_a_container_is_not_removed(make_box):
    box = make_box("k1")
    box.start()
    pid = box.pid
    kill_both()
    with pytest.raises(LxcError, match=f"still runs as process {pid}"):
        destroy.destroy(box.container)
    assert box.root.is_dir()
    box.start()  # brings up a monitor, which finds it running
    assert box.pid == pid


def test_what_was_left_under_way_by_both_is_cleaned_up(make_box, tmp_path, until):
    """A start that nobody hears of any more is given up; what was going down goes down."""
    starting, ending = make_box("left1"), make_box("left2")
    for box, kind, pause in ((starting, "start-host", 600), (ending, "stop", 0.5)):
        hook = tmp_path / f"hook-{kind}"
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/{kind}\nexec sleep {pause}\n")
        hook.chmod(0o755)
        box.configure(f"lxc.hook.{kind} = {hook}")
    ending.start()
    os.kill(ending.pid, signal.SIGKILL)
    thread = threading.Thread(target=lambda: runtime.start([starting.container], 60), daemon=True)
    thread.start()
    until(lambda: (tmp_path / "start-host").exists() and (tmp_path / "stop").exists(), "both are on their way")
    init = client.init_pid(starting.container)
    until(lambda: (ledger.read(ledger.key_of(starting.container)) or {}).get("cgroups"), "the monitor has heard of its cgroups")
    (tmp_path / "hook-start-host").write_text("#!/bin/sh\nexit 0\n")
    kill_both()
    assert processes()
    until(lambda: not process.alive(init), "the init of a start that was given up is gone")
    thread.join(60)
    until(lambda: ending.state == State.STOPPED, "it is down")
    starting.kill()
    until(lambda: not os.listdir(paths.LEDGER), "nothing is left of either")
    found = [base for base, _names, _files in os.walk("/sys/fs/cgroup") if "lxc.payload.left" in os.path.basename(base)]
    assert found == []


def test_a_launcher_that_nobody_hears_takes_its_cgroups_along(make_box, tmp_path, until):
    """It makes them when both are dead already."""
    box = make_box("unheard")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho $PPID > {tmp_path}/launcher\nwhile ! [ -e {tmp_path}/go ]; do sleep 0.02; done\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.pre-start = {hook}")

    def ask() -> None:
        with contextlib.suppress(LxcError):  # not by `runtime.start`, which would bring up another monitor
            host.request("start", {"containers": [list(box.container)]}, 60)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: (tmp_path / "launcher").exists() and (tmp_path / "launcher").read_text().strip(), "the launcher runs")
    launcher = int((tmp_path / "launcher").read_text())
    kill_both()
    (tmp_path / "go").touch()
    until(lambda: not process.alive(launcher), "the launcher has ended")
    thread.join(60)
    assert [base for base, _names, _files in os.walk("/sys/fs/cgroup") if "lxc.payload.unheard" in base] == []
