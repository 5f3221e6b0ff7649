# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container floods, one hook sleeps, clients say nothing or never read: everybody else is answered. How fast, the bench prints."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

RING = 1 << 20  # more than a socket holds
IDLE = 5
LINE = "0123456789012345678901234567890123456789012345678901234567890123456789"
# Each as a command with its payload: what has a long answer, what waits, what keeps a place, and half a request.
ASKED = {
    "nothing": b"",
    "a console that is never read": protocol.pack_request(Command.CONSOLE_LOG, 0, payloads.ConsoleLog().pack())
    + payloads.ConsoleLog().pack(),
    "a state that does not come": protocol.pack_request(Command.ADD_STATE_CLIENT, 0, bytes(32)) + bytes(32),
    "half a request": protocol.pack_request(Command.GET_STATE)[:7],
}


@pytest.fixture
def flood(make_box, tmp_path, until):  # type: ignore[no-untyped-def]
    """It writes to its console for as long as it runs, and its ring is full."""
    log = tmp_path / "console.log"  # tells what is in the ring, which a look at it would empty
    box = make_box("noisy", f"lxc.console.buffer.size = {RING // 1024}KB", f"lxc.console.logfile = {log}")
    box.init(f"while :; do echo {LINE}; done &")
    box.start()
    until(lambda: log.stat().st_size >= RING, "its ring is full")
    return box


@pytest.fixture
def asleep(make_box, tmp_path, until) -> Iterator[object]:  # type: ignore[no-untyped-def]
    """Its start hangs in a hook."""
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/reached\nexec sleep 600\n")
    hook.chmod(0o755)
    box = make_box("asleep", f"lxc.hook.pre-start = {hook}")

    def start() -> None:
        with contextlib.suppress(LxcError):
            box.start(600)

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    until((tmp_path / "reached").exists, "its hook runs")
    yield box
    box.kill()
    starting.join(20)


@pytest.fixture
def idle(flood) -> Iterator[None]:  # type: ignore[no-untyped-def]
    with ExitStack() as stack:
        for said in ASKED.values():
            for address in [protocol.address(*flood.container)] * IDLE + [paths.MONITOR_SOCKET] * IDLE * (not said):
                link = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                link.connect(address)
                link.sendall(said)
        yield


def test_everybody_else_is_answered(make_box, flood, asleep, idle, monitor, until) -> None:
    quiet = make_box("quiet", "lxc.mount.auto = proc")
    quiet.start()
    for _turn in range(100):
        assert quiet.state == State.RUNNING and client.init_pid(quiet.container) == quiet.pid
    info = ["lxc-info", "-P", quiet.container.lxc_path, "-n", "quiet", "-sH"]
    assert subprocess.run(info, capture_output=True, text=True, timeout=60, check=True).stdout == "RUNNING\n"
    assert freeze.freeze(quiet.container) and freeze.thaw(quiet.container)
    later = make_box("later")
    later.start()
    for box in (later, quiet):
        box.kill()
    assert asleep.state == State.STARTING and flood.state == State.RUNNING
    until(lambda: client.console_log(flood.container, payloads.ConsoleLog()), "its console is read on")
    assert int(runtime.ensure_monitor()["pid"]) == monitor
