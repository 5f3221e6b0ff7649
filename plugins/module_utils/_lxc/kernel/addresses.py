# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces and addresses of another process's network namespace, read by rtnetlink(7) through a socket that was made there.

A socket belongs to the namespace in which it was made, so its thread stays there for one call only. This file stands alone and is
short on purpose: it is loaded by every task that looks at a running container.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

# linux/rtnetlink.h, linux/if_addr.h
ADDRESS_EVENTS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_GETLINK, _GETADDR, _DONE, _ERROR = 18, 22, 3, 2
_REQUEST_DUMP = 0x1 | 0x300
_IFLA_IFNAME, _IFA_ADDRESS, _IFA_LOCAL = 3, 1, 2
_IFF_LOOPBACK, _IFA_F_TENTATIVE, _SCOPE_UNIVERSE = 0x8, 0x40, 0
_CLONE_NEWNET = 0x40000000

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ATTRIBUTE = struct.Struct("=HH")


class Interfaces(NamedTuple):
    """The loopback interface is left out, and so are addresses that are not global or not usable yet."""

    names: list[str]
    ipv4: list[str]
    ipv6: list[str]


def of_process(pid: int) -> Interfaces:
    """Of the namespace that this process is in."""
    with open_in(pid) as link:
        links = dict(_links(link))
        found: dict[int, list[str]] = {socket.AF_INET: [], socket.AF_INET6: []}
        for index, family, address in _addresses(link):
            if index in links and family in found:
                found[family].append(address)
    return Interfaces(list(links.values()), found[socket.AF_INET], found[socket.AF_INET6])


def open_in(pid: int, events: int = 0) -> socket.socket:
    """A socket of that process's network namespace; with `events` it becomes readable when one comes."""
    path = f"/proc/{pid}/ns/net"
    there_fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        here_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there_fd, path)
            try:
                link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            finally:
                _setns(here_fd, "/proc/thread-self/ns/net")
        finally:
            os.close(here_fd)
    finally:
        os.close(there_fd)
    link.bind((0, events))
    return link


def _setns(namespace_fd: int, path: str) -> None:
    """setns(2); Python has it since 3.12."""
    if hasattr(os, "setns"):
        os.setns(namespace_fd, _CLONE_NEWNET)
        return
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(namespace_fd, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def _links(link: socket.socket) -> Iterator[tuple[int, str]]:
    for body in _dump(link, _GETLINK, _LINK.size):
        index, flags = _LINK.unpack_from(body)[2:4]
        if not flags & _IFF_LOOPBACK:
            yield index, _attributes(body[_LINK.size :])[_IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "replace")


def _addresses(link: socket.socket) -> Iterator[tuple[int, int, str]]:
    for body in _dump(link, _GETADDR, _ADDRESS.size):
        family, _prefix, flags, scope, index = _ADDRESS.unpack_from(body)
        attributes = _attributes(body[_ADDRESS.size :])
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if address and scope == _SCOPE_UNIVERSE and not flags & _IFA_F_TENTATIVE:
            yield index, family, socket.inet_ntop(family, address)


def _dump(link: socket.socket, kind: int, size: int) -> Iterator[bytes]:
    link.sendto(_HEADER.pack(_HEADER.size + size, kind, _REQUEST_DUMP, 1, 0) + bytes(size), (0, 0))
    while True:
        data = link.recv(1 << 16)
        while data:
            length, answer = _HEADER.unpack_from(data)[:2]
            body, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
            if answer == _DONE:
                return
            if answer == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, os.strerror(number), "rtnetlink")
            yield body


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]
        data = data[max((length + 3) & ~3, _ATTRIBUTE.size) :]
    return found
