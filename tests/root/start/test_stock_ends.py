# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop, kill and reboot by Debian's lxc tools, and who is told what: the same whoever started the container."""

from __future__ import annotations

import itertools
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import connection, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
from parity import DEAF_INIT, Both, Side
from patience import until

# What is asked of one that is stopped, with the status that the stock one has.
STOPPED = {
    "info -sH": 0,
    "info": 0,
    "info -s -p -i -S": 0,
    "ls -f": 0,
    "ls --stopped": 0,
    "ls --active": 0,
    "stop": 2,
    "stop -k": 2,
    "freeze": 1,
    "unfreeze": 0,
    "attach -- /bin/true": 1,
    "cgroup memory.limit_in_bytes": 1,
    "device add /dev/full": 1,
    "wait -s STOPPED": 0,
    "wait -s RUNNING -t 1": 1,
    "console -t 1": 1,
    "autostart -L -a": 0,
}
TOLD = {"STOPPED": 0, "STOPPING": 0, "ABORTING": 1, "STARTING": 1}


def waits_for(side: Side, begun: dict[str, subprocess.Popen[bytes]]) -> dict[str, int]:
    return {state: side.end(f"wait -s {state}", process).status for state, process in begun.items()}


def stopped(side: Side) -> bool:
    return side.state == State.STOPPED


@pytest.mark.parametrize(
    "command",
    [
        "stop",
        "stop -t 10",
        "stop -t 0",
        "stop -W",
        "stop -k",
        "stop -k -W",
        "stop -k --nolock",
        "stop --nokill",
        "stop --nokill -t 10",
        "autostart -a -s -t 10",
        "autostart -a -k",
    ],
)
def test_it_is_stopped_and_whoever_waits_is_told(both: Both, command: str) -> None:
    def scene(side: Side) -> None:
        begun = side.waiters(*TOLD)
        assert side.run(command).status == 0
        until(lambda: stopped(side), "it is stopped")
        assert waits_for(side, begun) == TOLD

    both(scene)


def test_what_is_said_of_one_that_has_stopped(both: Both) -> None:
    def scene(side: Side) -> None:
        assert side.run("stop").status == 0
        for command, status in STOPPED.items():
            assert side.run(command).status == status, side.said[-1]

    both(scene)


@pytest.mark.parametrize(("command", "status", "state"), [("stop -t 1", 0, "STOPPED"), ("stop --nokill -t 1", 1, "RUNNING")])
def test_one_that_does_not_listen(both: Both, command: str, status: int, state: str) -> None:
    def scene(side: Side) -> None:
        assert side.run(command).status == status
        assert side.run("info -sH").output == f"{state}\n"

    both(scene, (), DEAF_INIT)


@pytest.mark.parametrize("command", ["stop", "stop -k"])
def test_lxc_stop_waits_for_the_post_stop_hook(both: Both, tmp_path: Path, command: str) -> None:
    hook, done = tmp_path / "hook", tmp_path / "done"
    hook.write_text(f"#!/bin/sh\nsleep 0.5\ntouch {done}\n")
    hook.chmod(0o755)

    def scene(side: Side) -> None:
        done.unlink(missing_ok=True)
        begun = side.waiters("STOPPED")
        assert side.run(command).status == 0
        assert done.exists()
        assert waits_for(side, begun) == {"STOPPED": 0}

    both(scene, [f"lxc.hook.post-stop = {hook}"])


@pytest.mark.parametrize("command", ["stop -k", "stop -t 1"])
def test_a_frozen_one_is_stopped(both: Both, command: str) -> None:
    def scene(side: Side) -> None:
        assert side.run("freeze").status == 0
        assert side.run(command).status == 0
        assert side.run("info -sH").output == "STOPPED\n"

    both(scene)


def rebooted(side: Side, command: str) -> None:
    first = side.pid
    side.ready.unlink()
    assert side.run(command).status == 0
    until(lambda: side.pid not in (0, first) and side.state == State.RUNNING and side.ready.exists(), "it runs again")


@pytest.mark.parametrize("command", ["stop -r", "stop -r -t 10", "stop -r -W", "autostart -a -r", "attach -- /bin/kill -INT 1"])
def test_a_reboot_is_an_end_for_whoever_waits(both: Both, command: str) -> None:
    def scene(side: Side) -> None:
        begun = side.waiters(*TOLD)
        rebooted(side, command)
        assert waits_for(side, begun) == TOLD
        for next_command in ("info -sH", "ls -f", "attach -- /bin/hostname", "info -S", "freeze", "unfreeze"):
            assert side.run(next_command).status == 0

    both(scene)


# Who waits for what, as the eight numbers of ADD_STATE_CLIENT: 1 until it is told, 2 over a reboot too.
INTERESTS = {
    "stopped": (1, 0, 0, 0, 0, 0, 0, 0),
    "starting": (0, 1, 0, 0, 0, 0, 0, 0),
    "running over a reboot": (0, 0, 2, 0, 0, 0, 0, 0),
    "stopped, and running over a reboot": (1, 0, 2, 0, 0, 0, 0, 0),
    "stopping": (0, 0, 0, 1, 0, 0, 0, 0),
    "stopping, and running over a reboot": (0, 0, 2, 1, 0, 0, 0, 0),
    "aborting": (0, 0, 0, 0, 1, 0, 0, 0),
    "nothing": (0, 0, 0, 0, 0, 0, 0, 0),
    "everything over a reboot": (2, 2, 2, 2, 2, 2, 2, 2),
}


@pytest.mark.parametrize("end", [lambda side: rebooted(side, "stop -r"), lambda side: side.run("stop -k")], ids=["reboot", "end"])
def test_each_state_client_gets_the_same_messages(both: Both, end: Callable[[Side], object]) -> None:
    """At the end ours says STOPPED to who waits for it, where LXC only ends the connection: so would a monitor that dies."""

    def scene(side: Side) -> None:
        links = {what: interested(side, numbers) for what, numbers in INTERESTS.items()}
        end(side)
        for what, link in links.items():
            told = rest_of(link)
            side.said.append((what, told[:-1] if told[-1:] == [State.STOPPED] and stopped(side) else told))

    assert ("everything over a reboot", [State.STOPPING]) in both(scene)


def interested(side: Side, numbers: tuple[int, ...]) -> socket.socket:
    """A connection that waits."""
    link = connection.connect(protocol.address(*side.container), connection.Deadline(20))
    payload = b"".join(number.to_bytes(4, "little") for number in numbers)
    link.sendmsg([protocol.pack_request(10, 0, payload)], [connection.credentials()])
    link.sendall(payload)
    assert protocol.unpack_response(link.recv(protocol.HEADER, socket.MSG_WAITALL)).ret == protocol.MAX_STATE
    return link


def rest_of(link: socket.socket) -> list[State]:
    """The states that are told until the connection ends; that it does is the point, too."""
    told = []
    with link:
        while data := link.recv(payloads.STATE_MESSAGE_SIZE, socket.MSG_WAITALL):
            told.append(State(payloads.StateMessage.unpack(data).value))
    return told


def test_lxc_monitor_shows_the_same_life(both: Both) -> None:
    """That 5.0.2 tells of a failed start twice is nobody's need."""

    def scene(side: Side) -> None:
        side.stop()
        watching = side.begin("monitor")
        until(lambda: f"/{side.container.lxc_path.lstrip('/')}" in monitord_clients(), "lxc-monitord has its client")
        side.start()
        assert side.run("freeze").status == side.run("unfreeze").status == 0
        rebooted(side, "stop -r")
        side.run("stop -k")
        until(lambda: stopped(side), "it is stopped")
        config = Path(side.container.config)
        config.write_text(config.read_text() + "lxc.hook.pre-start = /bin/false\n")
        with pytest.raises((AssertionError, LxcError)):
            side.start()
        subprocess.run([*side.argv("monitor"), "-Q"], check=True, timeout=20)
        output = watching.communicate(timeout=20)[0].decode()
        side.said.append(re.sub(r"(?m)^(.*ABORTING.*\n)\1+", r"\1", output))

    said = both(scene)
    told = [line.split("[")[1].rstrip("]") for line in str(said[-1]).splitlines() if "changed state" in line]
    shown = [state for state, _each in itertools.groupby(told)]
    life = "STARTING RUNNING FREEZING FROZEN THAWED RUNNING STOPPING STOPPED STARTING RUNNING STOPPING STOPPED"
    assert shown == [*life.split(), "STARTING", "ABORTING", "STOPPING", "STOPPED"]
    assert str(said[-1]).count("exited with status") == 2


def monitord_clients() -> str:
    """The names of connected abstract sockets below lxc/."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return " ".join(row[-1] for row in rows if row[-1].startswith("@lxc/") and row[5] == "03")
