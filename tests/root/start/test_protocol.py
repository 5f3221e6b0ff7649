# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of LXC's protocol by its bytes: beside LXC's own monitor, from foreign namespaces, and as nonsense."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, connection, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.payloads import BpfDevice, CgroupCtx, CgroupFd, ConsoleLog
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State
from parity import Both, Side

FUZZES = 20_000 if os.environ.get("HOSTKIT_SOAK") == "1" else 400
SEED = 5


class Said(NamedTuple):
    """What came back: the error, whether there was a value, the payload, what the descriptors are, whether the connection stays."""

    ret: int | None
    value: int
    payload: bytes
    fds: list[str]
    kept: bool


def ask(container, command: int, payload: bytes = b"", data: int = 0) -> Said:
    link = connection.connect(protocol.address(*container), connection.Deadline(20))
    with link:
        link.sendmsg([protocol.pack_request(command, data, payload)], [connection.credentials()])
        if payload:
            link.sendall(payload)
        if command == Command.SECCOMP_NOTIFY_ADD_LISTENER:
            with contextlib.suppress(BrokenPipeError):  # it may be refused before it was sent
                socket.send_fds(link, [b"x"], [0])
        head, fds, _flags, _address = socket.recv_fds(link, protocol.HEADER, 32)
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
        client.close(fds)
        if not head:
            return Said(None, 0, b"", [], False)
        response = protocol.unpack_response(head)
        said = link.recv(response.datalen, socket.MSG_WAITALL) if response.datalen else b""
        link.settimeout(0.05)
        try:
            kept = link.recv(1) != b""
        except socket.timeout:
            kept = True
        except ConnectionResetError:  # closed with something unread
            kept = False
    return Said(response.ret, response.value, said, names, kept)


TEXT = protocol.pack_text
NONESUCH = TEXT("nonesuch")
# Not so on a unified hierarchy. There LXC's monitor adds the rule to its BPF program, and ours, which has none, refuses; and LXC's
# says RUNNING of what it has frozen itself, and ours FROZEN (test_unified.py).
V1_ALONE: list[tuple[int, bytes, int]] = [
    (Command.ADD_BPF_DEVICE_CGROUP, BpfDevice("c", 1, 3, "rw", True).pack(), 0),
    (Command.ADD_BPF_DEVICE_CGROUP, BpfDevice("a", -1, -1, "rwm", False).pack(), 0),
    *((command, b"", 1) for command in (Command.FREEZE, Command.GET_STATE, Command.UNFREEZE, Command.GET_STATE)),
]
# In this order. What 5.0.2 makes of a payload of the wrong form is left out: some of it ends its monitor.
REQUESTS: list[tuple[int, bytes, int]] = [
    *((Command.GET_TTY_FD, b"", number) for number in (1, 0, 9, -1)),
    (Command.TERMINAL_WINCH, b"", 0),
    (Command.GET_STATE, b"", 0),
    (Command.GET_STATE, b"surplus", 0),
    (Command.GET_INIT_PID, b"", 0),
    (Command.GET_CLONE_FLAGS, b"", 0),
    (Command.GET_CGROUP, NONESUCH, 0),
    *((Command.GET_CONFIG_ITEM, TEXT(key), 0) for key in ("lxc.uts.name", "lxc.group", "lxc.net.0.type", "lxc.nonesuch")),
    (Command.GET_NAME, b"", 0),
    (Command.GET_LXCPATH, b"", 0),
    (Command.ADD_STATE_CLIENT, payloads.pack_interest([State.STOPPED]), 0),
    (Command.ADD_STATE_CLIENT, b"short", 0),
    (Command.ADD_STATE_CLIENT, bytes(33), 0),
    (Command.CONSOLE_LOG, ConsoleLog().pack(), 0),
    *((command, b"", state) for state in (State.FROZEN, State.THAWED) for command in (Command.SERVE_STATE_CLIENTS, Command.GET_STATE)),
    (Command.SECCOMP_NOTIFY_ADD_LISTENER, b"", 0),
    (Command.ADD_BPF_DEVICE_CGROUP, b"short", 0),
    *(V1_ALONE if hierarchies.has(1) else []),
    (Command.GET_CGROUP2_FD, b"", 0),
    (Command.GET_INIT_PIDFD, b"", 0),
    (Command.GET_LIMIT_CGROUP, NONESUCH, 0),
    (Command.GET_LIMIT_CGROUP2_FD, b"", 0),
    (Command.GET_DEVPTS_FD, b"", 0),
    (Command.GET_SECCOMP_NOTIFY_FD, b"", 0),
    (Command.GET_CGROUP_CTX, CgroupCtx().pack(), 0),
    (Command.GET_CGROUP_CTX, b"", 0),
    *((command, CgroupFd(controller="cpu").pack(), 0) for command in (Command.GET_CGROUP_FD, Command.GET_LIMIT_CGROUP_FD)),
    *((command, CgroupFd(controller="nonesuch").pack(), 0) for command in (Command.GET_CGROUP_FD, Command.GET_LIMIT_CGROUP_FD)),
    (Command.GET_CGROUP_FD, b"short", 0),
    (Command.GET_SYSTEMD_SCOPE, b"", 0),
    (27, b"", 0),
    (1 << 20, b"", 0),
    (-1, b"", 0),
]
# Those that answer with a number; in the others it is a pointer of the monitor's.
NUMBERS = (Command.GET_TTY_FD, Command.GET_STATE, Command.GET_CLONE_FLAGS, Command.ADD_STATE_CLIENT)

STRUCTS = (Command.GET_CGROUP_CTX, Command.GET_CGROUP_FD, Command.GET_LIMIT_CGROUP_FD)


def test_each_request_is_answered_as_by_lxc(both: Both) -> None:
    """Paths of cgroups and numbers of descriptors, which only mean something to who sends them, are left out."""

    def scene(side: Side) -> None:
        for command, payload, data in REQUESTS:
            said = ask(side.container, command, payload, data)
            places = sorted(re.sub(r"lxc\.payload.*|/host\b|[0-9]+\]$", "", name) for name in said.fds)
            body = (len(said.payload), said.payload[:12]) if command in STRUCTS else said.payload
            side.said.append((command, payload, data, said.ret, said.value if command in NUMBERS else 0, body, places, said.kept))

    left_out = {Command.STOP} if hierarchies.has(1) else {Command.STOP, Command.FREEZE, Command.UNFREEZE}  # which have tests of their own
    assert {said[0] for said in both(scene)} >= set(range(27)) - left_out


@pytest.mark.parametrize("log", [False, True], ids=["without a log file", "with a log file"])
@pytest.mark.parametrize("size", ["8KB", ""], ids=["a ring", "no ring"])
def test_the_consoles_ring_is_read_and_emptied_as_by_lxc(both: Both, tmp_path: Path, size: str, log: bool) -> None:
    """Every combination, each after a new line of the console's; then what is left of it, and what the log file has."""
    path = tmp_path / "console.log"
    orders = [ConsoleLog(*order) for order in itertools.product((False, True), (True, False), (0, 4, 9999), (False, True))]

    def scene(side: Side) -> None:
        if log:  # of the other starter's run
            os.truncate(path, 0)
        link, shown_fd, _number = client.tty_fd(side.container, 0)
        with link, open(f"/proc/{side.pid}/root/dev/console", "wb", buffering=0, opener=no_terminal) as console:
            for number, order in enumerate(orders):
                console.write(b"line-%d\n" % number)
                wait_for(shown_fd, b"line-%d\r" % number)  # the monitor had it in the ring by the time it was shown
                for asked in (order, ConsoleLog()):
                    side.said.append((order, asked, ask(side.container, Command.CONSOLE_LOG, asked.pack())._replace(value=0)))
        os.close(shown_fd)
        side.said.append(path.read_bytes() if path.exists() else None)

    said = both(scene, [f"lxc.console.buffer.size = {size}"] * bool(size) + [f"lxc.console.logfile = {path}"] * log)
    assert said[-1] == (b"".join(b"line-%d\r\n" % number for number in range(len(orders))) if log else None)


def no_terminal(path: str, flags: int) -> int:
    return os.open(path, flags & ~(os.O_CREAT | os.O_TRUNC) | os.O_NOCTTY)


def wait_for(fd: int, wanted: bytes) -> None:
    said = b""
    while wanted not in said:
        assert select.select([fd], [], [], 20)[0], said
        said += os.read(fd, 4096)


FENCED = {0, 2, 11, 12, 14, 15, 16, 17, 18, 20, 21, 23, 24, 25}
ASKING = """
import json, os, socket, struct, sys
address, requests = json.loads(sys.argv[1])
def ask(command, payload):
    link = socket.socket(socket.AF_UNIX)
    link.connect("\\0" + address)
    link.send(struct.pack("@iiQ", command, len(payload), 0))
    if payload: link.send(payload)
    head, fds, flags, source = socket.recv_fds(link, 16, 32)
    return [struct.unpack("@iiq", head)[0] if head else None, len(fds)]
print(json.dumps({command: ask(command, bytes.fromhex(payload)) for command, payload in requests}))
"""
PAYLOADS = {10: payloads.pack_interest([State.RUNNING]), 11: ConsoleLog().pack(), 14: BpfDevice("c", 1, 3, "rw", True).pack()}
PAYLOADS |= {7: TEXT("lxc.uts.name"), 23: CgroupCtx().pack(), 24: CgroupFd(controller="cpu").pack(), 25: CgroupFd(controller="cpu").pack()}


@pytest.mark.parametrize("namespace", [["--pid", "--fork"], ["--user", "--map-root-user"]], ids=["pid", "user"])
def test_who_is_in_another_namespace_changes_nothing_and_gets_no_descriptor(box, namespace: list[str]) -> None:
    """It may share the host's network, where these sockets are (CVE-2020-15257); what it could see in /proc it may be told."""
    box.start()
    requests = [(command, PAYLOADS.get(command, b"").hex()) for command in range(27)]
    asked = json.dumps([protocol.address(*box.container)[1:].decode(), requests])
    command = ["unshare", *namespace, sys.executable, "-c", ASKING, asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = {int(number): answer for number, answer in json.loads(done.stdout).items()}
    assert {number for number, answer in said.items() if answer == [-1, 0]} == FENCED
    assert [said[number][0] for number in (3, 4, 5, 8, 9)] == [0] * 5
    assert sum(count for _ret, count in said.values()) == 0
    assert box.state == State.RUNNING


class Fuzz:
    """One piece of nonsense after the other on the real socket, each the same in every run with this seed."""

    def __init__(self, container, seed: int) -> None:
        self.container = container
        self.pick = random.Random(seed)
        self.kinds: list[Callable[[], None]] = [self.noise, self.request, self.cut_off, self.too_much, self.with_descriptors, self.gone]

    def one(self) -> None:
        self.pick.choice(self.kinds)()

    def send(self, *pieces: bytes, listen: bool = True, fds: int = 0) -> None:
        with connection.connect(protocol.address(*self.container), connection.Deadline(20)) as link:
            try:
                for piece in pieces:
                    if fds:
                        socket.send_fds(link, [piece or b"x"], [0] * fds)
                    else:
                        link.sendall(piece)
                if listen:
                    link.shutdown(socket.SHUT_WR)
                    _data, got, _flags, _address = socket.recv_fds(link, 65536, 32)
                    client.close(got)
            except (BrokenPipeError, ConnectionResetError):
                return

    def command(self) -> int:
        """Any but STOP, which would be obeyed."""
        number = self.pick.choice([self.pick.randrange(-2, 40), self.pick.randrange(-(1 << 31), 1 << 31)])
        return 0 if number == Command.STOP else number

    def header(self, length: int) -> bytes:
        return struct.pack("@iiQ", self.command(), length, self.pick.choice([0, 1, 5, self.pick.getrandbits(64)]))

    def payload(self) -> bytes:
        """Of a random length, or one that some command expects; with and without a NUL at its end, and text now and then."""
        length = self.pick.choice([0, 1, 3, 24, 32, 40, 80, 96, 264, self.pick.randrange(8300)])
        body = self.pick.choice([bytes(length), self.pick.randbytes(length), (b"lxc.net.0." * 830)[:length]])
        return body[:-1] + b"\0" if body and self.pick.random() < 0.5 else body

    def noise(self) -> None:
        noise = self.pick.randbytes(self.pick.randrange(64))
        self.send(noise if noise[:4] != struct.pack("@i", Command.STOP) else b"")

    def request(self) -> None:
        payload = self.payload()
        self.send(self.header(len(payload)), payload)

    def cut_off(self) -> None:
        payload = self.payload()
        self.send(self.header(len(payload) + self.pick.randrange(1, 9000)), payload)

    def too_much(self) -> None:
        payload = self.payload()
        self.send(self.header(self.pick.choice([len(payload) // 2, 0, -1, 1 << 30])), payload, self.payload())

    def with_descriptors(self) -> None:
        self.send(self.header(0), fds=self.pick.randrange(1, 30))

    def gone(self) -> None:
        """It does not wait for the answer."""
        payload = self.payload()
        self.send(self.header(len(payload)), payload, listen=False)


@pytest.mark.soak
def test_nonsense_harms_nobody(make_box, monitor, until) -> None:
    """The monitor is the same one afterwards, the container runs, and what the monitor had opened is closed."""
    box, other = make_box("s1", "lxc.tty.max = 2", "lxc.console.buffer.size = auto"), make_box("s2")
    box.start()
    other.start()
    inits = box.pid, other.pid
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    fuzz = Fuzz(box.container, SEED)
    for _number in range(FUZZES):
        fuzz.one()
    freeze.thaw(box.container)  # that is a request, too
    client.set_state(box.container, State.RUNNING)
    assert int(runtime.ensure_monitor()["pid"]) == monitor
    assert (box.pid, other.pid) == inits and box.state == other.state == State.RUNNING
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "what it had opened for them is closed")
    assert client.config_item(box.container, "lxc.uts.name") == "s1"
    link, fd, _number = client.tty_fd(box.container)
    client.close([fd])
    link.close()
    box.kill()
