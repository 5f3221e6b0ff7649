# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of our own network namespace by getifaddrs(3) and ethtool's ioctl: quick to load, without netlink classes or sysfs.

The C library may open files for it, so never call this after entering a container's mount namespace.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
from typing import Any, NamedTuple, Optional

# linux/sockios.h, linux/ethtool.h
_SIOCETHTOOL, _ETHTOOL_GDRVINFO = 0x8946, 3
_DRIVER_INFO_SIZE = 196
_IFF_UP, _AF_PACKET = 1, 17


class Address(NamedTuple):
    """`family` is 4 or 6."""

    interface: str
    family: int
    address: str
    prefix: int

    @property
    def is_link_local(self) -> bool:
        return self.address.startswith(("169.254.", "fe8", "fe9", "fea", "feb"))


class Interface(NamedTuple):
    """One interface with its addresses in the kernel's order."""

    name: str
    up: bool
    hwaddr: str
    addresses: list[Address]


class _Entry(ctypes.Structure):
    """struct ifaddrs"""


_Entry._fields_ = [
    ("next", ctypes.POINTER(_Entry)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
    ("other", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def read() -> dict[str, Interface]:
    """All of them, by name."""
    library: Any = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Entry)()
    if library.getifaddrs(ctypes.byref(first)):
        number = ctypes.get_errno()
        raise OSError(number, "getifaddrs failed", "the interfaces")
    try:
        return _collect(first)
    finally:
        library.freeifaddrs(first)


def _collect(first: Any) -> dict[str, Interface]:
    found: dict[str, Interface] = {}
    entry = first
    while entry:
        one = entry.contents
        name = one.name.decode("utf-8", "surrogateescape")
        family = ctypes.c_ushort.from_address(one.address).value if one.address else 0
        known = found.setdefault(name, Interface(name, bool(one.flags & _IFF_UP), "", []))
        if family == _AF_PACKET:
            found[name] = known._replace(hwaddr=_hwaddr(one.address))
        address = _address(name, family, one)
        if address:
            known.addresses.append(address)
        entry = one.next
    return found


def _hwaddr(place: int) -> str:
    """struct sockaddr_ll: the length at 11, the address from 12 on."""
    length = ctypes.c_ubyte.from_address(place + 11).value
    return ":".join(f"{octet:02x}" for octet in ctypes.string_at(place + 12, min(length, 8)))


def _address(name: str, family: int, one: Any) -> Optional[Address]:
    if family == socket.AF_INET:
        offset, size, version = 4, 4, 4
    elif family == socket.AF_INET6:
        offset, size, version = 8, 16, 6
    else:
        return None
    mask = ctypes.string_at(one.netmask + offset, size) if one.netmask else b"\xff" * size
    prefix = bin(int.from_bytes(mask, "big")).count("1")
    return Address(name, version, socket.inet_ntop(family, ctypes.string_at(one.address + offset, size)), prefix)


def driver(name: str) -> str:
    """What drives it: "bridge", "veth", a card's driver; "" where nothing says. Raises OSError where there is no such interface."""
    info = ctypes.create_string_buffer(_DRIVER_INFO_SIZE)
    ctypes.c_uint32.from_buffer(info).value = _ETHTOOL_GDRVINFO
    request = ctypes.create_string_buffer(name.encode(), 40)  # struct ifreq
    ctypes.c_void_p.from_buffer(request, 16).value = ctypes.addressof(info)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        try:
            fcntl.ioctl(control, _SIOCETHTOOL, request)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return ""
            raise OSError(error.errno, error.strerror, name) from None
    return info.raw[4:36].partition(b"\0")[0].decode("ascii", "replace")
