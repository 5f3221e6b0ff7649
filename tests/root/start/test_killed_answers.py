# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor, or its keeper, is killed with a question in its hands: the next answers it (ADR 6)."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

pytestmark = pytest.mark.usefixtures("only_ours")

KILLS = 300 if os.environ.get("HOSTKIT_SOAK") == "1" else 150  # when each promotion made the stack deeper, both died by then
ASKERS = 2


class Asking(threading.Thread):
    """lxc-info -s, one after the other: whatever else than RUNNING it said, and how often it was asked."""

    def __init__(self, box) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.command = ["lxc-info", "-P", box.container.lxc_path, "-n", box.container.name, "-sH"]
        self.asked, self.others, self.over = 0, [], threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=60, check=False)
            self.asked += 1
            if done.stdout != "RUNNING\n":
                self.others.append(done.stdout.strip() or done.stderr)


def ended(pid: int) -> None:
    deadline = time.monotonic() + 20
    while process.alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def answer(link: socket.socket) -> bytes:
    """A reset is an end too, to LXC as well: whoever closed the connection had not read the question."""
    try:
        return link.recv(1)
    except ConnectionResetError:
        return b""


def kill(which: str) -> dict[str, object]:
    """At any moment; who was there before."""
    facts = runtime.ensure_monitor()
    time.sleep(random.uniform(0, 0.02))
    os.kill(facts[which], signal.SIGKILL)
    ended(facts[which])
    return facts


@pytest.mark.soak
def test_nobody_who_asks_is_lost(make_box, capsys) -> None:
    """Neither who asks meanwhile nor who comes while there is no monitor reads anything but RUNNING.

    Each monitor that is killed is followed by its keeper, whose successor starts the next without a pause.
    """
    stock.need_lxc()
    box = make_box("hands1")
    box.start()
    pid = box.pid
    asking = [Asking(box) for _number in range(ASKERS)]
    for _number in range(KILLS):
        kill("pid")
        before = kill("keeper")
        assert runtime.ensure_monitor()["keeper"] == before["pid"], "the monitor has become the keeper"
    for one in asking:
        one.over.set()
        one.join(60)
    others = [said for one in asking for said in one.others]
    with capsys.disabled():
        asked = sum(one.asked for one in asking)
        print(f"\n{KILLS} kills of the monitor and of its keeper, {asked} times lxc-info -s: {len(others)} did not say RUNNING")
    assert others == []
    assert box.pid == pid


INTEREST = payloads.pack_interest([State.STOPPED])
WATCH = protocol.pack_request(Command.ADD_STATE_CLIENT, 0, INTEREST)
# What has been said when the monitor is killed, what is said afterwards, and what is answered.
SAID: dict[str, tuple[bytes, bytes, int]] = {
    "nothing": (b"", protocol.pack_request(Command.GET_STATE), State.RUNNING),
    "half a header": (protocol.pack_request(Command.GET_STATE)[:9], protocol.pack_request(Command.GET_STATE)[9:], State.RUNNING),
    "no payload": (WATCH, INTEREST, protocol.MAX_STATE),
    "half a payload": (WATCH + INTEREST[:9], INTEREST[9:], protocol.MAX_STATE),
}


class Hands:
    """A connection that the monitor has taken in."""

    def __init__(self, box, said: bytes = b"") -> None:  # type: ignore[no-untyped-def]
        monitor = runtime.ensure_monitor()["pid"]
        time.sleep(0.05)  # by then that connection is closed
        before = connections(monitor)
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(20)
        self.link.connect(protocol.address(box.container.lxc_path, box.container.name))
        self.link.sendall(said)
        deadline = time.monotonic() + 20
        while connections(monitor) <= before:
            assert time.monotonic() < deadline, "it is let in"
            time.sleep(0.005)

    def answer(self) -> int:
        data = self.link.recv(protocol.HEADER)
        assert data, "it is answered"
        return protocol.unpack_response(data).value


def connections(pid: int) -> int:
    """How many sockets it has."""
    return sum(1 for fd in Path("/proc", str(pid), "fd").iterdir() if os.readlink(fd).startswith("socket:"))


@pytest.mark.parametrize("victims", [["pid"], ["keeper"], ["pid", "pid", "keeper", "pid"]], ids=["monitor", "keeper", "in turns"])
@pytest.mark.parametrize(("before", "afterwards", "answer"), SAID.values(), ids=SAID)
def test_who_has_said_a_part_says_the_rest_to_the_next(make_box, victims, before, afterwards, answer) -> None:
    box = make_box("hands1")
    box.start()
    hands = Hands(box, before)
    for victim in victims:
        kill(victim)
        runtime.ensure_monitor()
    hands.link.sendall(afterwards)
    assert hands.answer() == answer
    if answer != protocol.MAX_STATE:
        assert hands.link.recv(1) == b""
        return
    kill("pid")
    runtime.ensure_monitor()
    box.kill()
    assert payloads.StateMessage.unpack(hands.link.recv(512)).value == State.STOPPED


def test_parts_cost_the_next_monitor_no_time(make_box) -> None:
    """They stay in the sockets, and are not looked at again and again."""
    box = make_box("hands1")
    box.start()
    all_hands = [Hands(box, said) for said, _afterwards, _answer in SAID.values()]
    kill("pid")
    facts = runtime.ensure_monitor()

    def ticks() -> int:
        return sum(map(int, process._stat(facts["pid"])[11:13]))

    before = ticks()
    time.sleep(1)
    assert ticks() - before < os.sysconf("SC_CLK_TCK") // 5
    assert len(all_hands) == len(SAID)


def test_a_stop_that_no_monitor_has_heard_is_done_by_the_next(make_box) -> None:
    """The whole request is in the hands of one that is killed before it can look at it."""
    box = make_box("hands1")
    box.start()
    pid = box.pid
    hands = Hands(box)
    facts = runtime.ensure_monitor()
    os.kill(facts["pid"], signal.SIGSTOP)
    hands.link.sendall(protocol.pack_request(Command.STOP))
    os.kill(facts["pid"], signal.SIGKILL)
    assert answer(hands.link) == b"", "which is the answer"
    assert not process.alive(pid) and box.state == State.STOPPED
    box.start()
    assert box.state == State.RUNNING


@pytest.mark.soak
def test_a_stop_in_the_middle_of_which_the_monitor_dies_is_done_and_done_once(make_box, until) -> None:
    """Whatever of it was done: it is down at once, also where only that monitor had been told how, and what is started then is not stopped.

    Each monitor that is killed is followed by its keeper, as above.
    """
    box = make_box("hands1")
    for _number in range(KILLS // 10):
        box.start()
        pid, facts = box.pid, runtime.ensure_monitor()
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(8)
            link.connect(protocol.address(box.container.lxc_path, box.container.name))
            link.sendall(protocol.pack_request(Command.STOP))
            time.sleep(random.uniform(0, 0.003))
            os.kill(facts["pid"], signal.SIGKILL)
            assert answer(link) == b"", "which is the answer"
        until(lambda pid=pid: not process.alive(pid), "it was stopped")
        until(lambda: box.state == State.STOPPED, "and is down")
        box.start()
        again = box.pid
        kill("keeper")
        runtime.ensure_monitor()
        assert box.pid == again != pid and box.state == State.RUNNING
        box.kill()
