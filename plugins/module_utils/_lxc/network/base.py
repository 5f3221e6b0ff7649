# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network types share: what was created, and names that are the same at every start."""

from __future__ import annotations

from typing import NamedTuple

from .. import digest
from ..paths import Container

MARK = "hostkit-lxc"
_NAME_LIMIT = 15  # IFNAMSIZ - 1, netdevice(7)
_ALIAS_LIMIT = 255  # IFALIASZ - 1, linux/if.h


class Created(NamedTuple):
    """One interface: which `lxc.net.N`, its type, its name on the host, the one that it was given in the container's namespace and
    the one that it shall have there, gateways with `auto` resolved, and the mark that the host's end bears."""

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    type: str
    host_name: str
    peer_name: str
    name: str
    gateway4: str
    gateway6: str
    mark: str


def host_name(container: Container, index: int) -> str:
    """A name that only this interface of this container has, at each start the same."""
    return "veth" + digest.of(f"{container.directory}\0{index}")[: _NAME_LIMIT - len("veth")]


def mark(container: Container, index: int) -> str:
    """What is written into the interface's alias, so that a leftover is known for ours."""
    text = f"{MARK} {container.directory} {index}"
    return text if len(text.encode("utf-8", "surrogateescape")) <= _ALIAS_LIMIT else f"{MARK} {digest.of(container.directory)} {index}"
