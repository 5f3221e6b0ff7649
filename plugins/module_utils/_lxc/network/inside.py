# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface as the container sees it: its name, up, addresses, routes.

Runs in the container's network namespace with the host's files in view; all that it imports is imported with it.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from ..config import values
from ..errors import StepError
from ..kernel import netlink
from .base import Created

if TYPE_CHECKING:
    from ..config.model import Network


def raise_loopback(links: netlink.Netlink) -> None:
    """lo is there and down in a new namespace."""
    links.set_up("lo")


def rename(links: netlink.Netlink, made: Created) -> Created:
    """Give it the name that the config wants, or the first free one of eth0, eth1 and so on; it may have it from its creation."""
    if made.peer_name == made.name:
        return made
    name = made.name or _free_name(links)
    links.rename(made.peer_name, name)
    return made._replace(name=name)


def _free_name(links: netlink.Netlink) -> str:
    number = 0
    while links.find(f"eth{number}") is not None:
        number += 1
    return f"eth{number}"


def configure(links: netlink.Netlink, network: Network, made: Created) -> None:
    """Addresses as `address/prefix [broadcast]`; a gateway needs the interface to be up (lxc.container.conf(5))."""
    is_up = "up" in network.flags.split()
    if (made.gateway4 or made.gateway6) and not is_up:
        where = f"lxc.net.{network.index}"
        raise StepError("network", "Set the gateway of", where, text="the interface is not raised", hint=f"Add {where}.flags = up")
    for text in network.ipv4:
        _cidr, _blank, broadcast = text.partition(" ")
        links.add_address(made.name, *values.ipv4(text), broadcast.strip())
    for text in network.ipv6:
        links.add_address(made.name, *values.address(socket.AF_INET6, text, 128, 64))
    if is_up:
        links.set_up(made.name)
    for version, gateway in ((4, made.gateway4), (6, made.gateway6)):
        _route(links, version, gateway, made.name)


def _route(links: netlink.Netlink, version: int, gateway: str, name: str) -> None:
    """A gateway outside the interface's networks gets a route of its own first; `dev` is the link itself."""
    if gateway in ("", "dev"):
        if gateway:
            links.add_route(name, version)
        return
    try:
        links.add_route(name, version, gateway=gateway)
    except OSError as error:
        if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            raise
        links.add_route(name, version, gateway, 32 if version == 4 else 128)
        links.add_route(name, version, gateway=gateway)
