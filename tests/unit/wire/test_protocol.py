# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of LXC's protocol: sizes and places as the C structs have them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import protocol


def test_header_is_16_bytes_in_native_order():
    assert protocol.HEADER == 16
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


def test_text_must_end_with_nul():
    assert protocol.unpack_text(b"a\xff\0") == "a\udcff"
    assert protocol.pack_text("a\udcff") == b"a\xff\0"
    for data in (b"", b"abc"):
        with pytest.raises(protocol.ProtocolError):
            protocol.unpack_text(data)


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
