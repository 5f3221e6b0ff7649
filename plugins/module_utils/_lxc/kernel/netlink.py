# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes by rtnetlink(7): pyroute2's message classes over a small socket of our own.

pyroute2's package costs 80 to 300 ms and 25 MB to import; its message classes alone, without the package's own
initialisation, 30 to 50 ms. Any of 0.7.2 to 0.9 will do.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import socket
import struct
import sys
import types
from collections.abc import Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Any, NamedTuple, Optional

from ..errors import Unsupported

_HEADER = struct.Struct("=IHHII")
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE, _REPLACE = 0x1, 0x4, 0x300, 0x200, 0x400, 0x100
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK, _SETLINK, _NEWADDR, _GETADDR, _NEWROUTE = 16, 17, 18, 19, 20, 22, 24
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_IFF_UP = 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_IFA_F_NODAD = 0x02
_classes: dict[str, Any] = {}


def preload() -> None:
    """Import the message classes now. Raises Unsupported where pyroute2 is missing."""
    if _classes:
        return
    found = importlib.util.find_spec("pyroute2")
    if found is None or not found.submodule_search_locations:
        raise Unsupported(f"{sys.executable} has no pyroute2", "apt install python3-pyroute2, or pip install pyroute2")
    whole = sys.modules.get("pyroute2")
    if whole is None:
        bare = types.ModuleType("pyroute2")
        bare.__path__ = list(found.submodule_search_locations)
        sys.modules["pyroute2"] = bare
    try:
        for name in ("ifinfmsg", "ifaddrmsg", "rtmsg"):
            _classes[name] = getattr(importlib.import_module(f"pyroute2.netlink.rtnl.{name}"), name)
    finally:
        if whole is None:
            del sys.modules["pyroute2"]  # whoever imports the package later gets the real one


class Link(NamedTuple):
    """One interface of a network namespace; `master` is an index, 0 for none."""

    index: int
    name: str
    kind: str
    master: int
    up: bool
    mtu: int
    hwaddr: str
    alias: str


class Netlink:
    """A socket of the calling thread's network namespace. Every request raises OSError about its object, with the kernel's words."""

    def __init__(self) -> None:
        preload()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def links(self) -> list[Link]:
        """All of them."""
        message = _classes["ifinfmsg"]()
        return [_link(data) for data in self._ask(message, _GETLINK, _DUMP, "the interfaces")]

    def find(self, name: str) -> Optional[Link]:
        """The interface of that name, or None."""
        message = _classes["ifinfmsg"]()
        message["attrs"] = [["IFLA_IFNAME", name]]
        try:
            answers = self._ask(message, _GETLINK, 0, name)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return _link(answers[0]) if answers else None

    def link_index(self, name: str) -> Optional[int]:
        """Its number, or None."""
        link = self.find(name)
        return link.index if link else None

    def _index(self, name: str) -> int:
        index = self.link_index(name)
        if index is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
        return index

    def create(self, name: str, kind: str, attributes: Mapping[str, Any] = {}, data: Sequence[Any] = (), up: bool = False) -> None:
        """Make a link; `attributes` are IFLA_ names without the prefix, `data` the kind's own."""
        message = _classes["ifinfmsg"]()
        info: list[Any] = [["IFLA_INFO_KIND", kind]]
        if data:
            info.append(["IFLA_INFO_DATA", {"attrs": list(data)}])
        message["flags"] = message["change"] = _IFF_UP if up else 0
        message["attrs"] = [["IFLA_IFNAME", name], *_attributes(attributes), ["IFLA_LINKINFO", {"attrs": info}]]
        self._ask(message, _NEWLINK, _CREATE | _EXCL, name)

    def create_veth(
        self,
        host_name: str,
        peer_name: str,
        peer_netns: Mapping[str, int],
        master: Optional[str] = None,
        mtu: int = 0,
        hwaddr: str = "",
        host_hwaddr: str = "",
    ) -> None:
        """The pair in one message: both ends named, the host's end up and in its bridge, the peer in `peer_netns`.

        `peer_netns` is {"pid": N} or {"fd": N}. The peer must be raised from inside.
        """
        where = [["IFLA_NET_NS_PID" if key == "pid" else "IFLA_NET_NS_FD", value] for key, value in peer_netns.items()]
        peer = [["IFLA_IFNAME", peer_name], *_attributes({"MTU": mtu, "ADDRESS": hwaddr}), *where]
        master_index = self._index(master) if master else 0
        attributes = {"MTU": mtu, "ADDRESS": host_hwaddr, "MASTER": master_index}
        self.create(host_name, "veth", attributes, [["VETH_INFO_PEER", {"attrs": peer}]], up=True)

    def create_bridge(self, name: str) -> None:
        self.create(name, "bridge")

    def change(self, name: str, attributes: Mapping[str, Any] = {}, up: Optional[bool] = None) -> None:
        """Set IFLA_ attributes, and the state when said."""
        message = _classes["ifinfmsg"]()
        message["index"] = self._index(name)
        if up is not None:
            message["flags"], message["change"] = _IFF_UP if up else 0, _IFF_UP
        message["attrs"] = _attributes(attributes)
        self._ask(message, _NEWLINK, 0, name)

    def set_up(self, name: str) -> None:
        self.change(name, up=True)

    def set_down(self, name: str) -> None:
        self.change(name, up=False)

    def rename(self, old: str, new: str) -> None:
        self.change(old, {"IFNAME": new})

    def set_master(self, name: str, master: Optional[str]) -> None:
        message = _classes["ifinfmsg"]()
        message["index"] = self._index(name)
        message["attrs"] = [["IFLA_MASTER", self._index(master) if master else 0]]
        self._ask(message, _NEWLINK, 0, name)

    def set_alias(self, name: str, alias: str) -> None:
        """A text for administrators (ip-link(8), alias): our mark."""
        self.change(name, {"IFALIAS": alias})

    def set_netns(self, name: str, pid: int) -> None:
        self.change(name, {"NET_NS_PID": pid})

    def delete(self, name: str) -> None:
        message = _classes["ifinfmsg"]()
        message["index"] = self._index(name)
        self._ask(message, _DELLINK, 0, name)

    def add_address(self, name: str, cidr: str, broadcast: str = "") -> None:
        """One that is there already is no error. IPv6 is usable at once: no duplicate detection in a namespace of our own."""
        interface = ip_interface(cidr)
        message = _classes["ifaddrmsg"]()
        message["family"] = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        message["prefixlen"] = interface.network.prefixlen
        message["index"] = self._index(name)
        message["flags"] = 0 if interface.version == 4 else _IFA_F_NODAD
        message["attrs"] = [["IFA_LOCAL", str(interface.ip)], ["IFA_ADDRESS", str(interface.ip)]]
        if interface.version == 4 and interface.network.prefixlen < 31:
            message["attrs"] += [["IFA_BROADCAST", broadcast or str(interface.network.broadcast_address)]]
        self._ask(message, _NEWADDR, _CREATE | _REPLACE, f"{cidr} on {name}")

    def addresses(self, index: int, version: int) -> list[str]:
        """The addresses of one interface, without prefix, in the kernel's order."""
        message = _classes["ifaddrmsg"]()
        message["family"] = socket.AF_INET if version == 4 else socket.AF_INET6
        found = []
        for data in self._ask(message, _GETADDR, _DUMP, "the addresses"):
            answer = _classes["ifaddrmsg"](data)
            answer.decode()
            if answer["index"] == index:
                found.append(answer.get_attr("IFA_LOCAL") or answer.get_attr("IFA_ADDRESS"))
        return found

    def add_route(self, destination: str, gateway: str, name: str) -> None:
        """`destination` is a network or "default"; without a gateway it is on the link."""
        network = ip_network(destination, strict=False) if destination != "default" else None
        version = network.version if network else ip_interface(gateway).version
        message = _classes["rtmsg"]()
        message["family"] = socket.AF_INET if version == 4 else socket.AF_INET6
        message["dst_len"] = network.prefixlen if network else 0
        message["table"], message["proto"], message["type"] = 254, 3, 1
        message["scope"] = _SCOPE_UNIVERSE if gateway else _SCOPE_LINK
        message["attrs"] = [["RTA_OIF", self._index(name)]]
        if network:
            message["attrs"] += [["RTA_DST", str(network.network_address)]]
        if gateway:
            message["attrs"] += [["RTA_GATEWAY", gateway]]
        self._ask(message, _NEWROUTE, _CREATE | _REPLACE, f"route to {destination} by {gateway or name}")

    def _ask(self, message: Any, kind: int, flags: int, about: str) -> list[bytes]:
        """Send one request and return the answers' bytes, up to the acknowledgement."""
        self._sequence += 1
        message["header"] = {
            "type": kind,
            "flags": _REQUEST | flags | (0 if flags == _DUMP else _ACK),
            "sequence_number": self._sequence,
            "pid": 0,
        }
        message.encode()
        self._socket.send(bytes(message.data))
        answers: list[bytes] = []
        while True:
            for code, body, whole in _split(self._socket.recv(1 << 20), self._sequence):
                if code == _NLMSG_ERROR:
                    _check(body, about)
                    return answers
                if code == _NLMSG_DONE:
                    return answers
                answers.append(whole)


def _attributes(wanted: Mapping[str, Any]) -> list[list[Any]]:
    return [[f"IFLA_{name}", value] for name, value in wanted.items() if value not in ("", 0, None)]


def _split(data: bytes, sequence: int) -> list[tuple[int, bytes, bytes]]:
    """(type, body, whole) of each message of one datagram that answers this request."""
    found = []
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _flags, number, _pid = _HEADER.unpack_from(data, offset)
        if number == sequence:
            found.append((kind, data[offset + _HEADER.size : offset + length], data[offset : offset + length]))
        offset += (length + 3) & ~3
    return found


def _check(body: bytes, about: str) -> None:
    """Raise what an NLMSG_ERROR says, with the text of its extended acknowledgement where there is one (netlink(7))."""
    code = -struct.unpack_from("=i", body)[0]
    if not code:
        return
    text, offset = "", 4 + _HEADER.size
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if kind & 0x7FFF == 1:
            text = body[offset + 4 : offset + length].rstrip(b"\0").decode("utf-8", "replace")
        offset += max((length + 3) & ~3, 4)
    raise OSError(code, os.strerror(code) + (f" ({text})" if text else ""), about)


def _link(data: bytes) -> Link:
    message = _classes["ifinfmsg"](data)
    message.decode()
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else ""
    get = message.get_attr
    up = bool(message["flags"] & _IFF_UP)
    return Link(message["index"], get("IFLA_IFNAME"), kind or "", get("IFLA_MASTER") or 0, up, get("IFLA_MTU") or 0, get("IFLA_ADDRESS") or "", get("IFLA_IFALIAS") or "")
