# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes that are really made, in network namespaces of the test's own; ip(8) is the witness."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import interfaces, libc, namespace
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.netlink import Netlink

pytestmark = pytest.mark.skipif(not shutil.which("ip"), reason="ip is not installed")


def ip(*words):
    return json.loads(subprocess.run(["ip", "-d", "-j", *words], check=True, capture_output=True, text=True).stdout or "[]")


@pytest.fixture
def other(in_child):
    """Runs the test in a new network namespace, and gives it a socket there and a descriptor of a second one."""

    def run(function):
        def inner():
            here_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            libc.unshare(libc.CLONE_NEWNET)
            other_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            libc.setns(here_fd, libc.CLONE_NEWNET)
            with Netlink() as links:
                function(links, other_fd)

        return in_child(inner, libc.CLONE_NEWNET)

    return run


def there(namespace_fd, function):
    with namespace.in_network_namespace(namespace_fd), Netlink() as links:
        return function(links)


def test_a_pair_in_one_message(other, monkeypatch):
    def body(links, there_fd):
        links.create_bridge("br0", "00:16:3e:00:00:01")
        links.set_up("br0")
        asked = []
        real = links._ask
        monkeypatch.setattr(links, "_ask", lambda message, kind, *rest: asked.append(kind) or real(message, kind, *rest))
        links.create_veth(
            "host",
            "guest",
            {"fd": there_fd},
            master="br0",
            attributes={"MTU": 1400, "ADDRESS": "fe:16:3e:00:00:02"},
            peer_attributes={"MTU": 1300, "ADDRESS": "00:16:3e:00:00:03"},
        )
        assert asked.count(16) == 1
        [outer] = ip("link", "show", "host")
        assert (outer["master"], outer["mtu"], outer["address"]) == ("br0", 1400, "fe:16:3e:00:00:02")
        assert "UP" in outer["flags"]
        inner = there(there_fd, lambda links: links.find("guest"))
        assert (inner.kind, inner.up, inner.mtu, inner.hwaddr) == ("veth", False, 1300, "00:16:3e:00:00:03")
        assert links.find("guest") is None

    other(body)


def test_every_field_of_a_link(other):
    def body(links, _there_fd):
        links.create_bridge("br0", "00:16:3e:00:00:01")
        links.create("one", "veth")
        links.set_master("one", "br0")
        links.set_alias("one", "whose ü")
        links.set_mtu("one", 1200)
        links.set_hwaddr("one", "00:16:3e:00:00:09")
        links.set_up("one")
        one = links.find("one")
        assert one == (one.index, "one", "veth", links.link_index("br0"), True, 1200, "00:16:3e:00:00:09", "whose ü")
        assert one in links.links()
        assert {link.name for link in links.links()} == {link["ifname"] for link in ip("link")}
        links.set_master("one", "")
        links.set_down("one")
        links.set_alias("one", "")
        after = links.find("one")
        assert (after.master, after.up, after.alias) == (0, False, "")

    other(body)


def test_rename_move_and_delete(other):
    def body(links, there_fd):
        links.create("one", "veth")
        links.rename("one", "uno")
        assert links.find("one") is None
        links.set_netns("uno", {"fd": there_fd})
        assert links.find("uno") is None
        there(there_fd, lambda links: links.delete("uno"))
        assert there(there_fd, lambda links: links.find("uno")) is None

    other(body)


def test_move_to_the_namespace_of_a_process(other):
    def body(links, _there_fd):
        process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        links.create("one", "veth")
        links.set_netns("one", {"pid": process.pid})
        fd = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
        assert there(fd, lambda links: links.find("one")).kind == "veth"
        os.close(fd)
        process.stdin.close()
        process.wait()

    other(body)


def test_addresses(other):
    def body(links, _there_fd):
        links.create_bridge("br0")
        links.set_up("br0")
        links.add_address("br0", "10.1.2.3", 24)
        links.add_address("br0", "10.1.2.3", 24)
        links.add_address("br0", "10.9.0.1", 16, "10.9.9.9")
        links.add_address("br0", "10.8.0.1", 31)
        links.add_address("br0", "fd01::1", 64)
        [shown] = ip("addr", "show", "br0")
        found = {one["local"]: one for one in shown["addr_info"] if one["scope"] == "global"}
        assert {local: (one["prefixlen"], one.get("broadcast")) for local, one in found.items()} == {
            "10.1.2.3": (24, "10.1.2.255"),
            "10.9.0.1": (16, "10.9.9.9"),
            "10.8.0.1": (31, None),
            "fd01::1": (64, None),
        }
        assert found["fd01::1"].get("nodad") is True
        assert not found["fd01::1"].get("tentative")
        index = links.link_index("br0")
        assert links.addresses(index, 4) == ["10.1.2.3", "10.9.0.1", "10.8.0.1"]
        assert links.addresses(index, 6) == ["fd01::1"]
        by_library = interfaces.read()["br0"]
        assert [one[1:] for one in by_library.addresses if one.family == 4] == [
            (4, "10.1.2.3", 24),
            (4, "10.9.0.1", 16),
            (4, "10.8.0.1", 31),
        ]
        assert (6, "fd01::1", 64) in [one[1:] for one in by_library.addresses]
        assert by_library.hwaddr == links.find("br0").hwaddr
        links.delete_address("br0", "10.1.2.3", 24)
        assert links.addresses(index, 4) == ["10.9.0.1", "10.8.0.1"]

    other(body)


def test_routes(other):
    def body(links, _there_fd):
        links.create("one", "veth", up=True)
        links.add_address("one", "10.1.2.3", 24)
        links.add_address("one", "fd01::1", 64)
        links.add_route("one", 4, gateway="10.1.2.1")
        links.add_route("one", 4, "192.0.2.0", 24)
        links.add_route("one", 4, "198.51.100.0", 24, "10.1.2.9")
        links.add_route("one", 6, gateway="fd01::2")
        links.add_route("one", 6, "fd09::", 32)
        routes = {one["dst"]: (one.get("gateway"), one.get("scope")) for one in ip("route")}
        assert routes["default"] == ("10.1.2.1", "global")
        assert routes["192.0.2.0/24"] == (None, "link")
        assert routes["198.51.100.0/24"] == ("10.1.2.9", "global")
        routes6 = {one["dst"]: one.get("gateway") for one in ip("-6", "route")}
        assert (routes6["default"], routes6["fd09::/32"]) == ("fd01::2", None)

    other(body)


@pytest.mark.parametrize(
    ("wrong", "about", "words"),
    [
        (lambda links, fd: links.create_bridge("lo"), "lo", "File exists"),
        (lambda links, fd: links.create("x" * 16, "veth"), "x" * 16, "policy"),
        (lambda links, fd: links.create("x", "nosuchkind"), "x", "Operation not supported"),
        (lambda links, fd: links.create_veth("a", "lo", {"fd": fd}), "a", "File exists"),
        (lambda links, fd: links.create_veth("a", "b", {"pid": 2**22 + 1}), "a", "No such process"),
        (lambda links, fd: links.create_veth("a", "b", {"fd": fd}, master="nobr"), "nobr", "No such device"),
        (lambda links, fd: links.set_mtu("lo", 2**31), "lo", "mtu less than device minimum"),
        (lambda links, fd: links.add_route("lo", 4, gateway="192.0.2.1"), "route default", "unreachable"),
        (lambda links, fd: links.set_alias("lo", "x" * 300), "lo", "Invalid argument|out of range"),
    ],
)
def test_an_error_has_the_number_the_object_and_the_kernels_words(other, wrong, about, words):
    def body(links, there_fd):
        before = links.links()
        with pytest.raises(OSError, match=words) as caught:
            wrong(links, there_fd)
        assert about in caught.value.filename
        assert caught.value.errno > 0
        assert links.links() == before

    other(body)


def test_the_driver_tells_a_bridge(other):
    def body(links, _there_fd):
        links.create_bridge("br0")
        links.create("one", "veth")
        assert (interfaces.driver("br0"), interfaces.driver("one"), interfaces.driver("lo")) == ("bridge", "veth", "")

    other(body)


def test_a_hundred_links_are_all_there(other):
    """More than one datagram of the dump."""

    def body(links, _there_fd):
        for number in range(100):
            links.create(f"v{number}", "bridge")
        assert len(links.links()) == len(ip("link")) == len(interfaces.read())

    other(body)
