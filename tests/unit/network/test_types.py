# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, marks, and what is refused before anything is made."""

from __future__ import annotations

import json

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config.model import Network
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import netlink
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.network import base, types, veth
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container

OWNER = Container("/var/lib/lxc", "n1")


@pytest.fixture(autouse=True)
def without_pyroute2(monkeypatch):
    monkeypatch.setattr(netlink, "preload", lambda: None)


def test_the_name_is_the_same_at_each_start_and_differs_between_containers():
    names = {base.host_name(Container(path, name), index) for path in ("/a", "/b") for name in ("x", "y") for index in (0, 1)}
    assert len(names) == 8
    assert all(len(name) == 15 for name in names)
    assert base.host_name(OWNER, 0) == base.host_name(OWNER, 0)


def test_the_mark_names_container_and_number():
    assert base.mark(OWNER, 3) == "hostkit-lxc /var/lib/lxc/n1 3"


def test_a_mark_that_would_not_fit_is_still_one_of_its_own():
    """The kernel takes 255 bytes."""
    places = ["/" + "ü" * 120 + end for end in ("a", "b")]
    marks = [base.mark(Container(place, "n1"), index) for place in places for index in (0, 1)]
    assert len(set(marks)) == 4
    assert all(len(mark.encode()) <= 255 and mark.startswith("hostkit-lxc ") for mark in marks)
    fits = Container("/" + "a" * (255 - len("hostkit-lxc  0") - len("/n1") - 1), "n1")
    assert base.mark(fits, 0) == f"hostkit-lxc {fits.directory} 0"
    assert len(base.mark(fits, 0)) == 255


def test_what_was_created_survives_the_socket():
    made = base.Created(0, "veth", "vethx", "lxcnew0", "", "10.0.3.1", "", "mark")
    assert types.created(json.loads(json.dumps(list(made)))) == made


def test_who_shares_the_hosts_network():
    none, empty = Network(0, "none"), Network(1, "empty")
    assert types.shares_host([none])
    assert not types.shares_host([])
    assert not types.shares_host([empty])
    assert not types.shares_host([none, empty])


@pytest.mark.parametrize(
    ("network", "named"),
    [
        *[(Network(2, kind), f"lxc.net.2.type = {kind}") for kind in ("macvlan", "ipvlan", "vlan", "phys")],
        (Network(0, "veth", veth_mode="router"), "lxc.net.0.veth.mode = router"),
        (Network(0, "veth", veth_vlan_id="7"), "lxc.net.0.veth.vlan"),
        (Network(0, "veth", veth_vlan_tagged_ids=["7"]), "lxc.net.0.veth.vlan"),
    ],
)
def test_what_is_for_later_is_refused_by_its_key(network, named):
    with pytest.raises(Unsupported, match=named):
        types.preload([network])


def test_what_can_be_made_is_not_refused():
    types.preload([Network(0, "veth", veth_mode="bridge"), Network(1, "empty"), Network(2, "none"), Network(3, "")])


@pytest.mark.parametrize("kind", ["empty", "none", ""])
def test_types_without_an_interface_make_none(kind):
    assert types.create(Network(0, kind), OWNER, 1) is None


def test_the_inner_names_are_the_configs_and_then_the_first_free():
    networks = [
        Network(0, "veth"),
        Network(1, "empty"),
        Network(2, "veth", name="eth0"),
        Network(3, "veth"),
        Network(4, "veth", name="lan"),
    ]
    assert [network.name for network in types.named(networks)] == ["eth1", "", "eth0", "eth2", "lan"]
    assert [network._replace(name="") for network in types.named(networks)] == [network._replace(name="") for network in networks]


def test_the_host_end_has_a_high_address():
    assert veth._high("00:16:3e:aa:bb:cc") == "fe:16:3e:aa:bb:cc"
    found = {veth._high("") for _attempt in range(20)}
    assert len(found) > 1
    assert all(len(one) == 17 and one.startswith("fe:") for one in found)
