# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rtnetlink(7) as bytes: requests of a form that was encoded before are filled in, and answers are taken apart.

pyroute2 takes 0.3 to 2 ms to encode a request and touches hundreds of pages, which a forked launcher has to copy first. Two
requests of one form differ only in values of a known size: the form is encoded once, with marks in the places of the values.
Forms can be handed to another process, which then does without pyroute2.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

HEADER = struct.Struct("=IHHII")
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg, linux/rtnetlink.h
ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg, linux/if_addr.h
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_NAME_SIZE = 16  # IFNAMSIZ, netdevice(7)
# Values of a message's struct that have a place: the interface's number, and the length of a prefix.
_FIELDS = {"index": ("=i", 20), "prefixlen": ("=B", 17), "dst_len": ("=B", 17)}

Attributes = Sequence[Sequence[Any]]
Encode = Callable[[Mapping[str, Any], Attributes], bytes]


class _Place(NamedTuple):
    """How a value looks on its way, and what stands for the n-th of its kind in the form."""

    encode: Callable[[Any], Optional[bytes]]
    mark: Callable[[int], Any]


def _name(value: str) -> Optional[bytes]:
    data = value.encode()
    return data.ljust(_NAME_SIZE, b"\0") if 0 < len(data) < _NAME_SIZE else None


def _hwaddr(value: str) -> Optional[bytes]:
    data = bytes.fromhex(value.replace(":", ""))
    return data if len(data) == 6 else None


_name_place = _Place(_name, lambda n: chr(0x23 + n) * (_NAME_SIZE - 1))
_number_place = _Place(_NUMBER.pack, lambda n: 0x5A5AA500 + n)
_hwaddr_place = _Place(_hwaddr, lambda n: f"02:5a:a5:5a:a5:{n:02x}")
_address4_place = _Place(socket.inet_aton, lambda n: f"90.165.90.{n}")
_address6_place = _Place(lambda value: socket.inet_pton(socket.AF_INET6, value), lambda n: f"fd5a:a5a5::{n + 1:x}")
_NUMBERS = "IFLA_MTU IFLA_MASTER IFLA_NET_NS_PID IFLA_NET_NS_FD IFLA_NUM_TX_QUEUES IFLA_NUM_RX_QUEUES RTA_OIF".split()
_PLACES = {"IFLA_IFNAME": _name_place, "IFLA_ADDRESS": _hwaddr_place, **dict.fromkeys(_NUMBERS, _number_place)}
_ADDRESSES = ("IFA_LOCAL", "IFA_ADDRESS", "IFA_BROADCAST", "RTA_DST", "RTA_GATEWAY")
_TAIL, _TAIL_MARK = "IFLA_IFALIAS", "hostkit" * 3


class _Form(NamedTuple):
    """The bytes with marks, and where the values belong; `tail` is where a last text of any length begins (0: none)."""

    data: bytes
    places: list[int]
    tail: int


_forms: dict[str, _Form] = {}


def forms() -> dict[str, list[Any]]:
    """Those that are known, as JSON values for `take_over` in another process."""
    return {key: [form.data.hex(), form.places, form.tail] for key, form in _forms.items()}


def take_over(given: Mapping[str, Sequence[Any]]) -> None:
    """Know these forms from now on."""
    _forms.update({key: _Form(bytes.fromhex(data), places, tail) for key, (data, places, tail) in given.items()})


def fill(kind: int, fields: Mapping[str, Any], attributes: Attributes, encode: Encode) -> bytearray:
    """One request. `encode(fields, attributes)` is called only for a form that was not met before."""
    values: list[bytes] = []
    marks: list[Any] = []
    tail = attributes[-1][1].encode() if attributes and attributes[-1][0] == _TAIL else None
    form = _mark(attributes if tail is None else [*attributes[:-1], (_TAIL, _TAIL_MARK)], values, marks)
    plain = {field: 0 if field in _FIELDS else value for field, value in fields.items()}
    key = f"{kind} {plain} {form}"
    known = _forms.get(key)
    if known is None:
        known = _forms[key] = _form(encode(plain, form), marks, tail is not None)
    data = bytearray(known.data)
    for place, value in zip(known.places, values):
        data[place : place + len(value)] = value
    for field, value in fields.items():
        if field in _FIELDS:
            layout, offset = _FIELDS[field]
            struct.pack_into(layout, data, offset, value)
    return data if tail is None else _with_tail(data, known.tail, tail + b"\0")


def _mark(attributes: Attributes, values: list[bytes], marks: list[Any]) -> list[tuple[str, Any]]:
    """The attributes with marks; what has no place stays, and is a part of the form."""
    marked: list[tuple[str, Any]] = []
    for key, value in attributes:
        if isinstance(value, Mapping):
            marked.append((key, {"attrs": _mark(value["attrs"], values, marks)}))
            continue
        place = _PLACES.get(key)
        if place is None and key in _ADDRESSES:
            place = _address6_place if ":" in value else _address4_place
        data = place.encode(value) if place else None
        if place and data is not None:
            value = place.mark(len(values))
            values.append(data)
            marks.append(place.encode(value))
        marked.append((key, value))
    return marked


def _form(data: bytes, marks: Sequence[bytes], has_tail: bool) -> _Form:
    return _Form(data, [data.index(mark) for mark in marks], data.index(_TAIL_MARK.encode()) if has_tail else 0)


def _with_tail(data: bytearray, start: int, text: bytes) -> bytearray:
    """The last attribute, and so the message, gets another length."""
    data[start:] = text + bytes(-len(text) % 4)
    _ATTRIBUTE.pack_into(
        data, start - _ATTRIBUTE.size, _ATTRIBUTE.size + len(text), _ATTRIBUTE.unpack_from(data, start - _ATTRIBUTE.size)[1]
    )
    _NUMBER.pack_into(data, 0, len(data))
    return data


def split(data: bytes, sequence: int) -> Iterator[tuple[int, int, bytes]]:
    """(type, flags, the whole message) of each message in one datagram that answers this request."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, number, _pid = HEADER.unpack_from(data, offset)
        if number == sequence:
            yield kind, flags, data[offset : offset + length]
        offset += max((length + 3) & ~3, HEADER.size)


def attributes(data: bytes) -> dict[int, bytes]:
    """By number, of what follows a message's struct, or of a nested attribute."""
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        found[kind & 0x3FFF] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += max((length + 3) & ~3, _ATTRIBUTE.size)
    return found


def text(data: Optional[bytes]) -> str:
    """Of an attribute that ends with NUL; none is the empty text."""
    return data.partition(b"\0")[0].decode("utf-8", "replace") if data else ""


def number(data: Optional[bytes]) -> int:
    """Of an attribute of 32 bits; none is 0."""
    return int(_NUMBER.unpack_from(data)[0]) if data else 0


def check(body: bytes, about: str) -> None:
    """Raise what an NLMSG_ERROR says, with the text of its extended acknowledgement where there is one (netlink(7)).

    With NETLINK_CAP_ACK the header of the request stands between the number and the attributes, and nothing more of it.
    """
    code = -struct.unpack_from("=i", body)[0]
    if code:
        said = text(attributes(body[4 + HEADER.size :]).get(1))
        raise OSError(code, os.strerror(code) + (f" ({said})" if said else ""), about)
