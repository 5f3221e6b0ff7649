# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said and what is there, to the plan of a bridge; and the texts that nft and dnsmasq get."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import bridge as effects
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import bridge_dhcp, bridge_firewall
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import bridge

ABSENT = bridge.Observed(effects.Link("", False, "", [], []), "", False, "", False)


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """Every program is there; no user of its own for dnsmasq."""
    monkeypatch.setattr(bridge_dhcp.command, "which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(bridge_dhcp, "_user", list)
    monkeypatch.setattr(effects, "check", lambda: None)


def wanted(**params):
    return bridge.read({"name": "lxcbr0", "state": "present", **params})


def observed(ipv4="10.0.3.1/24", dhcp="10.0.3.2,10.0.3.254", domain="", nat=True, up=True, runs=True, forwards=True):
    """A bridge that is there with exactly this."""
    network = str(bridge.IPv4Interface(ipv4).network)
    conf = ""
    if dhcp:
        first, last = dhcp.split(",")
        count = int(bridge.IPv4Address(last)) - int(bridge.IPv4Address(first)) + 1
        conf = bridge_dhcp.config("lxcbr0", ipv4.partition("/")[0], bridge_dhcp.Dhcp(first, last, count, domain))
    rules = bridge_firewall.normal(bridge_firewall.rules("lxcbr0", network, nat=nat, dhcp=bool(dhcp)))
    return bridge.Observed(effects.Link("bridge", up, "00:16:3e:00:00:01", [ipv4], []), conf, bool(dhcp) and runs, rules, forwards)


def plan(found, **params):
    return [(change.field, change.before, change.after) for change in bridge.plan(wanted(**params), found)]


def test_a_new_bridge_has_what_lxc_net_gives_one():
    assert plan(ABSENT) == [
        ("state", "absent", "present"),
        ("ipv4", "", "10.0.3.1/24"),
        ("up", False, True),
        ("forwarding", False, True),
        ("firewall", "none", "NAT"),
        ("dhcp", "off", "10.0.3.2 to 10.0.3.254"),
    ]


def among(*others):
    return ABSENT._replace(others=others)


@pytest.mark.parametrize("taken", ["10.0.3.1/24", "10.0.3.77/24", "10.0.3.1/16"])
def test_a_network_that_another_interface_has_is_refused(taken):
    with pytest.raises(InUse, match=f"ipv4: 10.0.3.1/24 is in a network of the interface br7, which has {taken}"):
        plan(among(("192.168.1.1/24", "eth0"), (taken, "br7")))


def test_networks_beside_and_around_it_are_none_of_its_business():
    assert plan(among(("10.0.4.1/24", "br7"), ("10.1.2.3/8", "eth0"))) == plan(ABSENT)
    assert plan(observed()._replace(others=(("10.0.3.1/24", "br7"),))) == [], "what is there already stays"


@pytest.mark.parametrize("said", [{"dhcp_range": "10.0.3.5,10.0.3.9"}, {"domain": "lxc"}])
def test_what_dhcp_would_give_out_is_refused_without_it(said):
    (option,) = said
    for found, more in ((ABSENT, {"dhcp": False}), (observed(dhcp=""), {})):
        with pytest.raises(BadValue, match=f"for {option}: expected dhcp: true with it"):
            plan(found, **said, **more)
    assert plan(observed(dhcp=""), domain="") == []


def test_a_new_bridge_with_less():
    assert [field for field, *_rest in plan(ABSENT, dhcp=False, nat=False, ipv4="10.9.0.1/16")] == ["state", "ipv4", "up"]
    assert [field for field, *_rest in plan(ABSENT, nat=False)] == ["state", "ipv4", "up", "firewall", "dhcp"]


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"ipv4": "10.5.0.9/24", "dhcp": "10.5.0.20,10.5.0.30", "domain": "lab"},
        {"dhcp": "", "nat": False, "forwards": False},
        {"nat": False, "forwards": False},
        {"dhcp": ""},
    ],
)
def test_what_is_not_said_is_not_changed(there):
    assert plan(observed(**there)) == []


@pytest.mark.parametrize(
    ("there", "said", "expected"),
    [
        ({}, {"domain": "lab"}, [("dhcp", "10.0.3.2 to 10.0.3.254", "10.0.3.2 to 10.0.3.254, domain lab")]),
        ({"domain": "lab"}, {"domain": ""}, [("dhcp", "10.0.3.2 to 10.0.3.254, domain lab", "10.0.3.2 to 10.0.3.254")]),
        ({}, {"dhcp_range": "10.0.3.9, 10.0.3.10"}, [("dhcp", "10.0.3.2 to 10.0.3.254", "10.0.3.9 to 10.0.3.10")]),
        ({"runs": False}, {}, [("dhcp", "off", "10.0.3.2 to 10.0.3.254")]),
        ({"forwards": False}, {}, [("forwarding", False, True)]),
        ({"up": False}, {}, [("up", False, True)]),
        ({}, {"dhcp": False}, [("firewall", "NAT, other rules", "NAT"), ("dhcp", "10.0.3.2 to 10.0.3.254", "off")]),
        ({}, {"nat": False}, [("firewall", "NAT", "no NAT")]),
        ({}, {"nat": False, "dhcp": False}, [("firewall", "NAT", "none"), ("dhcp", "10.0.3.2 to 10.0.3.254", "off")]),
        ({}, {"ipv4": "10.0.3.1/24"}, []),
    ],
)
def test_what_is_said_is_compared(there, said, expected):
    assert plan(observed(**there), **said) == expected


def test_another_address_takes_network_range_and_rules_along():
    assert plan(observed(domain="lab"), ipv4="10.7.0.1/16") == [
        ("ipv4", "10.0.3.1/24", "10.7.0.1/16"),
        ("firewall", "NAT, other rules", "NAT"),
        ("dhcp", "10.0.3.2 to 10.0.3.254, domain lab", "10.7.0.2 to 10.7.255.254, domain lab"),
    ]


def test_a_range_that_still_fits_is_kept():
    assert plan(observed(dhcp="10.0.3.5,10.0.3.9"), ipv4="10.0.3.2/24")[-1] == (
        "dhcp",
        "10.0.3.5 to 10.0.3.9, with another config",
        "10.0.3.5 to 10.0.3.9",
    )


def test_rules_that_somebody_changed_are_seen():
    there = observed()
    assert plan(there._replace(firewall=there.firewall.replace("tcp dport 53 accept", "tcp dport 53 drop"))) == [
        ("firewall", "NAT, other rules", "NAT")
    ]


def test_one_of_several_addresses_is_enough():
    there = observed()
    there = there._replace(link=there.link._replace(ipv4=["10.99.0.1/24", "10.0.3.1/24"]))
    assert plan(there, ipv4="10.0.3.1/24") == []


@pytest.mark.parametrize(
    ("ipv4", "expected"),
    [
        ("10.0.3.1/24", "10.0.3.2,10.0.3.254"),
        ("10.0.3.254/24", "10.0.3.1,10.0.3.253"),
        ("10.0.3.100/24", "10.0.3.101,10.0.3.254"),
        ("10.0.3.200/24", "10.0.3.1,10.0.3.199"),
        ("10.0.3.1/30", "10.0.3.2,10.0.3.2"),
        ("10.0.3.2/30", "10.0.3.1,10.0.3.1"),
    ],
)
def test_the_range_by_default_is_the_longer_side(ipv4, expected):
    assert bridge._default_range(ipv4) == expected


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("name", ["", "-x", "a/b", "1br", "a" * 16, "br 0", "br0\n", "all", "default", "..", 'a"b']),
        ("ipv4", ["", "10.0.3.1", "10.0.3.0/24", "10.0.3.255/24", "10.0.3.1/31", "10.0.3.1/7", "fd00::1/64", "10.0.3.1/24\n", "x"]),
        ("ipv4", ["127.0.0.1/8", "224.0.0.1/24", "0.0.0.1/24", "250.0.0.1/24"]),
        ("domain", ["a" * 64, "a." * 130 + "a"]),
        ("dhcp_range", ["", "10.0.3.2", "10.0.3.9,10.0.3.2", "10.0.3.2,x", "10.0.3.2,10.0.3.3,10.0.3.4", "10.0.3.2,10.0.3.3\nuser=root"]),
        ("domain", ["-x", "a..b", "a b", "lab\nuser=root", "a/b", ".lab", "lab."]),
    ],
)
def test_values_that_cannot_be_used_are_refused(option, values):
    for value in values:
        with pytest.raises(BadValue) as caught:
            wanted(**{option: value})
        assert caught.value.option == option


@pytest.mark.parametrize("outside", ["10.0.4.2,10.0.4.9", "10.0.3.200,10.0.4.9", "10.0.3.1,10.0.3.9", "10.0.3.200,10.0.3.255"])
def test_a_range_must_fit_into_the_network(outside):
    with pytest.raises(BadValue, match="dhcp_range"):
        plan(ABSENT, dhcp_range=outside)


def test_a_bridge_without_an_address_cannot_serve():
    there = bridge.Observed(effects.Link("bridge", True, "", [], []), "", False, "", False)
    assert plan(there) == []
    for said in ({"dhcp": True}, {"nat": True}):
        with pytest.raises(BadValue, match="ipv4"):
            plan(there, **said)


@pytest.mark.parametrize(("missing", "said"), [("nft", {}), ("dnsmasq", {"nat": False})])
def test_a_missing_program_is_told_with_the_plan(monkeypatch, missing, said):
    monkeypatch.setattr(bridge_dhcp.command, "which", lambda name: None if name == missing else name)
    with pytest.raises(Unsupported, match=missing):
        plan(ABSENT, **said)
    assert plan(observed(dhcp="", nat=False)) == []


def test_a_missing_library_is_told_with_the_plan(monkeypatch):
    def refuse():
        raise Unsupported("pyroute2 is missing")

    monkeypatch.setattr(effects, "check", refuse)
    with pytest.raises(Unsupported, match="pyroute2"):
        plan(ABSENT)
    assert [field for field, *_rest in plan(observed(), domain="lab")] == ["dhcp"]


def test_absent_takes_all_of_it(monkeypatch):
    monkeypatch.setattr(effects, "check_removable", lambda name, force: None)
    assert [field for field, *_rest in plan(observed(), state="absent")] == ["dhcp", "firewall", "state"]
    assert plan(ABSENT, state="absent") == []
    half = observed()._replace(link=ABSENT.link)
    assert [field for field, *_rest in plan(half, state="absent")] == ["dhcp", "firewall"]


def test_absent_of_what_is_held_plans_nothing(monkeypatch):
    def refuse(name, force):
        raise InUse(f"{name} {force}")

    monkeypatch.setattr(effects, "check_removable", refuse)
    with pytest.raises(InUse, match="lxcbr0 True"):
        plan(observed(), state="absent", force=True)


def test_the_rules_in_the_layout_that_they_are_read_in():
    text = bridge_firewall.rules("lxcbr0", "10.0.3.0/24", nat=True, dhcp=True)
    assert text == bridge_firewall.normal(text)
    listed = text.replace("priority 0;", "priority filter;").replace("priority 100;", "priority srcnat;")
    assert bridge_firewall.normal("\n".join(f"\t\t{line}" for line in listed.split("\n"))) == text
    assert bridge_firewall.normal("# Warning: a remark\n" + listed) == text
    assert bridge_firewall.rules("lxcbr0", "10.0.3.0/24", nat=False, dhcp=False) == ""


def test_the_config_of_dnsmasq():
    text = bridge_dhcp.config("br1", "10.0.3.1", bridge_dhcp.Dhcp("10.0.3.2", "10.0.3.9", 8, "lab"))
    assert bridge_dhcp.value(text, "listen-address") == "10.0.3.1"
    assert bridge_dhcp.value(text, "dhcp-range") == "10.0.3.2,10.0.3.9"
    assert bridge_dhcp.value(text, "dhcp-lease-max") == "8"
    assert bridge_dhcp.value(text, "dhcp-leasefile") == "/var/lib/misc/dnsmasq.br1.leases"
    assert "local=/lab/" in text.splitlines()
    assert bridge_dhcp.value(text, "user") == ""


def test_a_pid_that_passed_on_to_another_process_is_not_taken_for_dnsmasq(monkeypatch, tmp_path):
    monkeypatch.setattr(bridge_dhcp, "directory", lambda name: str(tmp_path))
    assert bridge_dhcp.pid("br0") is None
    (tmp_path / "dnsmasq.pid").write_text("1\n")
    assert bridge_dhcp.pid("br0") is None
    (tmp_path / "dnsmasq.pid").write_text("rubbish")
    assert bridge_dhcp.pid("br0") is None
