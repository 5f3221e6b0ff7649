# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the message classes come in, what the kernel's errors become, and reading as any user."""

from __future__ import annotations

import importlib.util
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import netlink

TESTS = str(Path(__file__).resolve().parents[2])
HEAD = f"""
import json, sys
sys.path.insert(0, {TESTS!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import netlink
loaded = lambda: sorted(name for name in sys.modules if name.partition(".")[0] == "pyroute2")
"""

needs_pyroute2 = pytest.mark.skipif(importlib.util.find_spec("pyroute2") is None, reason="pyroute2 is not installed")


def run(program):
    ran = subprocess.run([sys.executable, "-c", HEAD + program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@needs_pyroute2
def test_the_package_itself_is_not_loaded_and_no_trace_is_left():
    loaded, late = run(
        "netlink.preload()\n"
        "before = set(sys.modules)\n"
        "with netlink.Netlink() as links: links.links(), links.find('lo'), links.addresses(1, 4)\n"
        "print(json.dumps([loaded(), sorted(set(sys.modules) - before)]))"
    )
    assert loaded == []
    assert late == []


# As a start asks for them, with other values than those of the rehearsal.
REQUESTS = """
links = netlink._Rehearsal()
for own in ({}, {"MTU": 1400}):
    for peer in (own, {**own, "ADDRESS": "00:16:3e:00:00:01"}):
        for master in ("", "lxcbr0"):
            host = {**own, "ADDRESS": "fe:01:02:03:04:05"}
            links.create_veth("vethx", "eth0", {"pid": 7}, master=master, attributes=host, peer_attributes=peer)
links.set_alias("vethx", "whose"), links.set_up("eth0"), links.rename("lxcnew0", "lan"), links.delete_index(77, "vethx")
for address in ("192.0.2.1", "2001:db8::1"):
    version = 6 if ":" in address else 4
    links.addresses(5, version)
    for prefix in (8, 30, 31, 32):
        links.add_address("eth0", address, prefix, "192.0.2.255" if version == 4 and prefix < 31 else "")
    links.add_route("eth0", version), links.add_route("eth0", version, gateway=address), links.add_route("vethx", version, address, 32)
"""


@needs_pyroute2
def test_what_a_child_has_encoded_is_enough_for_a_start():
    """The message classes are never loaded here."""
    head = "netlink.learn()\ndef refuse(): raise SystemExit('pyroute2 was asked for')\nnetlink._load = refuse\n"
    tail = "with netlink.Netlink() as real: found = real.find('lo').hwaddr\nprint(json.dumps([found, list(netlink._classes), loaded()]))"
    assert run(head + REQUESTS + tail) == ["00:00:00:00:00:00", [], []]


@needs_pyroute2
def test_what_a_child_has_not_encoded_is_encoded_when_it_is_wanted():
    assert run(
        "netlink.learn()\n"
        "netlink._Rehearsal().create_veth('a', 'b', {'pid': 7}, attributes={'NUM_RX_QUEUES': 4})\n"
        "print(json.dumps(list(netlink._classes)))"
    ) == ["ifinfmsg", "ifaddrmsg", "rtmsg"]


def test_what_a_child_says_of_a_missing_pyroute2_is_said_here():
    kind, message, hint = run(
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "try: netlink.learn()\n"
        "except Exception as error: print(json.dumps([type(error).__name__, error.message, error.hint]))"
    )
    assert (kind, "pyroute2 is missing" in message, "apt install python3-pyroute2" in hint) == ("Unsupported", True, True)


@needs_pyroute2
@pytest.mark.parametrize("module", ["asyncio", "pyroute2.iproute", "http"])
def test_what_costs_time_is_not_loaded(module):
    assert run(f"before = set(sys.modules)\nnetlink.preload()\nprint(json.dumps({module!r} in set(sys.modules) - before))") is False


@needs_pyroute2
def test_pyroute2_is_whole_for_whoever_imports_it_afterwards():
    found = run(
        "netlink.preload()\n"
        "import pyroute2\n"
        "from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg\n"
        "with pyroute2.IPRoute() as ip: theirs = len(ip.get_links())\n"
        "with netlink.Netlink() as links: ours = len(links.links())\n"
        "print(json.dumps([theirs, ours, ifinfmsg.__module__]))"
    )
    assert found[0] == found[1] > 0


@needs_pyroute2
def test_pyroute2_stays_whole_for_whoever_imported_it_before():
    before, after, same = run(
        "import pyroute2\n"
        "old = {name: sys.modules[name] for name in loaded()}\n"
        "netlink.preload()\n"
        "with netlink.Netlink() as links: links.find('lo')\n"
        "print(json.dumps([list(old), loaded(), all(sys.modules[name] is module for name, module in old.items())]))"
    )
    assert sorted(before) == after
    assert same


def test_without_pyroute2_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(netlink, "_classes", {})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unsupported, match="pyroute2 is missing") as caught:
        netlink.preload()
    assert "apt install python3-pyroute2" in caught.value.hint
    assert sys.executable in caught.value.message


def test_a_pyroute2_that_is_too_different_is_named(monkeypatch, tmp_path):
    (tmp_path / "pyroute2" / "netlink").mkdir(parents=True)
    (tmp_path / "pyroute2" / "__init__.py").write_text("raise SystemExit('the package itself was run')")
    (tmp_path / "pyroute2" / "netlink" / "__init__.py").write_text("")
    monkeypatch.setattr(netlink, "_classes", {})
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "pyroute2"}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    with pytest.raises(Unsupported, match=str(tmp_path)):
        netlink.preload()
    assert netlink._classes == {}
    assert not [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]


@needs_pyroute2
def test_any_user_can_look():
    with netlink.Netlink() as links:
        lo = links.find("lo")
        assert lo in links.links()
        assert (lo.name, lo.index, lo.master, lo.hwaddr) == ("lo", 1, 0, "00:00:00:00:00:00")
        assert links.find("no-such-link") is None
        assert links.link_index("no-such-link") is None
        with pytest.raises(OSError, match="No such device") as caught:
            links.delete("no-such-link")
        assert caught.value.filename == "no-such-link"


class Kernel:
    """Answers each request with the next datagram of a list."""

    def __init__(self, *datagrams):
        self.datagrams = list(datagrams)
        self.requests = []

    def send(self, data):
        self.requests.append(data)

    def recvmsg(self, size):
        kind, flags = self.datagrams.pop(0)
        body = struct.pack("=i", 0) + bytes(16)
        sequence = struct.unpack_from("=IHHII", self.requests[-1])[3]
        return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body, [], 0, None


@needs_pyroute2
def test_a_dump_that_changed_on_the_way_is_read_again():
    with netlink.Netlink() as links:
        real, links._socket = links._socket, Kernel((3, 0x10), (3, 0))
        try:
            assert links.links() == []
            assert len(links._socket.requests) == 2
            links._socket = Kernel(*[(3, 0x10)] * 10)
            with pytest.raises(OSError, match="changes while it is read"):
                links.links()
        finally:
            links._socket = real


@pytest.mark.parametrize(
    ("address", "prefix", "expected"), [("10.0.3.7", 24, "10.0.3.255"), ("10.7.0.1", 16, "10.7.255.255"), ("10.0.0.5", 30, "10.0.0.7")]
)
def test_the_broadcast_address(address, prefix, expected):
    assert netlink._broadcast(address, prefix) == expected


@needs_pyroute2
def test_the_peer_is_in_the_same_message_and_not_up(monkeypatch):
    """A peer that is up when it moves to another namespace is refused by the kernel."""
    with netlink.Netlink() as links:
        sent = []
        monkeypatch.setattr(links, "_ask", lambda message, kind, flags, about: sent.append((message, kind, flags)) or [])
        links.create_veth("a", "b", {"pid": 42}, attributes={"MTU": 1400}, peer_attributes={"ADDRESS": "00:16:3e:00:00:01", "MTU": 0})
    [(message, kind, flags)] = sent
    assert (kind, flags) == (16, 0x400 | 0x200)
    assert message["flags"] == message["change"] == 1
    attributes = dict(message["attrs"])
    assert (attributes["IFLA_IFNAME"], attributes["IFLA_MTU"]) == ("a", 1400)
    assert "IFLA_MASTER" not in attributes
    peer = dict(dict(attributes["IFLA_LINKINFO"]["attrs"])["IFLA_INFO_DATA"]["attrs"])["VETH_INFO_PEER"]
    assert peer == {"attrs": [["IFLA_IFNAME", "b"], ["IFLA_ADDRESS", "00:16:3e:00:00:01"], ["IFLA_NET_NS_PID", 42]]}


@needs_pyroute2
def test_the_socket_is_closed_and_not_inherited():
    with netlink.Netlink() as links:
        assert not links._socket.get_inheritable()
        assert links._socket.family == socket.AF_NETLINK
    assert links._socket.fileno() == -1
