# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that are filled in are, byte for byte, those that pyroute2 encodes; what the kernel's errors become."""

from __future__ import annotations

import importlib.util
import struct

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import netlink, rtmessage

needs_pyroute2 = pytest.mark.skipif(importlib.util.find_spec("pyroute2") is None, reason="pyroute2 is not installed")


def whole(message, kind, flags=5):
    """As pyroute2 encodes it, whole."""
    encoded = netlink._classes["ifaddrmsg" if kind in (20, 21, 22) else "rtmsg" if kind == 24 else "ifinfmsg"]()
    for key, value in message.items():
        encoded[key] = value
    encoded["header"] = {"type": kind, "flags": flags, "sequence_number": 0, "pid": 0}
    encoded.reset()
    encoded.encode()
    return bytes(encoded.data)


def peer(*attributes):
    data = {"attrs": [["VETH_INFO_PEER", {"attrs": list(attributes)}]]}
    return ["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", data]]}]


def link(name, mtu, hwaddr, inner, pid):
    own = [["IFLA_IFNAME", name], ["IFLA_MTU", mtu], ["IFLA_ADDRESS", hwaddr], ["IFLA_MASTER", 7]]
    return {"flags": 1, "change": 1, "attrs": [*own, peer(["IFLA_IFNAME", inner], ["IFLA_MTU", mtu], ["IFLA_NET_NS_PID", pid])]}


def address(index, text, prefix=24):
    family = 10 if ":" in text else 2
    return {"family": family, "prefixlen": prefix, "index": index, "attrs": [["IFA_LOCAL", text], ["IFA_ADDRESS", text]]}


def route(index, destination, gateway):
    family = 10 if ":" in gateway else 2
    return {"family": family, "dst_len": 24, "attrs": [["RTA_OIF", index], ["RTA_DST", destination], ["RTA_GATEWAY", gateway]]}


SAME_FORM = {
    "link": (16, link("a", 1, "02:00:00:00:00:01", "b", 1), link("vethabcdef01234", 65535, "fe:ff:ff:ff:ff:ff", "eth0", 4194304)),
    "alias": (16, {"attrs": [["IFLA_IFNAME", "a"], ["IFLA_IFALIAS", "x"]]}, {"attrs": [["IFLA_IFNAME", "bc"], ["IFLA_IFALIAS", "ü" * 60]]}),
    "no alias": (16, {"attrs": [["IFLA_IFNAME", "a"], ["IFLA_IFALIAS", "x"]]}, {"attrs": [["IFLA_IFNAME", "a"], ["IFLA_IFALIAS", ""]]}),
    "index": (17, {"index": 1, "attrs": []}, {"index": 70000, "attrs": []}),
    "IPv4 address": (20, address(1, "10.0.0.1"), address(513, "192.0.2.255")),
    "IPv6 address": (20, address(1, "fd00::1"), address(2, "2001:db8::ffff")),
    "IPv4 route": (24, route(1, "10.0.0.0", "10.0.0.1"), route(9, "192.0.2.0", "255.0.0.7")),
    "IPv6 route": (24, route(1, "fd00::", "fd00::1"), route(9, "2001:db8::", "fe80::1")),
}


@needs_pyroute2
@pytest.mark.parametrize("case", SAME_FORM)
def test_the_second_of_a_form_is_filled_in_and_the_same_as_pyroute2_encodes_it(case, monkeypatch):
    netlink.preload()
    kind, first, second = SAME_FORM[case]
    monkeypatch.setattr(rtmessage, "_forms", {})
    encoded = []

    def encode(fields, attributes):
        encoded.append(kind)
        return whole({**fields, "attrs": attributes}, kind)

    for message in (first, second):
        fields = {key: value for key, value in message.items() if key != "attrs"}
        assert unpadded(rtmessage.fill(kind, fields, message["attrs"], encode)) == unpadded(whole(message, kind))
    assert encoded == [kind]


def unpadded(data):
    """(the head, {number: value}) with names without their NULs, of which any number may follow."""
    start = 16 + {20: 8, 24: 12}.get(data[4], 16)
    assert struct.unpack_from("=I", data)[0] == len(data)
    return bytes(data[4:start]), nested(bytes(data[start:]))


def nested(data):
    """Attributes with those that hold attributes taken apart: link information, its data, and the peer behind its own struct."""
    found = {number: value.rstrip(b"\0") for number, value in rtmessage.attributes(data).items()}
    information = rtmessage.attributes(data).get(18)
    if information:
        inside = rtmessage.attributes(information)
        peer = rtmessage.attributes(inside[2])
        assert len(peer) == 1
        one, value = peer.popitem()
        found[18] = inside[1], one, value[:16], nested(value[16:])
    return found


@needs_pyroute2
@pytest.mark.parametrize("wrong", ["x" * 16, ""])
def test_a_name_that_fits_no_place_goes_as_it_is(wrong, monkeypatch):
    """The kernel says what is wrong with it."""
    netlink.preload()
    monkeypatch.setattr(rtmessage, "_forms", {})
    message = {"attrs": [["IFLA_IFNAME", wrong]]}
    filled = rtmessage.fill(18, {}, message["attrs"], lambda fields, attributes: whole({**fields, "attrs": attributes}, 18))
    assert filled == whole(message, 18)


def test_forms_are_told_apart(monkeypatch):
    """By the kind of request, by each value that has no place, and by which attributes there are."""
    monkeypatch.setattr(rtmessage, "_forms", {})
    asked = []

    def encode(fields, attributes):
        asked.append((dict(fields), list(attributes)))
        return bytes(64) + b"".join(b"#" * 15 + b"\0" for key, _value in attributes if key == "IFLA_IFNAME")

    name = ["IFLA_IFNAME", "a"]
    for kind, fields, attributes in (
        (16, {}, [name]),
        (17, {}, [name]),
        (16, {"flags": 1}, [name]),
        (16, {}, []),
        (16, {}, [["IFLA_EXT_MASK", 1]]),
        (16, {}, [["IFLA_EXT_MASK", 2]]),
    ):
        rtmessage.fill(kind, fields, attributes, encode)
    assert len(asked) == 6
    rtmessage.fill(16, {"flags": 1}, [["IFLA_IFNAME", "other"]], encode)
    assert len(asked) == 6


def acknowledgement(code, *attributes):
    body = struct.pack("=i", -code) + bytes(16)
    for kind, value in attributes:
        body += struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return body


def test_the_kernels_own_words_are_in_the_error():
    rtmessage.check(acknowledgement(0), "x")
    with pytest.raises(FileExistsError) as caught:
        rtmessage.check(acknowledgement(17, (2, struct.pack("=I", 36)), (1, b"Already there\0")), "veth1")
    assert caught.value.strerror == "File exists (Already there)"
    assert caught.value.filename == "veth1"
    with pytest.raises(OSError, match=r"\[Errno 22\] Invalid argument: 'x'"):
        rtmessage.check(acknowledgement(22), "x")


def test_an_attribute_of_no_length_ends_too():
    with pytest.raises(OSError, match="Invalid argument"):
        rtmessage.check(acknowledgement(22) + bytes(8), "x")


def test_answers_to_other_requests_are_left_out():
    def message(sequence, kind=16, flags=0):
        return struct.pack("=IHHII", 20, kind, flags, sequence, 0) + b"body"

    assert [whole for _kind, _flags, whole in rtmessage.split(message(4) + message(5) + message(5, 3), 5)] == [message(5), message(5, 3)]
    assert list(rtmessage.split(bytes(16), 0)) == [(0, 0, b"")]
