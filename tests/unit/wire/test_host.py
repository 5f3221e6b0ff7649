# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own requests: framing that survives any split, errors that come back as what they were, deadlines that hold."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import host, protocol


@pytest.fixture
def listener(tmp_path):
    path = str(tmp_path / "monitor.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        yield server, path


def serve(server, answer):
    """Accept one request and send `answer(message)`'s bytes."""

    def run():
        link, _address = server.accept()
        with link:
            decoder, messages = host.Decoder(), []
            while not messages:
                messages = decoder.feed(link.recv(65536))
            link.sendall(answer(messages[0]))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_messages_come_whole_however_they_are_cut():
    data = host.encode({"op": "a", "text": "\udcff\n"}) + host.encode({"op": "b"})
    for size in (1, 3, len(data)):
        decoder, got = host.Decoder(), []
        for start in range(0, len(data), size):
            got += decoder.feed(data[start : start + size])
        assert [message["op"] for message in got] == ["a", "b"] and got[0]["text"] == "\udcff\n" and got[0]["version"] == 1
        assert decoder.pending == 0


def test_too_long_a_message_is_refused_before_it_is_there():
    with pytest.raises(protocol.ProtocolError):
        host.Decoder().feed(struct.pack("!I", host.MAX_MESSAGE + 1))
    with pytest.raises(protocol.ProtocolError):
        host.encode({"op": "x" * host.MAX_MESSAGE})


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"[]", b'{"op": "a"}', b'{"version": "1"}', b'{"version": true}', b"[" * 100000, b"\xff"]
)
def test_nonsense_is_a_protocol_error(text):
    with pytest.raises(protocol.ProtocolError):
        host.Decoder().feed(struct.pack("!I", len(text)) + text)


def test_a_later_version_is_told_so():
    for operation in ("start", "list", None, []):
        with pytest.raises(host.Outdated, match=r"speaks version 1 .* the request version 2"):
            host.check_request({"version": 2, "op": operation})
    assert host.check_request({"version": 1, "op": "start"}) == "start"
    with pytest.raises(protocol.ProtocolError):
        host.check_request({"version": 1})


def test_what_is_frozen_is_understood_in_every_version_and_an_earlier_one_always(monkeypatch):
    for operation in ("hello", "replace", "quit"):
        assert host.check_request({"version": 7, "op": operation}) == operation
    monkeypatch.setattr(host, "PROTOCOL_VERSION", 7)
    for operation in ("hello", "replace", "quit", "start", "list"):
        assert host.check_request({"version": 1, "op": operation}) == operation


@pytest.mark.parametrize(("operation", "version"), [("hello", 1), ("replace", 1), ("quit", 1), ("start", 7), ("list", 7)])
def test_a_frozen_request_is_of_the_first_version_for_ever(listener, monkeypatch, operation, version):
    monkeypatch.setattr(host, "PROTOCOL_VERSION", 7)
    server, path = listener
    serve(server, lambda message: host.encode(host.reply({"heard": message})))
    assert host.request(operation, path=path)["heard"] == {"version": version, "op": operation}


@pytest.mark.parametrize(
    "error",
    [
        errors.LxcError("All wrong", "Do it right"),
        errors.BadValue("name", "a/b", "a name", "No slashes"),
        errors.ConfigError("/x/config", 3, "lxc.net.0.type", "what is this"),
        errors.NotFound("No such container"),
        errors.InUse("Held by pid 3"),
        errors.Unsupported("No overlay here"),
        errors.TimedOut("It took too long"),
        errors.StepError("mount", "Mount", "/proc", 16, "busy", ["line 1", "line 2"], "Try again"),
        protocol.NotRunning("It is stopped"),
        host.NoMonitor("Nobody"),
    ],
)
def test_an_error_comes_back_as_what_it_was(error):
    (message,) = host.Decoder().feed(host.encode(host.failure(error)))
    back = host.restore(message["error"])
    assert type(back) is type(error) and str(back) == str(error) and back.message == error.message
    assert back.details() == error.details()


def test_other_exceptions_name_themselves():
    step = host.restore(host.describe(FileNotFoundError(2, "No such file or directory", "/nowhere")))
    assert isinstance(step, errors.StepError) and step.errno == 2 and step.object == "/nowhere"
    assert "KeyError" in str(host.restore(host.describe(KeyError("x"))))
    assert host.restore({"kind": "FromTheFuture", "message": "new"}).__class__ is errors.LxcError
    assert isinstance(host.restore(None), protocol.ProtocolError)


def test_request_and_reply(listener):
    server, path = listener
    serve(server, lambda message: host.encode(host.reply({"echo": message["value"]})))
    assert host.request("echo", {"value": [1, "two"]}, path=path)["echo"] == [1, "two"]


def test_the_monitors_error_is_raised(listener):
    server, path = listener
    serve(server, lambda message: host.encode(host.failure(errors.InUse("Taken"))))
    with pytest.raises(errors.InUse, match="Taken"):
        host.request("start", path=path)


def test_nobody_listens(tmp_path):
    path = str(tmp_path / "none.sock")
    with pytest.raises(host.NoMonitor):
        host.request("ping", path=path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
    with pytest.raises(host.NoMonitor):
        host.request("ping", path=path)


def test_a_monitor_that_hangs_does_not_hang_us(listener):
    _server, path = listener
    with pytest.raises(errors.TimedOut, match="ping"):
        host.request("ping", timeout=0.2, path=path)


def test_a_full_queue_is_waited_for_and_not_forever(listener):
    server, path = listener
    waiting = [socket.socket(socket.AF_UNIX) for _number in range(2)]
    for link in waiting:
        link.connect(path)
    with pytest.raises(errors.TimedOut):
        host.request("ping", timeout=0.2, path=path)

    def make_room():
        for link in waiting:
            server.accept()[0].close()
            link.close()
        serve(server, lambda message: host.encode(host.reply({})))

    threading.Timer(0.1, make_room).start()
    assert host.request("ping", timeout=5, path=path)["ok"]


def test_closed_without_a_reply(listener):
    server, path = listener
    serve(server, lambda message: b"")
    with pytest.raises(protocol.ProtocolError, match="without a reply"):
        host.request("ping", path=path)
