# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network types share: what was created, and names that are the same at every start."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ..paths import Container

MARK = "hostkit-lxc"
_NAME_LIMIT = 15  # IFNAMSIZ - 1, netdevice(7)


class Created(NamedTuple):
    """One interface: which `lxc.net.N`, its type, its name on the host and in the container, gateways with `auto` resolved."""

    index: int
    type: str
    host_name: str
    name: str
    gateway4: str
    gateway6: str


def host_name(container: Container, index: int) -> str:
    """A name that only this interface of this container has, at each start the same."""
    key = f"{container.directory}\0{index}".encode("utf-8", "surrogateescape")
    return "veth" + hashlib.sha256(key).hexdigest()[: _NAME_LIMIT - len("veth") - 3]


def mark(container: Container, index: int) -> str:
    """What is written into the interface's alias, so that a leftover is known for ours."""
    return f"{MARK} {container.directory} {index}"
