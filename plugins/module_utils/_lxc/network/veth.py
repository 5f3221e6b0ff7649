# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair of Ethernet interfaces, one end in the container, the other in a bridge of the host (veth(4))."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ..errors import InUse, StepError, Unsupported
from ..kernel import netlink
from ..paths import Container
from .base import MARK, Created, host_name, mark

if TYPE_CHECKING:
    from ..config.model import Network


def check(network: Network) -> None:
    """Raises Unsupported for what only a later version makes."""
    if network.veth_mode not in ("", "bridge"):
        raise Unsupported(f"lxc.net.{network.index}.veth.mode = {network.veth_mode} cannot be made by this version", "Use bridge")


def create(network: Network, container: Container, pid: int) -> Created:
    """Make the pair in the host's network namespace; the other end goes to that of process `pid` under its final name."""
    name = network.veth_pair or host_name(container, network.index)
    with netlink.Netlink() as links:
        bridge = _bridge(links, network)
        _make_room(links, name, container, network)
        inner = network.name or f"eth{network.index}"
        hwaddr = network.hwaddr
        links.create_veth(
            name,
            inner,
            {"pid": pid},
            master=network.link or None,
            mtu=int(network.mtu or 0),
            hwaddr=hwaddr,
            host_hwaddr=_high(hwaddr),
        )
        links.set_alias(name, mark(container, network.index))
        gateways = [_gateway(links, network, bridge, version) for version in (4, 6)]
    return Created(network.index, "veth", name, inner, *gateways)


def delete(made: Created) -> None:
    """The pair goes with its first end. A namespace that ends takes its links along too, but some time later."""
    with netlink.Netlink() as links:
        found = links.find(made.host_name)
        if found is not None and found.kind == "veth":
            try:
                links.delete(made.host_name)
            except OSError:
                if links.find(made.host_name) is not None:
                    raise


def _bridge(links: netlink.Netlink, network: Network) -> int:
    if not network.link:
        return 0
    found = links.find(network.link)
    if found is None:
        raise StepError(
            "network",
            "Create",
            f"lxc.net.{network.index} (veth)",
            text=f"the bridge {network.link} does not exist",
            hint=f"Make it with hostkit.lxc.lxc_bridge (name: {network.link}), or name another in lxc.net.{network.index}.link",
        )
    return found.index


def _make_room(links: netlink.Netlink, name: str, container: Container, network: Network) -> None:
    """What an earlier run of this container left is removed; what somebody else made is never touched."""
    found = links.find(name)
    if found is None:
        return
    if found.kind != "veth" or found.alias != mark(container, network.index):
        whose = found.alias[len(MARK) :].strip() if found.alias.startswith(MARK) else "not one of ours"
        raise InUse(f"The interface {name} for lxc.net.{network.index} exists already ({whose})", "Choose another veth_pair, or remove it")
    links.delete(name)


def _high(hwaddr: str) -> str:
    """The host's end gets the highest first octet: a bridge takes the lowest address of its ports, which then never changes."""
    return "fe" + hwaddr[2:] if hwaddr else ""


def _gateway(links: netlink.Netlink, network: Network, bridge: int, version: int) -> str:
    """`auto` is the first address of the bridge."""
    wanted = network.ipv4_gateway if version == 4 else network.ipv6_gateway
    if wanted != "auto":
        return wanted
    for address in links.addresses(bridge, version):
        if not ipaddress.ip_address(address).is_link_local:
            return address
    raise StepError("network", "Find", f"lxc.net.{network.index}.ipv{version}.gateway = auto", text=f"{network.link or 'no link'} has no such address")
