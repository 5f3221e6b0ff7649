# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for on a container that becomes ready, or ends, while it is waited for: an event wakes, for the pauses never come to their end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError, StepError, TimedOut
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, freeze, ledger
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import conditions, observe, passing, wait
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
from patience import SECONDS, until

HUGE = 600.0
INIT = """#!/bin/sh
trap 'exit 0' PWR
trap '/bin/reboot -f' USR1
[ -e /booted ] && mkdir -p /run/again && echo > /run/again/ready
echo > /booted
while :; do sleep 3600 & wait $!; done
"""


class Waiting:
    """wait_for in a thread; `asleep` is set when it has looked in vain and is about to wait for an event."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("_SHORTEST", "_LONGEST", "_TOLD"):
            monkeypatch.setattr(wait, name, HUGE)
        self.asleep = threading.Event()
        self.error: LxcError | None = None
        poll = wait.Events._poll

        def told(events: wait.Events, limit: float) -> set[int]:
            self.asleep.set()
            return poll(events, limit)

        monkeypatch.setattr(wait.Events, "_poll", told)

    def begin(self, container, *wanted: str) -> None:  # type: ignore[no-untyped-def]
        self.container = container
        self.thread = threading.Thread(target=self._run, args=(wanted,), daemon=True)
        self.thread.start()
        self.sleeps()

    def _run(self, wanted: tuple[str, ...]) -> None:
        try:
            wait.wait(self.container, wanted, HUGE)
        except LxcError as error:
            self.error = error

    def sleeps(self) -> None:
        """It has looked, and waits."""
        assert self.asleep.wait(SECONDS)
        self.asleep.clear()

    def ends(self) -> None:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "nothing has woken it"


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    return Waiting(monkeypatch)


def inside(container, script: str) -> str:  # type: ignore[no-untyped-def]
    result = attach.attach(container, attach.AttachRequest(["/bin/sh", "-ec", script]))
    assert result.rc == 0, result.stderr
    return result.stdout.decode()


def outside(container, script: str) -> None:  # type: ignore[no-untyped-def]
    """In its network, by the host's programs: busybox makes no pairs."""
    command = ["nsenter", "--net", "--target", str(client.init_pid(container)), "sh", "-ec", script]
    subprocess.run(command, check=True, timeout=60)


LINK = "ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up"
# What is waited for, what is done before, and what makes it true.
BECOMES = {
    "an address": ("ipv4", LINK, "ip addr add 10.1.1.1/24 dev v0"),
    "an address that has to be checked first": ("ipv6", LINK, "ip addr add fd01::1/64 dev v0"),
    "a file": ("path:/tmp/there", "", "echo > /tmp/there"),
    "a directory": ("path:/tmp/there/", "", "mkdir /tmp/there"),
    "a file that is moved to its place": ("path:/tmp/there", "echo > /tmp/part", "mv /tmp/part /tmp/there"),
    "a file below what is not there yet": ("path:/tmp/a/b/c", "", "mkdir /tmp/a; sleep 0.1; mkdir /tmp/a/b; sleep 0.1; echo > /tmp/a/b/c"),
    "a file in a directory that is moved": ("path:/tmp/a/b/c", "mkdir -p /tmp/x/b; echo > /tmp/x/b/c", "mv /tmp/x /tmp/a"),
    "a file in what is mounted": ("path:/mnt/x", "mkdir /mnt /tmp/src; echo > /tmp/src/x", "mount --bind /tmp/src /mnt"),
    "a file behind a link": ("path:/link/x", "mkdir /tmp/real; ln -s /tmp/real /link", "echo > /tmp/real/x"),
    "a file in a filesystem of its own": ("path:/mnt/x", "mkdir /mnt; mount -t tmpfs none /mnt", "echo > /mnt/x"),
}


@pytest.mark.parametrize("what", BECOMES)
def test_it_wakes_when_it_becomes_true(containers, waiting: Waiting, what: str) -> None:
    condition, before, act = BECOMES[what]
    run = outside if condition.startswith("ip") else inside
    container = containers.start(init=INIT)
    run(container, before)
    waiting.begin(container, condition)
    run(container, act)
    waiting.ends()
    assert waiting.error is None


@pytest.mark.parametrize("by", ["us", "lxc-unfreeze"])
def test_it_wakes_when_it_is_thawed(containers, waiting: Waiting, by: str) -> None:
    container = containers.start(init=INIT)
    freeze.freeze(container)
    waiting.begin(container, "running")
    if by == "us":
        freeze.thaw(container)
    else:
        subprocess.run(["lxc-unfreeze", "-P", container.lxc_path, "-n", container.name], check=True, timeout=60)
    waiting.ends()
    assert waiting.error is None


@pytest.mark.parametrize("condition", ["ipv4", "ipv6", "path:/tmp/there", "port:4711", "systemd"])
def test_it_wakes_when_the_container_ends(containers, waiting: Waiting, condition: str) -> None:
    container = containers.start(init=INIT)
    waiting.begin(container, "running", condition)
    client.stop(container, 30)
    waiting.ends()
    assert isinstance(waiting.error, StepError) and "the container has stopped" in waiting.error.message


def test_a_slow_hook_does_not_keep_it(containers, waiting: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container has stopped when nobody answers for it any more, which no event tells before its post-stop hook has ended."""
    hook, pid = tmp_path / "hook", tmp_path / "pid"
    hook.write_text(f"#!/bin/sh\necho $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 60\n")
    hook.chmod(0o755)
    container = containers.start(f"lxc.hook.post-stop = {hook}", init=INIT)
    waiting.begin(container, "path:/tmp/there")
    monkeypatch.setattr(wait, "_SHORTEST", 0.02)
    os.kill(client.init_pid(container), signal.SIGKILL)
    until(pid.exists, "the hook runs")
    waiting.ends()
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert waiting.error is not None and "the container has stopped" in waiting.error.message


def test_a_reboot_is_waited_through(containers, waiting: Waiting) -> None:
    """What is watched belongs to the old init; the new one makes the path."""
    container = containers.start(init=INIT)
    waiting.begin(container, "path:/run/again/ready")
    inside(container, "kill -USR1 1")
    waiting.ends()
    assert waiting.error is None


def being_started(tmp_path: Path) -> tuple[stock.Containers, Path, threading.Thread]:
    """One that is STARTING until the file is there."""
    hook, gate = tmp_path / "hook", tmp_path / "open"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/reached; while [ ! -e {gate} ]; do sleep 0.02; done\n")
    hook.chmod(0o755)
    containers = stock.Containers(tmp_path, "ours")

    def start() -> None:
        with contextlib.suppress(LxcError):
            containers.start(f"lxc.hook.pre-start = {hook}", init=INIT)

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    until((tmp_path / "reached").exists, "it is being started")
    return containers, gate, starting


def test_a_start_by_somebody_else_is_waited_for(waiting: Waiting, tmp_path: Path) -> None:
    """From STARTING on, where there is no init yet. LXC's monitor answers nobody then, and is asked again."""
    containers, gate, starting = being_started(tmp_path)
    try:
        waiting.begin(containers.made[0], "running")
        gate.touch()
        waiting.ends()
        starting.join(20)
        assert waiting.error is None
    finally:
        containers.clean()


def test_a_monitor_that_does_not_answer_is_asked_again(containers, monkeypatch: pytest.MonkeyPatch) -> None:
    container = containers.start(init=INIT)
    silent = [TimedOut("GET_STATE was not answered")]
    state = query.state
    monkeypatch.setattr(query, "state", lambda one: raising(silent.pop()) if silent else state(one))
    wait.wait(container, ["running"], 20)
    assert not silent


def raising(error: Exception) -> None:
    raise error


# What is-system-running is to systemctl; it waits for the file that says that the boot is over, and writes down that it was asked.
SYSTEMCTL = """#!/bin/sh
echo "$@" >> /asked
[ "$2" != --wait ] || while [ ! -e /up ]; do sleep 0.05; done
if [ -e /up ]; then cat /up; else echo starting; fi
"""


def with_systemctl(containers):  # type: ignore[no-untyped-def]
    container = containers.start(init=INIT)
    Path(container.rootfs, "bin/systemctl").write_text(SYSTEMCTL)
    Path(container.rootfs, "bin/systemctl").chmod(0o755)
    return container


@pytest.mark.parametrize("word", ["running", "degraded"])
def test_systemd_is_asked_once_when_it_can_be(containers, waiting: Waiting, word: str) -> None:
    container = with_systemctl(containers)
    waiting.begin(container, "systemd")
    asked = Path(container.rootfs, "asked")
    assert not asked.exists(), "nothing to ask yet"
    inside(container, "mkdir -p /run/systemd; echo > /run/systemd/private")
    until(asked.exists, "it is asked")
    inside(container, f"echo {word} > /up")
    waiting.ends()
    assert waiting.error is None and asked.read_text() == "is-system-running --wait\n"


def test_a_systemd_that_is_not_up_in_time(containers) -> None:
    container = with_systemctl(containers)
    with pytest.raises(wait.WaitTimedOut, match=r"its systemd cannot be asked yet.*/run/systemd/private: No such file"):
        wait.wait(container, ["systemd"], 0.1)
    inside(container, "mkdir -p /run/systemd; echo > /run/systemd/private")
    with pytest.raises(wait.WaitTimedOut, match="systemctl is-system-running says starting"):
        wait.wait(container, ["systemd"], 0.5)
    inside(container, "! pgrep -f -- --wait")
    inside(container, "rm /bin/systemctl")
    with pytest.raises(wait.WaitTimedOut, match="systemctl is-system-running says nothing"):
        wait.wait(container, ["systemd"], 0.1)


def test_a_port_is_found_when_it_listens(containers) -> None:
    container = containers.start(init=INIT)
    waiting = threading.Thread(target=wait.wait, args=(container, ["port:4711"], 30), daemon=True)
    waiting.start()
    inside(container, "ip link set lo up; nc -l -p 4711 >/dev/null 2>&1 </dev/null &")
    waiting.join(20)
    assert not waiting.is_alive()


@pytest.mark.parametrize(
    ("condition", "noise"),
    [
        ("path:/tmp/never", "while :; do echo > /tmp/x; rm /tmp/x; done"),
        ("path:/tmp/never", "mkdir /mnt; while :; do mount -t tmpfs none /mnt; umount /mnt; done"),
        ("ipv4", f"{LINK}; while :; do ip addr add fd01::1/64 dev v0; ip addr del fd01::1/64 dev v0; done"),
    ],
    ids=["files", "mounts", "addresses"],
)
def test_a_container_that_makes_events_without_end_costs_little(containers, monkeypatch: pytest.MonkeyPatch, condition, noise) -> None:
    container = containers.start(init=INIT)
    looks: list[str] = []
    kind = conditions.Path if condition.startswith("path") else conditions.Address
    seen: Callable[..., str] = kind.seen
    monkeypatch.setattr(kind, "seen", lambda self, end: looks.append(seen(self, end)) or looks[-1])
    run = outside if condition.startswith("ip") else inside
    if run is outside:  # nobody ends what is not in the container's pid namespace
        noise = noise.replace("while :", f"while [ -d /proc/{client.init_pid(container)} ]")
    run(container, f"({noise}) >/dev/null 2>&1 </dev/null &")
    with pytest.raises(wait.WaitTimedOut):
        wait.wait(container, [condition], 1)
    assert 5 < len(looks) <= 1 / wait._BREATH + 2


def test_a_link_leads_nowhere_out_of_the_container(containers, tmp_path: Path) -> None:
    """Neither what is watched nor what is found."""
    (tmp_path / "host").mkdir()
    container = containers.start(init=INIT)
    inside(container, f"ln -s {tmp_path}/host /link; ln -s /proc/1/root{tmp_path}/host /magic")
    (tmp_path / "host/x").write_text("")
    for path in ("/link/x", "/magic/x"):
        with pytest.raises(wait.WaitTimedOut, match=r"No such file|Too many levels"):
            wait.wait(container, [f"path:{path}"], 0.1)


@pytest.mark.parametrize("comes_to", [State.RUNNING, State.STOPPED])
def test_how_a_start_by_somebody_else_ends_is_waited_for(
    end_of_monitor: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_to: State
) -> None:
    """What a task looks at before it plans. Its pauses, too, do not come to their end."""
    monkeypatch.setattr(passing, "_LOOK", HUGE)
    containers, gate, starting = being_started(tmp_path)
    one = containers.made[0]
    seen: list[State] = []
    looking = threading.Thread(target=lambda: seen.append(observe.settled_state(one)), daemon=True)
    looking.start()
    until(lambda: any("states" in entry for entry in (ledger.read(ledger.key_of(one)) or {}).get("clients", [])), "it listens")
    gate.touch() if comes_to is State.RUNNING else client.stop(one, 30)
    looking.join(20)
    containers.clean()
    starting.join(20)
    assert seen == [comes_to]
