# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge of the host: what is said and what is there, to a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, NamedTuple, Optional

from ..errors import BadValue
from ..lifecycle import bridge, bridge_dhcp, bridge_firewall
from .plan import Change, Report
from .reconciliation import Reconciliation

# What a new bridge has when nothing else is said: lxc-net's own choice.
_ADDRESS = "10.0.3.1/24"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


class Wanted(NamedTuple):
    """What the task says; None: nothing, which is not compared."""

    name: str
    present: bool
    ipv4: Optional[str] = None
    dhcp: Optional[bool] = None
    dhcp_range: Optional[str] = None
    domain: Optional[str] = None
    nat: Optional[bool] = None
    force: bool = False


class Observed(NamedTuple):
    """`dhcp` is the config that dnsmasq shall run with, `firewall` the table; each "" for none. `others` are the addresses of the
    host's other interfaces, with their names."""

    link: bridge.Link
    dhcp: str
    dhcp_runs: bool
    firewall: str
    forwards: bool
    others: Sequence[tuple[str, str]] = ()


class Settings(NamedTuple):
    """All that a bridge has. `ipv4` may be "" for one that somebody else made; the range is `first,last`."""

    ipv4: str
    dhcp: bool
    dhcp_range: str
    domain: str
    nat: bool

    @property
    def network(self) -> str:
        return str(IPv4Interface(self.ipv4).network) if self.ipv4 else ""


def read(params: Mapping[str, Any]) -> Wanted:
    """The task's parameters, checked."""
    name = params["name"]
    if not _NAME.fullmatch(name) or name in ("all", "default"):
        raise BadValue("name", name, "an interface's name: a letter, then letters, digits, _ . -, at most 15 of them")
    domain, ipv4, dhcp_range = params.get("domain"), params.get("ipv4"), params.get("dhcp_range")
    if domain and (not _DOMAIN.fullmatch(domain) or len(domain) > 253 or max(map(len, domain.split("."))) > 63):
        raise BadValue("domain", domain, "a domain name, or an empty text for none")
    return Wanted(
        name,
        params["state"] == "present",
        _checked_address(ipv4) if ipv4 is not None else None,
        params.get("dhcp"),
        _checked_range(dhcp_range) if dhcp_range is not None else None,
        domain,
        params.get("nat"),
        bool(params.get("force")),
    )


def _checked_address(text: str) -> str:
    try:
        interface = IPv4Interface(text)
    except ValueError:
        raise BadValue("ipv4", text, "ADDRESS/PREFIX of IPv4, such as 10.0.3.1/24") from None
    network = interface.network
    if "/" not in text or not 8 <= network.prefixlen <= 30 or interface.ip in (network.network_address, network.broadcast_address):
        raise BadValue("ipv4", text, "the address of a host with a prefix from 8 to 30, such as 10.0.3.1/24")
    if interface.is_loopback or interface.is_multicast or interface.is_reserved or interface.ip in IPv4Network("0.0.0.0/8"):
        raise BadValue("ipv4", text, "an address that a host of a network can have, such as 10.0.3.1/24")
    return str(interface)


def _checked_range(text: str) -> str:
    try:
        first, last = (IPv4Address(word.strip()) for word in text.split(","))
    except ValueError:
        raise BadValue("dhcp_range", text, "two IPv4 addresses with a comma between them") from None
    if first > last:
        raise BadValue("dhcp_range", text, "the lower address first")
    return f"{first},{last}"


def observe(name: str) -> Observed:
    """How the bridge stands. Raises InUse where the name belongs to something else."""
    runs = bridge_dhcp.pid(name) is not None
    rules, forwards = bridge_firewall.read(name), bridge.forwards()
    return Observed(bridge.look(name), bridge_dhcp.read(name), runs, rules, forwards, bridge.others(name))


def settings(wanted: Wanted, observed: Observed) -> Settings:
    """What is said, then what is there; for a new bridge what one has by default."""
    is_new = not observed.link.driver
    ipv4 = wanted.ipv4 or (_ADDRESS if is_new else next(iter(observed.link.ipv4), ""))
    if wanted.ipv4 in observed.link.ipv4:
        ipv4 = wanted.ipv4 or ""
    dhcp = _said(wanted.dhcp, is_new or bool(observed.dhcp))
    nat = _said(wanted.nat, is_new or bridge_firewall.masquerades(observed.firewall))
    if (dhcp or nat) and not ipv4:
        raise BadValue(
            "ipv4", None, f"an address, which {wanted.name} does not have yet", "DHCP and NAT need one; or set dhcp and nat to false"
        )
    for option, said in (("dhcp_range", wanted.dhcp_range), ("domain", wanted.domain)):
        if said and not dhcp:
            raise BadValue(option, said, f"dhcp: true with it, as {wanted.name} gives no addresses")
    domain = wanted.domain if wanted.domain is not None else bridge_dhcp.value(observed.dhcp, "domain")
    return Settings(ipv4, dhcp, _range(wanted, observed, ipv4) if dhcp else "", domain if dhcp else "", nat)


def _said(said: Optional[bool], otherwise: bool) -> bool:
    return otherwise if said is None else said


def _range(wanted: Wanted, observed: Observed, ipv4: str) -> str:
    """What is said must fit; what is there is kept as long as it fits."""
    if wanted.dhcp_range is not None:
        if not _fits(wanted.dhcp_range, ipv4):
            raise BadValue(
                "dhcp_range", wanted.dhcp_range, f"addresses of hosts in {IPv4Interface(ipv4).network}, without {ipv4.partition('/')[0]}"
            )
        return wanted.dhcp_range
    present = bridge_dhcp.value(observed.dhcp, "dhcp-range")
    return present if present and _fits(present, ipv4) else _default_range(ipv4)


def _fits(text: str, ipv4: str) -> bool:
    interface = IPv4Interface(ipv4)
    first, last = map(IPv4Address, text.split(","))
    low, high = _hosts(interface.network)
    return low <= first <= last <= high and not first <= interface.ip <= last


def _hosts(network: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    return network.network_address + 1, network.broadcast_address - 1


def _default_range(ipv4: str) -> str:
    """The longer side of the bridge's own address."""
    interface = IPv4Interface(ipv4)
    low, high = _hosts(interface.network)
    if high > interface.ip and int(high) - int(interface.ip) >= int(interface.ip) - int(low):
        return f"{interface.ip + 1},{high}"
    return f"{low},{interface.ip - 1}"


def _dhcp(have: Settings) -> bridge_dhcp.Dhcp:
    first, last = have.dhcp_range.split(",")
    return bridge_dhcp.Dhcp(first, last, int(IPv4Address(last)) - int(IPv4Address(first)) + 1, have.domain)


def plan(wanted: Wanted, observed: Observed) -> list[Change]:
    """What must be done, in the order in which it is done. Raises where it cannot be, before anything is touched."""
    if not wanted.present:
        return _absence(wanted, observed)
    have = settings(wanted, observed)
    if have.ipv4 and have.ipv4 not in observed.link.ipv4:
        from .bridge_making import check_free

        check_free(have.ipv4, observed.others)
    link = [change for change in _link(wanted.name, have, observed) if change.before != change.after]
    if link:
        bridge.check()
    return [*link, *_firewall(wanted.name, have, observed), *_service(wanted.name, have, observed)]


def _link(name: str, have: Settings, observed: Observed) -> list[Change]:
    link = observed.link
    before = have.ipv4 if have.ipv4 in link.ipv4 else next(iter(link.ipv4), "")
    changes = [
        Change("state", "present" if link.driver else "absent", "present", f"make bridge {name}", partial(bridge.make, name)),
        Change("ipv4", before, have.ipv4, f"give {name} the address {have.ipv4}", partial(bridge.set_address, name, before, have.ipv4)),
        Change("up", link.up, True, f"raise {name}", partial(bridge.set_up, name)),
    ]
    if have.nat:
        changes.append(Change("forwarding", observed.forwards, True, "turn on forwarding of IPv4", bridge.forward))
    return changes


def _firewall(name: str, have: Settings, observed: Observed) -> list[Change]:
    with_dhcp = have.dhcp and (have.nat or bridge_firewall.available())
    text = bridge_firewall.rules(name, have.network, nat=have.nat, dhcp=with_dhcp)
    if bridge_firewall.normal(text) == observed.firewall:
        return []
    bridge_firewall.check()
    before, after = ("NAT" if bridge_firewall.masquerades(rules) else "no NAT" if rules else "none" for rules in (observed.firewall, text))
    before = f"{before}, other rules" if before == after else before
    describe = (
        f"set the nftables table {bridge_firewall.table(name)}" if text else f"remove the nftables table {bridge_firewall.table(name)}"
    )
    return [Change("firewall", before, after, describe, partial(bridge_firewall.write, name, text))]


def _service(name: str, have: Settings, observed: Observed) -> list[Change]:
    if not have.dhcp:
        off = partial(bridge_dhcp.stop, name)
        return (
            [Change("dhcp", _words(observed), "off", f"stop the DHCP and DNS of {name}", off)]
            if observed.dhcp or observed.dhcp_runs
            else []
        )
    text = bridge_dhcp.config(name, have.ipv4.partition("/")[0], _dhcp(have))
    if observed.dhcp_runs and text == observed.dhcp:
        return []
    bridge_dhcp.check()
    before, after = _words(observed), _serving(text)
    before = f"{before}, with another config" if before == after else before
    return [Change("dhcp", before, after, f"start the DHCP and DNS of {name}", partial(bridge_dhcp.start, name, text))]


def _words(observed: Observed) -> str:
    return _serving(observed.dhcp) if observed.dhcp_runs else "off"


def _serving(text: str) -> str:
    domain = bridge_dhcp.value(text, "domain")
    return bridge_dhcp.value(text, "dhcp-range").replace(",", " to ") + (f", domain {domain}" if domain else "")


def _absence(wanted: Wanted, observed: Observed) -> list[Change]:
    name = wanted.name
    changes = []
    if observed.link.driver:
        bridge.check_removable(name, wanted.force)
    if observed.dhcp or observed.dhcp_runs:
        stop = partial(bridge_dhcp.stop, name)
        changes.append(Change("dhcp", _words(observed), "off", f"stop the DHCP and DNS of {name}", stop))
    if observed.firewall:
        describe = f"remove the nftables table {bridge_firewall.table(name)}"
        changes.append(Change("firewall", "present", "none", describe, partial(bridge_firewall.write, name, "")))
    if observed.link.driver:
        changes.append(Change("state", "present", "absent", f"remove bridge {name}", partial(bridge.remove, name, wanted.force)))
    return changes


class Job:
    """The reconciliation of one bridge. What cannot be made whole is not left half made."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._wanted = read(params)
        name = self._wanted.name
        self._reconciliation = Reconciliation(name, lambda: plan(self._wanted, observe(name)), lambda: {"bridge": result(name)})

    def predict(self) -> Report:
        return self._reconciliation.predict()

    def apply(self) -> Report:
        """Looked at only while nobody else changes it: a bridge that is half made would be taken for one that somebody wants so."""
        with bridge.hold(f"change bridge {self._wanted.name}"):
            return self._apply()

    def _apply(self) -> Report:
        is_new = self._wanted.present and not bridge.look(self._wanted.name).driver
        if not is_new:
            report = self._reconciliation.apply()
        else:
            from . import bridge_making

            report = bridge_making.whole(self._wanted.name, self._reconciliation.apply)
        if not report.changed or not self._wanted.present:
            return report
        from . import bridge_making

        return report._replace(warnings=bridge_making.warnings(self._wanted.name))


def result(name: str) -> dict[str, object]:
    """What the module returns."""
    now = observe(name)
    has_address = bool(now.link.ipv4)  # one that is being made has none yet
    said = Wanted(name, True, dhcp=now.dhcp_runs and has_address, nat=bridge_firewall.masquerades(now.firewall) and has_address)
    have = settings(said, now) if now.link.driver else None
    return {
        "name": name,
        "state": "present" if have else "absent",
        "up": now.link.up,
        "hwaddr": now.link.hwaddr,
        "ipv4": now.link.ipv4,
        "ipv6": now.link.ipv6,
        "dhcp": bool(have and have.dhcp),
        "dhcp_range": have.dhcp_range if have else "",
        "domain": have.domain if have else "",
        "nat": bool(have and have.nat),
    }
