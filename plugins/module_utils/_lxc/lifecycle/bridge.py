# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge of the host for containers: the link, its address and the host's forwarding. Its DHCP, DNS and NAT have files of their own.

Looking at a bridge loads no netlink classes; what changes one does.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from .. import paths
from ..errors import InUse, StepError
from ..kernel import interfaces

ALIAS = "hostkit-lxc bridge"
LOCK = f"{paths.RUN}/bridges.lock"
FORWARD = "/proc/sys/net/ipv4/ip_forward"


class Link(NamedTuple):
    """How the interface of that name stands; `driver` is "" where there is none."""

    driver: str
    up: bool
    hwaddr: str
    ipv4: list[str]
    ipv6: list[str]


_NONE = Link("", False, "", [], [])


def look(name: str) -> Link:
    """Raises InUse where the name belongs to something that is no bridge."""
    found = interfaces.read().get(name)
    if found is None:
        return _NONE
    driver = interfaces.driver(name)
    if driver != "bridge":
        kind = f"driver {driver}" if driver else "of another kind"
        raise InUse(f"The interface {name} exists and is not a bridge ({kind})", "Choose another name, or remove it")
    ipv4, ipv6 = ([f"{one.address}/{one.prefix}" for one in found.addresses if one.family == version] for version in (4, 6))
    return Link(driver, found.up, found.hwaddr, ipv4, ipv6)


def others(name: str) -> list[tuple[str, str]]:
    """The IPv4 addresses of all interfaces but this one and lo, as address/prefix, each with its interface's name."""
    found = interfaces.read().values()
    listed = [(one, address) for one in found if one.name not in (name, "lo") for address in one.addresses if address.family == 4]
    return [(f"{address.address}/{address.prefix}", one.name) for one, address in listed]


@contextlib.contextmanager
def hold(what: str, timeout: float = 60) -> Iterator[None]:
    """Bridges are changed by one task at a time. InUse names who has the lock when `timeout` seconds were not enough."""
    from ..kernel import filelock

    with contextlib.suppress(FileExistsError):
        os.mkdir(paths.RUN, 0o700)
    lock_fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not filelock.try_lock(lock_fd):
            if time.monotonic() >= deadline:
                raise InUse(f"{LOCK} is held by {filelock.holder(LOCK)}", f"Waited in order to {what}; try again")
            time.sleep(0.02)
        filelock.note(lock_fd, what)
        yield
    finally:
        os.close(lock_fd)


def check() -> None:
    """Raises Unsupported where links cannot be changed."""
    from ..kernel import netlink

    netlink.check()


def make(name: str) -> None:
    """With an address of its own: one that it takes from its ports changes as containers come and go. It bears our mark."""
    from ..kernel import netlink
    from ..rollback import Rollback

    hwaddr = "00:16:3e" + "".join(f":{octet:02x}" for octet in os.urandom(3))
    try:
        with netlink.Netlink() as links, Rollback() as undo:
            links.create_bridge(name, hwaddr)
            undo.add(links.delete, name)
            links.set_alias(name, ALIAS)
    except OSError as error:
        raise StepError.from_os("network", "Make bridge", name, error) from error


def set_up(name: str) -> None:
    from ..kernel import netlink

    try:
        with netlink.Netlink() as links:
            links.set_up(name)
    except OSError as error:
        raise StepError.from_os("network", "Raise bridge", name, error) from error


def set_address(name: str, before: str, after: str) -> None:
    """`address/prefix` each; what the bridge has besides stays."""
    from ..kernel import netlink

    try:
        with netlink.Netlink() as links:
            if before:
                links.delete_address(name, *_split(before))
            links.add_address(name, *_split(after))
    except OSError as error:
        raise StepError.from_os("network", f"Set address {after} of bridge", name, error) from error


def _split(cidr: str) -> tuple[str, int]:
    address, _slash, prefix = cidr.partition("/")
    return address, int(prefix)


def forwards() -> bool:
    """Whether the host passes IPv4 packets on."""
    with open(FORWARD, encoding="ascii") as file:
        return file.read().strip() != "0"


def forward() -> None:
    try:
        with open(FORWARD, "w", encoding="ascii") as file:
            file.write("1\n")
    except OSError as error:
        raise StepError.from_os("network", "Turn on forwarding in", FORWARD, error) from error


def check_removable(name: str, force: bool) -> None:
    """Raises InUse for a bridge that we did not make, or that has ports (which `force` overrides)."""
    from ..kernel import netlink

    with netlink.Netlink() as links:
        everything = links.links()
    bridge = next((link for link in everything if link.name == name), None)
    if bridge is None:
        return
    if bridge.alias != ALIAS:
        whose = f"the alias {bridge.alias!r}" if bridge.alias else "none"
        mark = f"it would have the alias {ALIAS!r}, and has {whose}"
        raise InUse(f"The bridge {name} was not made by this module: {mark}", f"Remove it with: ip link delete {name}")
    ports = [link.name for link in everything if link.master == bridge.index]
    if ports and not force:
        named = ", ".join(ports[:5]) + (f" and {len(ports) - 5} more" if len(ports) > 5 else "")
        raise InUse(
            f"The bridge {name} has {len(ports)} port{'s' * (len(ports) > 1)} attached: {named}", "Stop the containers, or set force"
        )


def remove(name: str, force: bool) -> None:
    """The link, looked at once more right before."""
    from ..kernel import netlink

    check_removable(name, force)
    try:
        with netlink.Netlink() as links:
            links.delete(name)
    except OSError as error:
        raise StepError.from_os("network", "Remove bridge", name, error) from error
