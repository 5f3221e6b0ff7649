# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request of the command protocol to a container that is only pretended, over a real socket."""

from __future__ import annotations

import errno
import gc
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup import devices
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, tty
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.cgroup_bpf import Device
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import answers, places
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.answers import Actions
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.serve import Client, Server
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

PAIRS = [["lxc.uts.name", "u1"], ["lxc.group", "web"], ["lxc.net.0.type", "veth"], ["lxc.tty.max", "2"]]


class Host:
    """A server without a listener, and one client at a time at the other end of a pair."""

    def __init__(self, loop: Loop, tmp_path: Path, save: Callable[[Record], None]) -> None:
        self.loop = loop
        self.listener, self.far = socket.socketpair()
        self.record = Record(Container("/lxc", "u1"), self.listener)
        self.record.state = State.RUNNING
        self.record.init_pid, self.record.flags = 4711, 0x20000
        self.record.pairs = PAIRS
        self.record.links = [[0, "veth", "vethX", "eth0", "", "", "", ""]]
        self.record.cgroups = [[["memory"], str(tmp_path), "/memory", 1], [[], str(tmp_path), "/unified", 2]]
        for name in ("memory", "unified"):
            (tmp_path / name).mkdir()
        self.told: list[State] = []
        self.stopped: list[Record] = []
        self.server = Server(loop, self.record, Actions(lambda _record, state: self.told.append(state), self.stopped.append, save))
        self.save = save
        save(self.record)
        self.clients: list[Client] = []

    def connect(self) -> socket.socket:
        near, far = socket.socketpair()
        client = Client(self.server, near)
        client.await_question()
        self.clients.append(client)
        far.settimeout(5)
        return far

    def ask(
        self, command: int, payload: bytes = b"", data: int = 0, link: Optional[socket.socket] = None
    ) -> tuple[protocol.Response, bytes, list[int]]:
        far = link or self.connect()
        far.sendall(protocol.pack_request(command, data, payload) + payload)
        self.loop.turn()
        head, fds, _flags, _address = socket.recv_fds(far, 16, 20)
        if not head:
            raise EOFError
        response = protocol.unpack_response(head)
        return response, far.recv(response.datalen) if response.datalen else b"", list(fds)

    def ret(self, command: int, payload: bytes = b"", data: int = 0) -> int:
        response, _payload, fds = self.ask(command, payload, data)
        for fd in fds:
            os.close(fd)
        return response.ret


@pytest.fixture
def host(loop: Loop, tmp_path: Path, save: Callable[[Record], None]) -> Host:
    return Host(loop, tmp_path, save)


TEXT = protocol.pack_text
# The number, its payload, its value -> ret, value, payload, descriptors; None: the connection is closed without a word.
TABLE: dict[int, tuple[bytes, int, Optional[tuple[int, int, bytes, int]]]] = {
    0: (b"", 1, (-errno.EBADF, 0, b"", 0)),
    1: (b"", 0, None),
    3: (b"", 0, (0, 2, b"", 0)),
    4: (b"", 0, (0, 4711, b"", 0)),
    5: (b"", 0, (0, 0x20000, b"", 0)),
    6: (TEXT("memory"), 0, (0, 0, TEXT("/memory"), 0)),
    7: (TEXT("lxc.uts.name"), 0, (0, 0, TEXT("u1"), 0)),
    8: (b"", 0, (0, 0, TEXT("u1"), 0)),
    9: (b"", 0, (0, 0, TEXT("/lxc"), 0)),
    11: (payloads.ConsoleLog().pack(), 0, (-errno.EFAULT, 0, b"", 0)),
    12: (b"", int(State.FROZEN), (0, 0, b"", 0)),
    13: (b"", 0, (-errno.EINVAL, 0, b"", 0)),
    14: (payloads.BpfDevice("c", 1, 3, "rw", True).pack(), 0, (-errno.EPERM, 0, b"", 0)),
    15: (b"", 5, (-errno.ENOENT, 0, b"", 0)),
    16: (b"", 5, (-errno.ENOENT, 0, b"", 0)),
    17: (b"", 0, (-errno.EINVAL, 0, b"", 0)),
    18: (b"", 0, (-errno.EBADF, 0, b"", 0)),
    19: (b"", 0, (0, 0, TEXT("/unified"), 0)),
    20: (b"", 0, (-errno.EINVAL, 0, b"", 0)),
    21: (b"", 0, (-errno.EBADF, 0, b"", 0)),
    22: (b"", 0, (-errno.EBADF, 0, b"", 0)),
    23: (payloads.CgroupCtx().pack(), 0, (0, 0, payloads.CgroupCtx(1, 0, 2).pack(), 2)),
    24: (payloads.CgroupFd(controller="memory").pack(), 0, (0, 0, payloads.CgroupFd(1, 0, 0x27E0EB, "memory").pack(), 1)),
    25: (payloads.CgroupFd(controller="cpu").pack(), 0, (-errno.ENOENT, 0, b"", 0)),
    26: (b"", 0, (-errno.EINVAL, 0, b"", 0)),
    27: (b"", 0, (-errno.ENOSYS, 0, b"", 0)),
    -1: (b"", 0, (-errno.ENOSYS, 0, b"", 0)),
}


@pytest.mark.parametrize("command", TABLE)
def test_each_request_has_its_answer(host: Host, command: int) -> None:
    payload, data, wanted = TABLE[command]
    if wanted is None:
        with pytest.raises(EOFError):
            host.ask(command, payload, data)
        return
    response, said, fds = host.ask(command, payload, data)
    assert (response.ret, response.value, said, len(fds)) == wanted
    for fd in fds:
        os.close(fd)


def test_all_numbers_are_in_the_table() -> None:
    assert set(range(27)) - set(TABLE) == {Command.STOP, Command.ADD_STATE_CLIENT}, "which have tests of their own"


def test_only_unified_gives_its_descriptor_by_17_and_20(host: Host) -> None:
    host.record.cgroups = host.record.cgroups[1:]
    for command in (17, 20):
        response, _said, fds = host.ask(command)
        assert response.ret == 0 and len(fds) == 1
        os.close(fds[0])
    assert host.ask(23, payloads.CgroupCtx().pack())[1][:12] == struct.pack("@iII", 2, 3, 1)


def test_device_rules_are_changed_on_unified_hosts_and_of_what_is_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[tuple[str, bytes]] = []
    monkeypatch.setattr(cgroup_bpf, "replace", lambda directory, program: put.append((directory, program)))
    host.record.cgroups = host.record.cgroups[1:]
    host.record.pairs = [*PAIRS, ["lxc.cgroup2.devices.deny", "a"], ["lxc.cgroup2.devices.allow", "c 1:3 rwm"]]
    allow_zero = payloads.BpfDevice("c", 1, 5, "rw", True).pack()
    host.record.state = State.STARTING
    assert host.ret(14, allow_zero) == -errno.EBUSY and put == []
    host.record.state, host.record.touched = State.RUNNING, False
    null, zero = Device("c", 1, 3, "rwm"), Device("c", 1, 5, "rw")
    assert host.ret(14, allow_zero) == 0
    assert put == [(host.record.cgroup_list()[0].directory, cgroup_bpf.instructions(False, [null, zero]))] and host.record.touched
    assert host.ret(14, payloads.BpfDevice("c", 1, 3, "rwm", False).pack()) == 0
    assert put[-1][1] == cgroup_bpf.instructions(False, [zero]) and host.record.device_rules == devices.Rules(False, (zero,))
    host.record.fresh()
    assert host.record.device_rules is None, "a reboot begins with those of the config"


def test_who_has_no_device_rules_may_do_all_but_what_is_denied_later(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[bytes] = []
    monkeypatch.setattr(cgroup_bpf, "replace", lambda _directory, program: put.append(program))
    host.record.cgroups = host.record.cgroups[1:]
    assert (
        host.ret(14, payloads.BpfDevice("c", 1, 5, "rw", True).pack())
        == host.ret(14, payloads.BpfDevice("b", 8, 0, "rwm", False).pack())
        == 0
    )
    assert put == [cgroup_bpf.instructions(True, []), cgroup_bpf.instructions(True, [Device("b", 8, 0, "rwm")])]


def test_device_rules_that_the_kernel_refuses_are_not_remembered(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: str, _program: bytes) -> None:
        raise OSError(errno.E2BIG, "Argument list too long", directory)

    monkeypatch.setattr(cgroup_bpf, "replace", refuse)
    host.record.cgroups = host.record.cgroups[1:]
    rule = payloads.BpfDevice("b", 8, 0, "rwm", False).pack()
    assert host.ret(14, rule) == -errno.E2BIG and host.record.device_rules is None
    host.record.pairs = [["lxc.cgroup2.devices.allow", "/dev/nonesuch rw"]]
    assert host.ret(14, rule) == -errno.EINVAL


def test_a_node_that_a_rule_names_is_not_looked_at_by_the_monitor(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie on a file system that does not answer. The launcher has looked, and said what it saw."""
    put: list[bytes] = []
    monkeypatch.setattr(cgroup_bpf, "replace", lambda _directory, program: put.append(program))
    monkeypatch.setattr(devices.os, "stat", lambda path: pytest.fail(f"{path} is looked at"))
    host.record.cgroups = host.record.cgroups[1:]
    host.record.pairs = [["lxc.cgroup2.devices.allow", "/dev/null rw"]]
    rule = payloads.BpfDevice("c", 1, 5, "rw", True).pack()
    assert host.ret(14, rule) == -errno.EINVAL, "of a start before the launcher said so"
    null, zero = Device("c", 1, 3, "rw"), Device("c", 1, 5, "rw")
    host.record.device_rules = devices.Rules(False, (null,))
    assert host.ret(14, rule) == 0 and put == [cgroup_bpf.instructions(False, [null, zero])]


@pytest.mark.parametrize("command", [Command.FREEZE, Command.UNFREEZE])
@pytest.mark.parametrize(
    ("first", "state", "code"), [(0, State.RUNNING, errno.ENOENT), (1, State.STARTING, errno.EBUSY), (1, State.STOPPING, errno.EBUSY)]
)
def test_the_monitor_freezes_on_unified_hosts_and_what_is_up(
    host: Host, tmp_path: Path, command: int, first: int, state: State, code: int
) -> None:
    for name in ("memory", "unified"):
        for file in ("cgroup.events", "cgroup.freeze"):
            (tmp_path / name / file).touch()
    host.record.cgroups, host.record.state = host.record.cgroups[first:], state
    assert host.ret(command, data=5) == -code
    assert [(tmp_path / name / "cgroup.freeze").read_text() for name in ("memory", "unified")] == ["", ""] and host.told == []


def test_a_cgroup_that_has_gone_is_an_errno_and_leaks_nothing(host: Host, tmp_path: Path) -> None:
    (tmp_path / "unified").rmdir()
    gc.collect()  # what earlier tests have left must not go meanwhile
    before = len(os.listdir("/proc/self/fd"))
    link = host.connect()
    payload = payloads.CgroupCtx().pack()
    assert host.ask(23, payload, link=link)[0].ret == -errno.ENOENT
    link.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_wrong_magic_is_refused(host: Host) -> None:
    assert host.ret(24, payloads.CgroupFd(type=payloads.CGROUP2_MAGIC, controller="memory").pack()) == -errno.EINVAL


def test_items(host: Host) -> None:
    asked = {key: host.ask(7, TEXT(key))[:2] for key in ("lxc.group", "lxc.net.0.veth.pair", "lxc.nothing", "lxc.cap.drop")}
    assert asked["lxc.group"][1] == TEXT("web\n")
    assert asked["lxc.net.0.veth.pair"][1] == TEXT("vethX")
    assert asked["lxc.nothing"][0].ret == -1


@pytest.mark.parametrize("told", list(State))
def test_which_states_may_be_told(host: Host, told: State) -> None:
    may = told in (State.RUNNING, State.FREEZING, State.FROZEN, State.THAWED)
    assert host.ret(12, data=told) == (0 if may else -errno.EINVAL)
    assert host.told == ([told] if may else [])


def test_one_that_ends_does_not_become_frozen(host: Host) -> None:
    host.record.state = State.STOPPING
    assert host.ret(12, data=State.FROZEN) == 0
    assert host.told == []


def test_a_stop_is_answered_by_the_end_of_the_connection_alone(host: Host) -> None:
    link = host.connect()
    link.sendall(protocol.pack_request(2))
    host.loop.turn()
    assert host.stopped == [host.record]
    link.setblocking(False)
    with pytest.raises(BlockingIOError):
        link.recv(1)
    for act in list(host.record.stop_clients):
        act()
    host.save(host.record)
    assert link.recv(1) == b""


def test_state_clients(host: Host) -> None:
    interest = payloads.pack_interest([State.RUNNING])
    assert host.ask(10, interest)[0].ret == State.RUNNING
    link = host.connect()
    assert host.ask(10, payloads.pack_interest([State.STOPPED]), link=link)[0].ret == protocol.MAX_STATE
    assert len(host.record.state_clients) == 1
    link.close()
    host.loop.turn()
    assert host.record.state_clients == []


def test_after_the_end_nobody_is_kept(host: Host) -> None:
    host.record.listener = None
    for command, payload in ((10, payloads.pack_interest([State.RUNNING])), (2, b"")):
        with pytest.raises(EOFError):
            host.ask(command, payload)


def unused_tty() -> int:
    master_fd = tty.open_master()
    os.close(tty.open_peer(master_fd))
    os.set_blocking(master_fd, False)
    return master_fd


def take_tty(host: Host, link: socket.socket, number: int) -> tuple[int, list[int]]:
    """The number that is given, or the error, and the master."""
    response, _said, fds = host.ask(0, data=number, link=link)
    return (response.ret or response.value), fds


@pytest.fixture
def ttys(host: Host) -> list[int]:
    """Two terminals whose slaves nobody has open any more, as in a container without a getty."""
    host.record.tty_fds = [unused_tty(), unused_tty()]
    return host.record.tty_fds


def test_a_tty_is_somebody_s_until_the_connection_ends(host: Host, ttys: list[int]) -> None:
    links = [host.connect() for _number in range(3)]
    assert [take_tty(host, link, -1)[0] for link in links] == [1, 2, -errno.EBADF]
    links[0].close()
    host.loop.turn()
    assert take_tty(host, host.connect(), 1)[0] == 1
    assert take_tty(host, host.connect(), 3)[0] == -errno.EBADF


def test_a_tty_that_nothing_has_open_does_not_hang_up_on_its_client(host: Host, ttys: list[int]) -> None:
    gc.collect()  # what earlier tests have left must not go meanwhile
    before = len(os.listdir("/proc/self/fd"))
    link = host.connect()
    _number, [master_fd] = take_tty(host, link, 1)
    with pytest.raises(BlockingIOError):
        os.read(master_fd, 1)
    link.close()
    host.loop.turn()
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        os.read(master_fd, 1)
    os.close(master_fd)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_end_of_a_run_hangs_up_and_a_client_of_then_does_not_take_the_tty_of_now(host: Host, ttys: list[int]) -> None:
    of_then = host.connect()
    _number, [master_fd] = take_tty(host, of_then, 1)
    host.record.release(host.loop)
    host.save(host.record)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        os.read(master_fd, 1)
    host.record.fresh()
    host.record.tty_fds = [unused_tty()]
    of_now = host.connect()
    assert take_tty(host, of_now, 1)[0] == 1
    of_then.close()
    host.loop.turn()
    assert take_tty(host, host.connect(), 1)[0] == -errno.EBADF


@pytest.mark.parametrize("command", answers._FENCED)
def test_the_fence_around_other_namespaces(host: Host, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "same_namespaces", lambda _pid: False)
    assert host.ret(command, TABLE.get(command, (b"", 0, None))[0]) == -errno.EPERM
    assert host.stopped == [] and host.told == []


def test_whatever_hands_out_a_descriptor_or_changes_something_is_behind_it() -> None:
    handing = {command for command in Command if command.name.endswith(("_FD", "PIDFD", "CTX"))} - {Command.GET_SECCOMP_NOTIFY_FD}
    assert handing | {Command.STOP, Command.SERVE_STATE_CLIENTS, Command.CONSOLE_LOG} <= set(answers._FENCED)


def test_another_user_gets_eperm(host: Host) -> None:
    link = host.connect()
    host.clients[-1].peer = (1, 12345, 12345)
    assert host.ask(3, link=link)[0].ret == -errno.EPERM


JUNK: dict[str, bytes] = {
    "half a header": b"\3\0\0",
    "a negative length": struct.pack("@iiQ", 7, -1, 0),
    "too long": struct.pack("@iiQ", 7, 8193, 0),
    "not UTF-8 and no such key": struct.pack("@iiQ", 7, 3, 0) + b"\xff\xfe\0",
}
# The right size of each payload that has one; a text has none, but ends with NUL.
SIZES = {10: 32, 11: 24, 14: 40, 24: 80, 25: 80}
WRONG = {
    **{
        f"{command} of {length} bytes": (command, bytes(length))
        for command, size in SIZES.items()
        for length in (0, 1, size - 1, size + 1, 4096)
    },
    **{f"{command} without NUL": (command, b"abc") for command in (6, 7, 19)},
    "24 without NUL": (24, bytes(16) + b"x" * 64),
    "a device of no kind": (14, b"x" + bytes(39)),
}


@pytest.mark.parametrize(("command", "payload"), WRONG.values(), ids=WRONG)
def test_a_payload_of_the_wrong_form_is_einval(host: Host, command: int, payload: bytes) -> None:
    link = host.connect()
    assert host.ask(command, payload, link=link)[0].ret == -errno.EINVAL
    assert host.clients[-1].fd < 0 and host.record.state_clients == []


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_ends_that_connection_or_is_refused(host: Host, junk: bytes) -> None:
    link = host.connect()
    link.sendall(junk)
    link.shutdown(socket.SHUT_WR)
    for _number in range(3):
        host.loop.later(0, lambda: None)
        host.loop.turn()
    said = link.recv(4096)
    assert said == b"" or protocol.unpack_response(said[:16]).ret == -1
    assert host.clients[-1].fd < 0


@pytest.mark.parametrize("length", [-1, 8193, (1 << 31) - 1])
def test_a_length_that_no_request_has_ends_it_before_the_payload_comes(host: Host, length: int) -> None:
    link = host.connect()
    link.sendall(struct.pack("@iiQ", 7, length, 0))
    host.loop.turn()
    assert link.recv(1) == b""


def test_the_oldest_that_said_nothing_makes_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = host.connect()
    host.ask(10, payloads.pack_interest([State.STOPPED]), link=kept)
    idle = [host.connect() for _number in range(3)]
    host.server._make_room(host.record.clients, 3)
    assert idle[0].recv(1) == b"" and len(host.record.clients) == 3
    assert host.clients[0].fd >= 0, "one that waits for a state is not idle"


# What of "0123456789" comes back, and what is left.
LOGS = {
    payloads.ConsoleLog(): (b"0123456789", b""),
    payloads.ConsoleLog(read_max=4): (b"0123", b"456789"),
    payloads.ConsoleLog(read_max=1 << 63): (b"0123456789", b""),
    payloads.ConsoleLog(clear=True, read_max=4): (b"0123", b""),
    payloads.ConsoleLog(read=False): (b"", b"0123456789"),
    payloads.ConsoleLog(read=False, read_max=4, write_logfile=True): (b"", b"456789"),
    payloads.ConsoleLog(read=False, clear=True): (b"", b""),
}


@pytest.mark.parametrize(("order", "said", "left"), [(order, *what) for order, what in LOGS.items()])
def test_what_is_read_from_the_ring_is_no_longer_in_it(host: Host, order: payloads.ConsoleLog, said: bytes, left: bytes) -> None:
    host.record.console = SimpleNamespace(buffer_size=16, ring=bytearray(b"0123456789"))  # type: ignore[assignment]
    response, payload, _fds = host.ask(Command.CONSOLE_LOG, order.pack())
    assert (response.ret, payload, host.record.console.ring) == (0, said, left)
    host.record.console.ring.clear()
    assert host.ret(Command.CONSOLE_LOG, order.pack()) == (-errno.ENODATA if order.read else 0)
