# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes by rtnetlink(7): pyroute2's message classes encode, over a small socket of our own.

pyroute2's package costs 80 to 300 ms and 25 MB to import; its message classes alone, without the package's own
initialisation, 25 to 60 ms. Any of 0.7.2 to 0.9 will do. What was encoded once is filled in again (`rtmessage`).
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import socket
import struct
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, Optional, Union

from ..errors import Unsupported
from . import rtmessage

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_REQUEST, _ACK, _DUMP, _EXCL, _CREATE, _REPLACE = 0x1, 0x4, 0x300, 0x200, 0x400, 0x100
_DUMP_INTERRUPTED = 0x10
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR, _NEWROUTE = 20, 21, 22, 24
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_SKIP_STATISTICS = 8
_IFF_UP = 1
_SCOPE_UNIVERSE, _SCOPE_LINK, _TABLE_MAIN, _PROTOCOL_BOOT, _UNICAST = 0, 253, 254, 3, 1
_IFA_F_NODAD = 0x02
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_MESSAGES = ("ifinfmsg", "ifaddrmsg", "rtmsg")
_KINDS = {_NEWADDR: "ifaddrmsg", _DELADDR: "ifaddrmsg", _GETADDR: "ifaddrmsg", _NEWROUTE: "rtmsg"}  # the rest is about links
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_IFALIAS, _INFO_KIND = 1, 3, 4, 10, 18, 20, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_DUMP_SIZE, _SIZE = 1 << 17, 1 << 15
_SEQUENCE = 8  # its place in struct nlmsghdr
_classes: dict[str, Any] = {}
_learned: list[bool] = []  # whether the forms of `rehearse` are known without the classes
_NONE: Mapping[str, Any] = types.MappingProxyType({})


def preload() -> None:
    """Import the message classes now, unless a child has encoded what is needed (`learn`). Raises Unsupported where pyroute2 is missing."""
    if not _learned:
        _load()


def _load() -> None:
    """The package is a bare one while its classes load, and afterwards sys.modules is as it was: whoever imports it gets a whole one."""
    if _classes:
        return
    places = check()
    before = _take_away()
    bare = types.ModuleType("pyroute2")
    bare.__path__ = places
    sys.modules["pyroute2"] = bare
    try:
        loaded = {name: getattr(importlib.import_module(f"pyroute2.netlink.rtnl.{name}"), name) for name in _MESSAGES}
    except (ImportError, AttributeError) as error:
        raise Unsupported(f"pyroute2 in {bare.__path__[0]} cannot be used: {error}", "Versions 0.7.2 to 0.9 are known to work") from error
    finally:
        _take_away()
        sys.modules.update(before)
    _classes.update(loaded)


def check() -> list[str]:
    """Where pyroute2 is, without importing it. Raises Unsupported where it is missing."""
    found = importlib.util.find_spec("pyroute2")
    if found is None or not found.submodule_search_locations:
        hint = "Install it on the target: apt install python3-pyroute2, or pip install pyroute2"
        raise Unsupported(f"pyroute2 is missing: {sys.executable} does not find it", hint)
    return list(found.submodule_search_locations)


def _take_away() -> dict[str, types.ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]
    return {name: sys.modules.pop(name) for name in names}


def rehearse() -> None:
    """Encode one request of each form that a start sends, sending nothing."""
    preload()
    rehearsal = _Rehearsal()
    hwaddr = "fe:00:00:00:00:00"
    for own in ({"MTU": 1}, {}):
        for peer in ({**own, "ADDRESS": hwaddr}, own):
            for master in ("c", ""):
                rehearsal.create_veth("a", "b", {"pid": 1}, master=master, attributes={**own, "ADDRESS": hwaddr}, peer_attributes=peer)
    rehearsal.find("a")
    rehearsal.set_alias("a", "b")
    rehearsal.set_up("a")
    rehearsal.rename("a", "b")
    rehearsal.delete_index(1, "a")
    for address, prefix in (("10.0.0.1", 24), ("10.0.0.1", 31), ("fd00::1", 64)):
        version = 6 if ":" in address else 4
        rehearsal.addresses(1, version)
        rehearsal.add_address("a", address, prefix)
        for destination, gateway in (("", ""), ("", address), (address, "")):
            rehearsal.add_route("a", version, destination, prefix, gateway)


def learn() -> None:
    """Have a child `rehearse`, and take over its bytes: this process, and whoever it forks, then does without pyroute2's 2.5 MiB.

    A form that was not rehearsed still loads it. Raises Unsupported where it is missing.
    """
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        _teach(write_fd)
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    answer = json.loads(said or b"{}")
    if "forms" not in answer:
        raise Unsupported(answer.get("error", "The process that was to encode netlink messages ended"), answer.get("hint", ""))
    rtmessage.take_over(answer["forms"])
    _learned.append(True)


def _teach(write_fd: int) -> NoReturn:
    """In the child: everything that can be said, as one JSON object."""
    try:
        try:
            rehearse()
            answer: dict[str, object] = {"forms": rtmessage.forms()}
        except Unsupported as error:
            answer = {"error": error.message, "hint": error.hint}
        except Exception as error:
            answer = {"error": f"pyroute2 cannot be used: {type(error).__name__}: {error}"}
        with open(write_fd, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


class Link(NamedTuple):
    """One interface of a network namespace; `master` is an index, 0 for none."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
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
        message = {"attrs": [["IFLA_EXT_MASK", _SKIP_STATISTICS]]}
        return [_link(data) for data in self._ask(message, _GETLINK, _DUMP, "the interfaces")]

    def find(self, name: str) -> Optional[Link]:
        """The interface of that name, or None."""
        message = {"attrs": [["IFLA_IFNAME", name], ["IFLA_EXT_MASK", _SKIP_STATISTICS]]}
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

    def create(self, name: str, kind: str, attributes: Mapping[str, Any] = _NONE, data: Sequence[Any] = (), up: bool = False) -> None:
        """Make a link; `attributes` are IFLA_ names without the prefix, `data` the kind's own."""
        info: list[Any] = [["IFLA_INFO_KIND", kind]]
        if data:
            info.append(["IFLA_INFO_DATA", {"attrs": list(data)}])
        flags = _IFF_UP if up else 0
        attrs = [["IFLA_IFNAME", name], *_attributes(attributes), ["IFLA_LINKINFO", {"attrs": info}]]
        self._ask({"flags": flags, "change": flags, "attrs": attrs}, _NEWLINK, _CREATE | _EXCL, name)

    def create_veth(
        self,
        host_name: str,
        peer_name: str,
        peer_netns: Mapping[str, int],
        *,
        master: Union[Link, str, None] = None,
        attributes: Mapping[str, Any] = _NONE,
        peer_attributes: Mapping[str, Any] = _NONE,
    ) -> None:
        """The pair in one message: both ends named, the host's end up and in its bridge, the peer in `peer_netns`.

        `peer_netns` is {"pid": N} or {"fd": N}. The peer must be raised from inside: it loses IFF_UP on its way.
        """
        peer = [["IFLA_IFNAME", peer_name], *_attributes(peer_attributes), *_namespace(peer_netns)]
        index = master.index if isinstance(master, Link) else self._index(master) if master else 0
        self.create(host_name, "veth", {**attributes, "MASTER": index}, [["VETH_INFO_PEER", {"attrs": peer}]], up=True)

    def create_bridge(self, name: str, hwaddr: str = "") -> None:
        """With an address of its own, which then does not follow the ports'."""
        self.create(name, "bridge", {"ADDRESS": hwaddr})

    def change(self, name: str, attributes: Sequence[Sequence[Any]] = (), up: Optional[bool] = None) -> None:
        """Set attributes by their full names, and the state when said."""
        message: dict[str, Any] = {"attrs": [["IFLA_IFNAME", name], *attributes]}  # without an index the name says which
        if up is not None:
            message["flags"], message["change"] = _IFF_UP if up else 0, _IFF_UP
        self._ask(message, _NEWLINK, 0, name)

    def set_up(self, name: str) -> None:
        self.change(name, up=True)

    def set_down(self, name: str) -> None:
        self.change(name, up=False)

    def rename(self, old: str, new: str) -> None:
        """An interface that is up may be refused (Linux before 6.2)."""
        self._ask({"index": self._index(old), "attrs": [["IFLA_IFNAME", new]]}, _NEWLINK, 0, f"{old} to {new}")

    def set_mtu(self, name: str, mtu: int) -> None:
        self.change(name, [["IFLA_MTU", mtu]])

    def set_hwaddr(self, name: str, hwaddr: str) -> None:
        self.change(name, [["IFLA_ADDRESS", hwaddr]])

    def set_master(self, name: str, master: str) -> None:
        """Into that bridge; "" is out of it."""
        self.change(name, [["IFLA_MASTER", self._index(master) if master else 0]])

    def set_alias(self, name: str, alias: str) -> None:
        """A text for administrators (ip-link(8), alias), at most 255 bytes."""
        self.change(name, [["IFLA_IFALIAS", alias]])

    def set_netns(self, name: str, netns: Mapping[str, int]) -> None:
        """Move it to the namespace of process {"pid": N}, or to the one that is open as {"fd": N}."""
        self.change(name, _namespace(netns))

    def delete(self, name: str) -> None:
        self.delete_index(self._index(name), name)

    def delete_index(self, index: int, name: str) -> None:
        """By number, which is not given to another link meanwhile; `name` is for the error."""
        self._ask({"index": index, "attrs": []}, _DELLINK, 0, name)

    def add_address(self, name: str, address: str, prefix: int, broadcast: str = "") -> None:
        """One that is there already is no error. IPv6 is usable at once, without duplicate address detection."""
        message = self._address(name, address, prefix)
        if ":" in address:
            message["flags"] = _IFA_F_NODAD
        elif prefix < 31:
            message["attrs"] += [["IFA_BROADCAST", broadcast or _broadcast(address, prefix)]]
        self._ask(message, _NEWADDR, _CREATE | _REPLACE, f"{address}/{prefix} on {name}")

    def delete_address(self, name: str, address: str, prefix: int) -> None:
        self._ask(self._address(name, address, prefix), _DELADDR, 0, f"{address}/{prefix} on {name}")

    def _address(self, name: str, address: str, prefix: int) -> dict[str, Any]:
        family = int(socket.AF_INET6 if ":" in address else socket.AF_INET)
        attrs = [["IFA_LOCAL", address], ["IFA_ADDRESS", address]]
        return {"family": family, "prefixlen": prefix, "index": self._index(name), "attrs": attrs}

    def addresses(self, index: int, version: int) -> list[str]:
        """The addresses of one interface that reach further than its link, without prefix, in the kernel's order."""
        found = []
        for data in self._ask({"family": int(_FAMILY[version]), "attrs": []}, _GETADDR, _DUMP, "the addresses"):
            family, _prefix, _flags, scope, owner = rtmessage.ADDRESS.unpack_from(data, rtmessage.HEADER.size)
            if owner == index and scope < _SCOPE_LINK:
                attributes = rtmessage.attributes(data[rtmessage.HEADER.size + rtmessage.ADDRESS.size :])
                found.append(socket.inet_ntop(family, attributes.get(_IFA_LOCAL) or attributes[_IFA_ADDRESS]))
        return found

    def add_route(self, name: str, version: int, destination: str = "", prefix: int = 0, gateway: str = "") -> None:
        """Without a destination the default route; without a gateway straight to the link."""
        message: dict[str, Any] = {"family": int(_FAMILY[version]), "dst_len": prefix}
        message["table"], message["proto"], message["type"] = _TABLE_MAIN, _PROTOCOL_BOOT, _UNICAST
        message["scope"] = _SCOPE_LINK if version == 4 and not gateway else _SCOPE_UNIVERSE
        wanted = {"RTA_OIF": self._index(name), "RTA_DST": destination, "RTA_GATEWAY": gateway}
        message["attrs"] = [[key, value] for key, value in wanted.items() if value]
        what = f"{destination}/{prefix}" if destination else f"default (IPv{version})"
        self._ask(message, _NEWROUTE, _CREATE | _REPLACE, f"route {what} by {gateway or name}")

    def _ask(self, message: Mapping[str, Any], kind: int, flags: int, about: str) -> list[bytes]:
        """Send one request and return the answers' bytes, up to the acknowledgement. A dump that changed on the way is read again."""
        data = _encoded(message, kind, _REQUEST | flags | (0 if flags == _DUMP else _ACK))
        for _attempt in range(10):
            self._sequence += 1
            struct.pack_into("=I", data, _SEQUENCE, self._sequence)
            self._socket.send(data)
            answers, whole = self._answers(about, _DUMP_SIZE if flags == _DUMP else _SIZE)
            if whole:
                return answers
        raise OSError(errno.EBUSY, "it changes while it is read", about)

    def _answers(self, about: str, size: int) -> tuple[list[bytes], bool]:
        answers: list[bytes] = []
        whole = True
        while True:
            data, _ancillary, message_flags, _sender = self._socket.recvmsg(size)
            if message_flags & socket.MSG_TRUNC:
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE), about)
            for kind, flags, body in rtmessage.split(data, self._sequence):
                whole = whole and not flags & _DUMP_INTERRUPTED
                if kind == _NLMSG_ERROR:
                    rtmessage.check(body[rtmessage.HEADER.size :], about)
                if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    return answers, whole
                answers.append(body)


class _Rehearsal(Netlink):
    """Encodes, and takes the silence for an answer."""

    def __init__(self) -> None:
        self._sequence = 0

    def _index(self, _name: str) -> int:
        return 1

    def _ask(self, message: Mapping[str, Any], kind: int, flags: int, _about: str) -> list[bytes]:
        _encoded(message, kind, _REQUEST | flags | _ACK)
        return []


def _attributes(wanted: Mapping[str, Any]) -> list[list[Any]]:
    return [[f"IFLA_{name}", value] for name, value in wanted.items() if value not in ("", 0, None)]


def _namespace(netns: Mapping[str, int]) -> list[list[Any]]:
    return [["IFLA_NET_NS_PID" if key == "pid" else "IFLA_NET_NS_FD", value] for key, value in netns.items()]


def _broadcast(address: str, prefix: int) -> str:
    number = int.from_bytes(socket.inet_aton(address), "big") | (0xFFFFFFFF >> prefix)
    return socket.inet_ntoa(number.to_bytes(4, "big"))


def _encoded(message: Mapping[str, Any], kind: int, flags: int) -> bytearray:
    """The request, its sequence number still 0."""

    def encode(fields: Mapping[str, Any], attributes: rtmessage.Attributes) -> bytes:
        _load()
        whole = _classes[_KINDS.get(kind, "ifinfmsg")]()
        for key, value in fields.items():
            whole[key] = value
        whole["attrs"] = attributes
        whole["header"] = {"type": kind, "flags": flags, "sequence_number": 0, "pid": 0}
        whole.reset()
        whole.encode()
        return bytes(whole.data)

    fields = {key: value for key, value in message.items() if key != "attrs"}
    return rtmessage.fill(kind << 16 | flags, fields, message["attrs"], encode)


def _link(data: bytes) -> Link:
    start = rtmessage.HEADER.size
    _family, _type, index, flags, _change = rtmessage.LINK.unpack_from(data, start)
    found = rtmessage.attributes(data[start + rtmessage.LINK.size :])
    name, alias = (rtmessage.text(found.get(key)) for key in (_IFLA_IFNAME, _IFLA_IFALIAS))
    kind = rtmessage.text(rtmessage.attributes(found.get(_IFLA_LINKINFO, b"")).get(_INFO_KIND))
    master, mtu = (rtmessage.number(found.get(key)) for key in (_IFLA_MASTER, _IFLA_MTU))
    return Link(index, name, kind, master, bool(flags & _IFF_UP), mtu, found.get(_IFLA_ADDRESS, b"").hex(":"), alias)
