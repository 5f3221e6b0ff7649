# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three verbs of the network types on the real kernel: one network namespace stands for the host, one for the container."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config.model import Network
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, namespace
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.netlink import Netlink
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.network import base, types
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from forked import run as run_forked

OWNER = Container("/var/lib/lxc", "n1")
BRIDGE = "nbr0"


class Guest:
    """A network namespace that stands for the container's; `pid` is a process in it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process.stdout.readline()
        self.pid = self._process.pid
        self.fd = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)

    def end(self) -> None:
        os.close(self.fd)
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def configure(self, networks, made) -> None:
        """As init does it: what comes over the socket is a list."""
        with namespace.in_network_namespace(self.fd):
            types.configure_all(networks, json.loads(json.dumps([list(one) for one in made])), True)

    def links(self):
        with namespace.in_network_namespace(self.fd), Netlink() as links:
            return {link.name: link for link in links.links()}

    def ip(self, *words):
        command = ["nsenter", f"--net=/proc/self/fd/{self.fd}", "ip", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, pass_fds=[self.fd]).stdout


@pytest.fixture
def host(in_child):
    """Runs a test's function in a network namespace with a bridge of its own, and gives it a Guest."""

    def run(function):
        def inner():
            with Netlink() as links:
                links.create_bridge(BRIDGE, "00:16:3e:00:00:01")
                links.set_up(BRIDGE)
                links.set_mtu(BRIDGE, 1400)
                links.add_address(BRIDGE, "10.5.0.1", 24)
                links.add_address(BRIDGE, "fd05::1", 64)
            types.preload([])
            guest = Guest()
            try:
                return function(guest)
            finally:
                guest.end()

        return in_child(inner, libc.CLONE_NEWNET)

    return run


def veth(**more):
    return Network(**{"index": 0, "type": "veth", "link": BRIDGE, "flags": "up", "name": "eth0", **more})


def link(name):
    with Netlink() as links:
        return links.find(name)


def test_one_pair_from_bridge_to_container(host):
    def body(guest):
        network = veth(
            hwaddr="00:16:3e:aa:bb:cc",
            ipv4=["10.5.0.7/24"],
            ipv4_gateway="auto",
            ipv6=["fd05::7/64"],
            ipv6_gateway="auto",
            veth_routes4=["192.0.2.0/24"],
        )
        made = types.create(network, OWNER, guest.pid)
        guest.configure([network], [made])
        outer = link(made.host_name)
        assert (outer.kind, outer.up, outer.mtu, outer.hwaddr) == ("veth", True, 1400, "fe:16:3e:aa:bb:cc")
        assert outer.master == link(BRIDGE).index
        assert outer.alias == "hostkit-lxc /var/lib/lxc/n1 0"
        inner = guest.links()["eth0"]
        assert (inner.up, inner.mtu, inner.hwaddr) == (True, 1400, "00:16:3e:aa:bb:cc")
        assert guest.links()["lo"].up
        assert "10.5.0.7/24 brd 10.5.0.255" in guest.ip("-o", "addr", "show", "eth0")
        assert "default via 10.5.0.1 dev eth0" in guest.ip("route")
        ipv6 = guest.ip("-6", "-o", "addr", "show", "dev", "eth0")
        assert "fd05::7/64 scope global" in ipv6
        assert "tentative" not in ipv6.split("fd05::7/64")[1].split("\n")[0]
        assert "default via fd05::1 dev eth0" in guest.ip("-6", "route")
        assert "192.0.2.0/24" in subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout
        subprocess.run(["busybox", "ping", "-c1", "-W5", "-q", "10.5.0.7"], check=True, capture_output=True)

    host(body)


def test_the_bridges_address_does_not_follow_its_ports(host):
    """A bridge without an address of its own takes the lowest one of its ports."""

    def body(guest):
        with Netlink() as links:
            links.create_bridge("nbr1")
            links.set_up("nbr1")
            mine = {"ADDRESS": "02:00:00:00:00:07", "MASTER": links.link_index("nbr1")}
            links.create("nport", "veth", mine, up=True)
        for index in range(6):
            types.create(veth(index=index, link="nbr1"), OWNER, guest.pid)
        assert link("nbr1").hwaddr == "02:00:00:00:00:07"

    host(body)


def test_a_leftover_of_ours_is_replaced(host):
    def body(guest):
        first = types.create(veth(), OWNER, guest.pid)
        index = link(first.host_name).index
        second = types.create(veth(), OWNER, guest.pid)
        assert second.host_name == first.host_name
        assert link(second.host_name).index != index

    host(body)


@pytest.mark.parametrize("alias", ["", "hostkit-lxc /var/lib/lxc/n2 0", "somebody's"])
def test_a_link_of_somebody_else_is_not_touched(host, alias):
    def body(guest):
        with Netlink() as links:
            links.create("nmine", "veth", up=True)
            if alias:
                links.set_alias("nmine", alias)
        before = link("nmine")
        with pytest.raises(InUse, match="nmine"):
            types.create(veth(veth_pair="nmine"), OWNER, guest.pid)
        assert link("nmine") == before

    host(body)


def test_names_that_the_config_wants_come_first(host):
    def body(guest):
        networks = [veth(index=0, name=""), veth(index=1, name="eth0"), veth(index=2, name="")]
        made = [types.create(network, OWNER, guest.pid) for network in networks]
        guest.configure(networks, made)
        by_peer = {link.name: link.hwaddr for link in guest.links().values()}
        assert sorted(name for name in by_peer if name.startswith("eth")) == ["eth0", "eth1", "eth2"]
        assert by_peer["eth0"] != by_peer["eth1"]

    host(body)


def test_the_inner_end_has_its_name_from_the_beginning_where_that_is_free(host):
    def body(guest):
        made = types.create(veth(), OWNER, guest.pid)
        assert made.peer_name == "eth0"
        assert "eth0" in guest.links()
        second = types.create(veth(index=1), OWNER, guest.pid)
        assert second.peer_name == "lxcnew1"
        with pytest.raises(StepError, match="lxcnew1 to eth0"):
            guest.configure([veth(), veth(index=1)], [made, second])

    host(body)


def test_delete_is_idempotent_and_spares_what_is_not_ours(host):
    def body(guest):
        made = types.create(veth(), OWNER, guest.pid)
        types.delete(made)
        assert link(made.host_name) is None
        types.delete(made)
        with Netlink() as links:
            links.create(made.host_name, "bridge")
        types.delete(made)
        assert link(made.host_name) is not None

    host(body)


def test_delete_when_the_namespace_is_going_away(host):
    """The kernel takes the pair down too, in a thread of its own: whoever comes second has nothing to do."""

    def body(_guest):
        for _round in range(10):
            other = Guest()
            made = types.create(veth(), OWNER, other.pid)
            other.end()
            types.delete(made)
            assert link(made.host_name) is None

    host(body)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"link": "nobr"}, "the bridge nobr does not exist"),
        ({"link": "lo"}, "lo is no bridge"),
        ({"link": "", "ipv4_gateway": "auto"}, "no lxc.net.0.link"),
        ({"name": "much-too-long-name"}, "much-too-long-name"),
        ({"hwaddr": "01:00:00:00:00:00"}, "Cannot assign requested address"),
        ({"flags": "", "ipv4": ["10.5.0.9/24"], "ipv4_gateway": "10.5.0.1"}, "not raised"),
    ],
)
def test_what_cannot_be_made_says_so_and_leaves_nothing(host, wrong, words):
    def body(guest):
        before = set(guest.links())
        network = veth(**wrong)
        made = None
        with pytest.raises(StepError, match=words) as caught:
            made = types.create(network, OWNER, guest.pid)
            guest.configure([network], [made])
        assert caught.value.step == "network"
        if made is None:
            assert link(base.host_name(OWNER, 0)) is None
            assert set(guest.links()) == before

    host(body)


def test_the_hint_names_the_module_that_makes_bridges(host):
    def body(guest):
        with pytest.raises(StepError) as caught:
            types.create(veth(link="nobr"), OWNER, guest.pid)
        assert "lxc_bridge" in caught.value.hint

    host(body)


def test_a_gateway_outside_the_network_and_one_that_is_the_link(host):
    def body(guest):
        networks = [
            veth(index=0, name="a", ipv4=["198.51.100.2/32"], ipv4_gateway="10.99.0.1"),
            veth(index=1, name="b", ipv6=["fd06::2/128"], ipv6_gateway="dev"),
        ]
        made = [types.create(network, OWNER, guest.pid) for network in networks]
        guest.configure(networks, made)
        routes = guest.ip("route")
        assert "default via 10.99.0.1 dev a" in routes
        assert "10.99.0.1 dev a scope link" in routes
        assert "default dev b" in guest.ip("-6", "route")

    host(body)


def test_not_raised_unless_the_config_says_so(host):
    def body(guest):
        network = veth(flags="", link="", name="quiet")
        made = types.create(network, OWNER, guest.pid)
        guest.configure([network], [made])
        assert not guest.links()["quiet"].up
        assert link(made.host_name).master == 0

    host(body)


def test_empty_has_lo_raised_and_nothing_else(host):
    def body(guest):
        network = Network(0, "empty")
        assert types.create(network, OWNER, guest.pid) is None
        guest.configure([network], [])
        assert {name: link.up for name, link in guest.links().items() if link.up} == {"lo": True}

    host(body)


def test_what_is_shared_is_not_configured(host):
    def body(_guest):
        with Netlink() as links:
            links.set_down("lo")
        types.configure_all([Network(0, "none")], [], False)
        assert not link("lo").up

    host(body)


def test_nothing_is_imported_after_preload(host):
    """init configures its network while a container's files may be in view."""

    def body(guest):
        network = veth(ipv4=["10.5.0.7/24"], ipv4_gateway="10.5.0.1", ipv6=["fd05::7"], ipv6_gateway="fd05::1")
        types.preload([network])
        made = types.create(network, OWNER, guest.pid)
        before = set(sys.modules)
        with namespace.in_network_namespace(guest.fd):
            types.configure_all([network], [list(made)], True)
        assert set(sys.modules) - before == set()

    assert run_forked(lambda: host(body) or True, 0)
