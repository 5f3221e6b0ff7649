# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of LXC's protocol: sizes and places as the C structs have them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def test_header_is_16_bytes_in_native_order():
    assert protocol.pack_request(7, payload=b"key\0") == struct.pack("=iiQ", 7, 4, 0)
    assert protocol.unpack_request(struct.pack("=iiQ", 7, 4, 99)) == (7, 4, 99)
    assert protocol.pack_response(-22, 5, 3) == struct.pack("=iiq", -22, 3, 5)


def test_small_value_is_the_low_half_of_a_pointer():
    assert protocol.unpack_request(protocol.pack_request(0, data=-1)).value == -1
    assert protocol.pack_request(0, data=-1)[8:] == b"\xff" * 8
    assert protocol.Request(0, 0, 0x7FFF00000006).value == 6


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_header_of_another_size_is_refused(size):
    with pytest.raises(protocol.ProtocolError):
        protocol.unpack_request(b"\0" * size)


def test_struct_sizes():
    sizes = [
        protocol.HEADER,
        protocol.STATE_MESSAGE_SIZE,
        protocol.CGROUP_CTX_SIZE,
        protocol.CGROUP_FD_SIZE,
        protocol.CONSOLE_LOG_SIZE,
        protocol.BPF_DEVICE_SIZE,
        protocol.INTEREST_SIZE,
    ]
    assert sizes == [16, 264, 96, 80, 24, 40, 32]


@pytest.mark.parametrize(
    "value",
    [
        protocol.StateMessage(0, "web1", State.STOPPED),
        protocol.CgroupCtx(1, 2, 3),
        protocol.CgroupFd(1, 0, protocol.CGROUP1_MAGIC, "freezer"),
        protocol.ConsoleLog(True, False, 1 << 40, True),
        protocol.BpfDevice("c", 1, -1, "rw", True),
    ],
)
def test_what_is_packed_is_unpacked(value):
    assert type(value).unpack(value.pack()) == value


def test_fields_stand_where_c_puts_them():
    assert protocol.StateMessage(2, "x", 9).pack()[260:] == struct.pack("=i", 9)
    assert protocol.ConsoleLog(False, True, 5, True).pack() == b"\0\1" + b"\0" * 6 + struct.pack("=Q", 5) + b"\1" + b"\0" * 7
    assert protocol.BpfDevice("b", 8, 0, "rwm", False).pack()[:24] == b"b\0\0\0" + struct.pack("=ii", 8, 0) + b"rwm\0" + b"\0" * 8
    assert protocol.CgroupFd(controller="memory").pack()[16:22] == b"memory"
    assert protocol.CgroupCtx(2, 0, 1).pack()[:12] == struct.pack("=iII", 2, 0, 1)


@pytest.mark.parametrize("data", [b"d" + b"\0" * 39, b"c\0\0\0" + b"\0" * 8 + b"rx\0\0" + b"\0" * 24])
def test_a_device_rule_of_nonsense_is_refused(data):
    with pytest.raises(protocol.ProtocolError):
        protocol.BpfDevice.unpack(data)


def test_text_must_end_with_nul():
    assert protocol.unpack_text(b"a\xff\0") == "a\udcff"
    assert protocol.pack_text("a\udcff") == b"a\xff\0"
    for data in (b"", b"abc"):
        with pytest.raises(protocol.ProtocolError):
            protocol.unpack_text(data)


def test_interest_marks_the_states():
    assert protocol.unpack_interest(protocol.pack_interest([State.STOPPED, State.FROZEN])) == (1, 0, 0, 0, 0, 0, 1, 0)
    assert protocol.unpack_interest(protocol.pack_interest([State.RUNNING], survive_reboot=True))[2] == 2


def test_address_is_plain_up_to_105_characters_then_hashed():
    name = "n" * 20
    path = "/" + "p" * (105 - len("/") - len(f"/{name}/command"))
    assert protocol.address(path, name) == f"\0{path}/{name}/command".encode()
    hashed = protocol.address(path + "p", name)
    assert hashed.startswith(b"\0lxc/") and hashed.endswith(b"/command") and len(hashed) == 1 + 4 + 16 + 8


def test_hash_is_fnv1a_64():
    """The function's own published vectors: "" and "foobar"."""
    assert protocol._fnv1a(b"") == 0xCBF29CE484222325
    assert protocol._fnv1a(b"foobar") == 0x85944171F73967E8
