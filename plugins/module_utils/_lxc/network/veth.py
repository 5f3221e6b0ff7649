# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair of Ethernet interfaces, one end in the container, the other in a bridge of the host (veth(4)).

Everything here runs in the host's network namespace.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Optional

from ..config import values
from ..errors import InUse, StepError, Unsupported
from ..kernel import interfaces, netlink
from ..paths import Container
from .base import Created, host_name, mark

if TYPE_CHECKING:
    from ..config.model import Network

_FAMILIES = {4: (socket.AF_INET, 32), 6: (socket.AF_INET6, 128)}


def check(network: Network) -> None:
    """Raises Unsupported for what only a later version makes."""
    if network.veth_mode not in ("", "bridge"):
        raise Unsupported(f"lxc.net.{network.index}.veth.mode = {network.veth_mode} cannot be made by this version", "Use bridge")
    if network.veth_vlan_id or network.veth_vlan_tagged_ids:
        raise Unsupported(f"lxc.net.{network.index}.veth.vlan: VLANs of a bridge's port cannot be made by this version")


def create(network: Network, container: Container, pid: int) -> Created:
    """Make the pair, its other end in the namespace of process `pid`: under its own name, else under one that nothing there has yet."""
    name = network.veth_pair or host_name(container, network.index)
    own_mark = mark(container, network.index)
    with netlink.Netlink() as links:
        bridge = _bridge(links, network)
        gateway4, gateway6 = (_gateway(links, network, bridge, version) for version in (4, 6))
        peer_name = _make(links, network, name, own_mark, bridge, pid)
        try:
            links.set_alias(name, own_mark)
            _routes(links, network, name)
        except BaseException:
            links.delete(name)
            raise
    return Created(network.index, "veth", name, peer_name, network.name, gateway4, gateway6, own_mark)


def _make(links: netlink.Netlink, network: Network, name: str, own_mark: str, bridge: Optional[netlink.Link], pid: int) -> str:
    """The pair; returns the peer's name. A new namespace has nothing but lo, so the name that the config wants is free there.

    So nothing has to be renamed inside. Where the name is refused it is renamed there all the same, and the error says which name.
    """
    both = {"MTU": int(network.mtu or (bridge.mtu if bridge else 0))}
    both.update(NUM_RX_QUEUES=int(network.veth_rx_queues or 0), NUM_TX_QUEUES=int(network.veth_tx_queues or 0))

    def make(peer_name: str) -> str:
        own = {**both, "ADDRESS": _high(network.hwaddr)}
        links.create_veth(name, peer_name, {"pid": pid}, master=bridge, attributes=own, peer_attributes={**both, "ADDRESS": network.hwaddr})
        return peer_name

    provisional = f"lxcnew{network.index}"
    try:
        return make(network.name or provisional)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.EINVAL, errno.ERANGE):
            raise
        _make_room(links, name, own_mark, network)
        return make(provisional)


def delete(made: Created) -> None:
    """The pair goes with its first end. A namespace that ends takes its links along too, but some time later."""
    with netlink.Netlink() as links:
        found = links.find(made.host_name)
        if found is None or found.alias != made.mark:
            return
        try:
            links.delete_index(found.index, made.host_name)
        except OSError:
            if links.find(made.host_name) is not None:
                raise


def _bridge(links: netlink.Netlink, network: Network) -> Optional[netlink.Link]:
    if not network.link:
        return None
    found = links.find(network.link)
    if found is not None and found.kind == "bridge":
        return found
    raise _no_bridge(network, None if found is None else found.kind)


def check_host(network: Network) -> None:
    """Raises StepError for a bridge that there is not, and where it has no address for a gateway that it shall be."""
    found = interfaces.read().get(network.link)
    driver = interfaces.driver(network.link) if found else None
    if found is None or driver != "bridge":
        raise _no_bridge(network, driver)
    for version, gateway in ((4, network.ipv4_gateway), (6, network.ipv6_gateway)):
        if gateway == "auto" and not any(one.family == version for one in found.addresses):
            raise _no_gateway(network, version)


def _no_bridge(network: Network, kind: Optional[str]) -> StepError:
    """`kind` is what the link is instead, None where there is none of that name."""
    text = f"the bridge {network.link} does not exist" if kind is None else f"{network.link} is no bridge but {kind or 'a device'}"
    hint = f"Make it with hostkit.lxc.lxc_bridge (name: {network.link}), or name another in lxc.net.{network.index}.link"
    return StepError("network", "Create", f"lxc.net.{network.index} (veth)", text=text, hint=hint)


def _make_room(links: netlink.Netlink, name: str, own_mark: str, network: Network) -> None:
    """What an earlier run of this container left is removed; what somebody else made is never touched."""
    found = links.find(name)
    if found is None:
        return
    if found.kind != "veth" or found.alias != own_mark:
        whose = f"its alias is {found.alias!r}" if found.alias else f"kind {found.kind or 'unknown'}, made by somebody else"
        message = f"Interface {name}, wanted for lxc.net.{network.index}, exists already ({whose})"
        raise InUse(message, "Choose another veth.pair, or remove it")
    links.delete_index(found.index, name)


def _high(hwaddr: str) -> str:
    """The host's end has a high address: a bridge takes the lowest one of its ports, which so does not change as containers come and go."""
    return "fe" + (hwaddr[2:] if hwaddr else "".join(f":{octet:02x}" for octet in os.urandom(5)))


def _gateway(links: netlink.Netlink, network: Network, bridge: Optional[netlink.Link], version: int) -> str:
    """`auto` is the first address of the bridge."""
    wanted = network.ipv4_gateway if version == 4 else network.ipv6_gateway
    if wanted != "auto":
        return wanted
    found = links.addresses(bridge.index, version) if bridge else []
    if found:
        return found[0]
    raise _no_gateway(network, version)


def _no_gateway(network: Network, version: int) -> StepError:
    text = f"{network.link} has no IPv{version} address" if network.link else f"there is no lxc.net.{network.index}.link to take it from"
    return StepError("network", "Find", f"lxc.net.{network.index}.ipv{version}.gateway = auto", text=text)


def _routes(links: netlink.Netlink, network: Network, name: str) -> None:
    """The host's routes to networks behind the container."""
    for version, wanted in ((4, network.veth_routes4), (6, network.veth_routes6)):
        family, longest = _FAMILIES[version]
        for text in wanted:
            links.add_route(name, version, *values.address(family, text, longest, longest))
