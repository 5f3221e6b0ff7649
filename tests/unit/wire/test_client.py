# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a monitor of the test's own, which can be as wrong as no real one is."""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import threading
import time
import uuid

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads, protocol, several
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State


class Monitor:
    """Listens on the command socket of a container that does not exist and does with each connection what the test says."""

    def __init__(self, container, backlog=5):
        self.container = container
        self.requests = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(protocol.address(*container))
        self.socket.listen(backlog)

    def answer(self, *answers):
        """One connection after the other; each answer is bytes, or a function that gets the connection."""
        threading.Thread(target=self._serve, args=(answers,), daemon=True).start()

    def _serve(self, answers):
        for answer in answers:
            link, _address = self.socket.accept()
            with link:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                header, ancillary, _flags, _address = link.recvmsg(16, 256)
                request = protocol.unpack_request(header)
                payload = link.recv(request.datalen) if request.datalen else b""
                self.requests.append((request.cmd, request.value, payload, ancillary))
                answer(link) if callable(answer) else link.sendall(answer)


@pytest.fixture
def container():
    return paths.container(f"c{uuid.uuid4().hex[:8]}", "/nowhere/lxc")


@pytest.fixture
def monitor(container):
    server = Monitor(container)
    yield server
    server.socket.close()


def ok(data=0, payload=b"", ret=0):
    return protocol.pack_response(ret, data, len(payload)) + payload


def with_fds(header, count):
    """An answer that carries `count` descriptors beside its header."""

    def send(link):
        read_fd, write_fd = os.pipe()
        rights = array.array("i", [write_fd] * count)
        link.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(read_fd)
        os.close(write_fd)

    return send


def open_fds():
    return sorted(os.listdir("/proc/self/fd"))


def test_refused_is_stopped(container):
    assert client.state(container) == State.STOPPED
    with pytest.raises(client.NotRunning, match=container.name):
        client.init_pid(container)


def test_credentials_travel_with_the_request(monitor, container):
    monitor.answer(ok(State.FROZEN))
    assert client.state(container) == State.FROZEN
    (cmd, _value, _payload, ancillary) = monitor.requests[0]
    assert cmd == Command.GET_STATE
    assert [struct.unpack("3i", data) for _level, kind, data in ancillary if kind == socket.SCM_CREDENTIALS] == [
        (os.getpid(), os.getuid(), os.getgid())
    ]


def test_texts_and_their_absence(monitor, container):
    monitor.answer(ok(payload=b"veth\0"), ok(ret=-1), ok(), ok(ret=-errno.EACCES))
    assert client.config_item(container, "lxc.net.0.type") == "veth"
    assert monitor.requests[0][:3] == (Command.GET_CONFIG_ITEM, 0, b"lxc.net.0.type\0")
    assert client.config_item(container, "lxc.nope") is None
    assert client.config_item(container, "lxc.empty") == ""
    with pytest.raises(client.Refused) as caught:
        client.config_item(container, "lxc.other")
    assert caught.value.errno == errno.EACCES


def test_limit_cgroup_falls_back_to_what_old_monitors_know(monitor, container):
    monitor.answer(b"", ok(payload=b"/lxc/a\0"), ok(ret=-errno.ENOSYS), ok(payload=b"/lxc/b\0"))
    assert client.limit_cgroup(container, "freezer") == "/lxc/a"
    assert client.limit_cgroup(container, "freezer") == "/lxc/b"
    assert [request[0] for request in monitor.requests] == [19, 6, 19, 6]


def test_a_cgroup_begins_with_a_slash_whether_the_monitor_says_it_or_not(monitor, container):
    monitor.answer(ok(payload=b"a/b\0"), ok(payload=b"/a/b\0"), ok(payload=b"a/b\0"))
    assert client.cgroup(container, "freezer") == client.cgroup(container, "freezer") == "/a/b"
    assert client.limit_cgroup(container, "freezer") == "/a/b"


def test_descriptors_are_close_on_exec(monitor, container):
    monitor.answer(with_fds(ok(), 1))
    fd = client.devpts_fd(container)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_descriptors_of_a_wrong_answer_are_not_kept(monitor, container):
    context = payloads.CgroupCtx(1, 0, 3).pack()
    monitor.answer(
        with_fds(ok(), 3),
        with_fds(ok(ret=-errno.EPERM), 1),
        with_fds(protocol.pack_response(0, 0, 96) + context, 2),
        with_fds(protocol.pack_response(0, 0, 96) + context[:50], 2),
    )
    before = open_fds()
    for call in (client.devpts_fd, client.devpts_fd, client.cgroup_fds, client.cgroup_fds):
        with pytest.raises(errors.LxcError):
            call(container)
    deadline = time.monotonic() + 5
    while open_fds() != before and time.monotonic() < deadline:  # the fake's thread still holds its own for a moment
        time.sleep(0.001)
    assert len(open_fds()) <= len(before)


def test_cgroup_fds(monitor, container):
    monitor.answer(with_fds(protocol.pack_response(0, 0, 96) + payloads.CgroupCtx(1, 0, 2).pack(), 2))
    layout, fds = client.cgroup_fds(container)
    assert layout == 1 and len(fds) == 2 and len(monitor.requests[0][2]) == 96
    client.close(fds)


@pytest.mark.parametrize(
    "answer",
    [
        b"short",
        protocol.pack_response(0, 0, -5),
        protocol.pack_response(0, 0, 8193) + b"x" * 8193,
        protocol.pack_response(0, 0, 5) + b"abc",
        protocol.pack_response(0, 0, 3) + b"abc",
    ],
)
def test_a_wrong_answer_is_a_protocol_error(monitor, container, answer):
    monitor.answer(answer)
    with pytest.raises(protocol.ProtocolError):
        client.cgroup(container, "freezer")


def test_an_unknown_state_is_a_protocol_error(monitor, container):
    monitor.answer(ok(77))
    with pytest.raises(protocol.ProtocolError, match="77"):
        client.state(container)


@pytest.mark.parametrize("answer", [b"", b"\0" * 15])
def test_a_dead_server_does_not_hang_us(container, answer):
    server = Monitor(container)
    server.answer(lambda link: (link.sendall(answer), time.sleep(5)))
    try:
        with pytest.raises(errors.TimedOut, match=f"GET_INIT_PID.*{container.name}"):
            client.init_pid(container, timeout=0.2)
    finally:
        server.socket.close()


def test_a_full_queue_does_not_hang_us(container):
    server = Monitor(container, backlog=0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(protocol.address(*container))
    with pytest.raises(errors.TimedOut):
        client.state(container, timeout=0.2)
    first.close()
    server.socket.close()


def test_stop_waits_for_the_end_of_the_connection(monitor, container):
    monitor.answer(lambda link: None, ok(ret=-errno.EPERM), ok())
    client.stop(container)
    with pytest.raises(client.Refused):
        client.stop(container)
    with pytest.raises(protocol.ProtocolError):
        client.stop(container)


def test_wait_for_a_state(monitor, container):
    def later(link):
        link.sendall(ok(protocol.MAX_STATE, ret=protocol.MAX_STATE))
        link.sendall(payloads.StateMessage(0, container.name, State.FROZEN).pack())

    monitor.answer(ok(State.RUNNING, ret=State.RUNNING), later, ok(8, ret=8), ok(8, ret=8))
    assert client.wait(container, [State.RUNNING]) == State.RUNNING
    assert client.wait(container, [State.FROZEN, State.STOPPED]) == State.FROZEN
    assert monitor.requests[1][2] == struct.pack("=8i", 1, 0, 0, 0, 0, 0, 1, 0)
    assert client.wait(container, [State.STOPPED]) == State.STOPPED
    with pytest.raises(client.NotRunning):
        client.wait(container, [State.RUNNING])


def test_wait_has_a_deadline(container):
    server = Monitor(container)
    server.answer(lambda link: (link.sendall(ok(8, ret=8)), time.sleep(5)))
    try:
        with pytest.raises(errors.TimedOut, match="FROZEN"):
            client.wait(container, [State.FROZEN], timeout=0.2)
    finally:
        server.socket.close()


def test_a_request_is_one_message(monitor, container, monkeypatch):
    """So that a monitor is woken once for it."""
    sent = []
    sendmsg = socket.socket.sendmsg
    monkeypatch.setattr(socket.socket, "sendall", lambda _link, data, *_flags: sent.append(data))
    monkeypatch.setattr(socket.socket, "sendmsg", lambda link, parts, *rest: [sent.append(b"".join(parts)), sendmsg(link, parts, *rest)][1])
    monitor.answer(lambda link: link.send(ok(payload=b"i686\0")))
    assert client.config_item(container, "lxc.arch") == "i686"
    assert sent == [protocol.pack_request(Command.GET_CONFIG_ITEM, 0, b"lxc.arch\0") + b"lxc.arch\0"]


def test_several_are_sent_before_the_first_is_answered(monitor, container):
    """Answered the other way round, by one who waits for the last request first."""

    def serve():
        links = [monitor.socket.accept()[0] for _request in range(3)]
        for number, link in reversed(list(enumerate(links))):
            link.recv(4096)
            link.sendall(ok(number))
            link.close()

    before = open_fds()
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    questions = several.Several(container, timeout=5)
    pending = [questions.send(Command.GET_STATE) for _request in range(3)]
    assert [reply().response.value for reply in pending] == [0, 1, 2]
    questions.close()
    server.join(5)
    assert len(open_fds()) <= len(before)


def test_several_to_nobody_are_not_running(container):
    with pytest.raises(client.NotRunning, match=container.name):
        several.Several(container).send(Command.GET_STATE)


def test_tty_keeps_the_connection(monitor, container):
    def give(link):
        with_fds(ok(3), 1)(link)
        link.settimeout(5)
        monitor.released = link.recv(1)

    monitor.answer(give)
    link, fd, number = client.tty_fd(container)
    assert number == 3 and monitor.requests[0][:2] == (0, -1) and not hasattr(monitor, "released")
    link.close()
    os.close(fd)


def test_listening_finds_plain_and_hashed_names(container):
    deep = paths.container(f"h{uuid.uuid4().hex[:8]}", "/nowhere/" + "x" * 90)
    plain, hashed = Monitor(container), Monitor(deep)
    hashed.answer(ok(payload=deep.lxc_path.encode() + b"\0"), ok(payload=deep.name.encode() + b"\0"))
    try:
        assert container.name in client.listening(container.lxc_path)
        assert client.listening(deep.lxc_path) == [deep.name]
        client_end = socket.socket(socket.AF_UNIX)
        client_end.connect(protocol.address(*container))
        accepted, _address = plain.socket.accept()
        plain.socket.close()
        assert container.name not in client.listening(container.lxc_path)  # what was accepted has the name, too
        client_end.close()
        accepted.close()
    finally:
        plain.socket.close()
        hashed.socket.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another's listener")
def test_a_squatted_name_is_no_monitor(container):
    server = Monitor(container)
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(65534)
            server.socket.listen(5)  # SO_PEERCRED is whoever called listen(2) last
            time.sleep(30)
        finally:
            os._exit(0)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                client.state(container, timeout=0.1)
            except errors.TimedOut:
                pass
            except errors.InUse as error:
                assert "uid 65534" in str(error)
                break
            assert time.monotonic() < deadline
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        server.socket.close()


def test_a_state_client_says_good_bye(container, monitor):
    heard = []

    def listen(link):
        link.sendall(ok(protocol.MAX_STATE, ret=protocol.MAX_STATE))
        heard.append(link.recv(100))
        heard.append(link.recv(100))

    monitor.answer(listen)
    link = client.watch_changes(container, [State.RUNNING])
    link.close()
    link.close()
    deadline = time.monotonic() + 10
    while len(heard) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heard == [protocol.pack_request(10)[:4], b""]
    assert monitor.requests[0][2] == payloads.pack_interest([State.RUNNING], survive_reboot=True)
