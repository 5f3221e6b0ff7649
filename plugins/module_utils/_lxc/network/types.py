# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which network type: create in the host's network namespace, configure in the container's, delete in the host's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from ..errors import StepError, Unsupported
from ..paths import Container
from .base import Created

if TYPE_CHECKING:
    from ..config.model import Network

# Without an interface of their own: `empty` has only lo, `none` the host's.
_BARE = ("", "empty", "none")


def shares_host(networks: Sequence[Network]) -> bool:
    """Only `type = none` alone shares the host's network namespace; no network at all is a namespace with only lo."""
    return bool(networks) and all(network.type == "none" for network in networks)


def preload(networks: Sequence[Network]) -> None:
    """Import now what `configure_all` will use. Raises Unsupported for a type that cannot be made."""
    from ..kernel import netlink
    from . import inside as _inside  # noqa: F401 - imported to be there

    netlink.preload()
    check(networks)


def check(networks: Sequence[Network]) -> None:
    """Raises Unsupported for a type that cannot be made."""
    from . import veth

    for network in networks:
        if network.type == "veth":
            veth.check(network)
        elif network.type not in _BARE:
            raise Unsupported(f"lxc.net.{network.index}.type = {network.type} cannot be made by this version", "Use veth, empty or none")


def check_host(network: Network) -> None:
    """Raises StepError where the host has not what it is to be linked to."""
    if network.type == "veth" and network.link:
        from . import veth

        veth.check_host(network)


def named(networks: Sequence[Network]) -> list[Network]:
    """With the name that each pair's inner end will have in a namespace with only lo: what the config wants, else eth0, eth1 and so on."""
    taken = {network.name for network in networks}
    free = (name for name in map("eth{}".format, itertools.count()) if name not in taken)
    return [network._replace(name=next(free)) if network.type == "veth" and not network.name else network for network in networks]


def create(network: Network, container: Container, pid: int) -> Optional[Created]:
    """Make the interface, its inner end in the namespace of process `pid`; None for a type that has none."""
    if network.type != "veth":
        return None
    from . import veth

    try:
        return veth.create(network, container, pid)
    except OSError as error:
        raise _step("Create", network, error) from error


def configure_all(networks: Sequence[Network], listed: Sequence[Sequence[Any]], own_namespace: bool) -> None:
    """In the container's network namespace: lo, and each interface that was created. `listed` are Created as lists."""
    from ..kernel import netlink
    from . import inside

    if not own_namespace:
        return
    by_index = {network.index: network for network in networks}
    with netlink.Netlink() as links:
        inside.raise_loopback(links)
        # Names that the config wants come before those that may be any.
        for made in sorted(map(created, listed), key=lambda one: not one.name):
            network = by_index[made.index]
            try:
                inside.configure(links, network, inside.rename(links, made))
            except OSError as error:
                raise _step("Configure", network, error) from error


def delete(made: Created) -> None:
    """Take the host's end away; one that is gone is no error."""
    from . import veth

    veth.delete(made)


def created(fields: Sequence[Any]) -> Created:
    """Back from the list that it becomes on a socket."""
    return Created(*fields)


def _step(action: str, network: Network, error: OSError) -> StepError:
    about = f" {error.filename}" if error.filename else ""
    return StepError.from_os("network", action, f"lxc.net.{network.index} ({network.type}){about}", error)
