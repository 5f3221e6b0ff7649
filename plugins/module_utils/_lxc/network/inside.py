# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface as the container sees it: up, addresses, routes. Runs in the container's network namespace, with the host's files in view."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ..kernel import netlink
from .base import Created

if TYPE_CHECKING:
    from ..config.model import Network


def preload() -> None:
    """Nothing more than this file and its imports."""


def raise_loopback() -> None:
    """lo is there and down in a new namespace."""
    with netlink.Netlink() as links:
        links.set_up("lo")


def configure(network: Network, made: Created) -> None:
    """Addresses as `address/prefix [broadcast]`; gateways only where the interface is up (lxc.container.conf(5))."""
    with netlink.Netlink() as links:
        is_up = "up" in network.flags.split()
        if is_up:
            links.set_up(made.name)
        for text in (*network.ipv4, *network.ipv6):
            address, _blank, broadcast = text.partition(" ")
            links.add_address(made.name, address, broadcast.strip())
        if is_up:
            for gateway in filter(None, (made.gateway4, made.gateway6)):
                _route(links, gateway, made.name)


def _route(links: netlink.Netlink, gateway: str, name: str) -> None:
    """A gateway outside the interface's networks gets a route of its own first; `dev` needs none."""
    if gateway == "dev":
        links.add_route("0.0.0.0/0", "", name)
        return
    try:
        links.add_route("default", gateway, name)
    except OSError as error:
        if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            raise
        links.add_route(gateway, "", name)
        links.add_route("default", gateway, name)
