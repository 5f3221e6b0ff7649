# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at and kept in mind only when a bridge is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv4Interface

from ..errors import InUse
from ..lifecycle import bridge, bridge_dhcp, bridge_firewall
from ..rollback import Rollback
from .plan import Report


def whole(name: str, make: Callable[[], Report]) -> Report:
    """A new one; what cannot be made whole is not left half made."""
    with Rollback() as undo:
        for step in _undoing(name):
            undo.add(step)
        return make()


def check_free(ipv4: str, others: Sequence[tuple[str, str]]) -> None:
    """The host would not know which of two links leads to the addresses of one network."""
    wanted = IPv4Interface(ipv4)
    for cidr, interface in others:
        taken = IPv4Interface(cidr)
        if taken.ip == wanted.ip or taken.network == wanted.network:
            raise InUse(f"ipv4: {ipv4} is in a network of the interface {interface}, which has {cidr}", "Choose another network")


def _undoing(name: str) -> list[Callable[[], object]]:
    """Undone in reverse, and only as far as it was done."""

    def link() -> None:
        if bridge.look(name).driver:
            bridge.remove(name, True)

    def firewall() -> None:
        if bridge_firewall.read(name):
            bridge_firewall.write(name, "")

    return [link, firewall, partial(bridge_dhcp.stop, name)]


def warnings(name: str) -> list[str]:
    drops = bridge_firewall.drops_elsewhere()
    if not drops:
        return []
    return [
        f"The nftables table {drops} drops forwarded packets unless it is told otherwise: accept {name} there, or containers reach nothing"
    ]
