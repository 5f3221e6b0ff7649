# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a new container's config, made in the order in which LXC makes it. Pure, but for the random digits of a MAC."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional, Union

from ..config import edit, parser

Value = Union[None, str, list[str]]
Networks = Optional[Sequence[Mapping[str, Value]]]
# LXC's own prefix for the addresses that it makes up (network.c, up to 6.0.3).
_PREFIX = "00:16:3e:xx:xx:xx"
_BRIDGED = ("lxc.net.0.type = veth", "lxc.net.0.link = lxcbr0", "lxc.net.0.flags = up")
_WITH_ADDRESS = ("veth", "macvlan")


class Origin(NamedTuple):
    """What a config begins with: the template in its own words, what the host says, the include that makes it safe."""

    template: str
    parameters: Sequence[str]
    default_text: str | None
    has_bridge: bool
    include: str


def begin(origin: Origin, name: str, rootfs_path: str) -> str:
    """Before the template runs: LXC's comment lines, the include, the host's default.conf or a network, name and root."""
    lines = [
        f"# Template used to create this container: {_one_line(origin.template)}",
        f"# Parameters passed to the template: {_one_line(' '.join(origin.parameters))}".rstrip(),
        "# For additional config options, please look at lxc.container.conf(5)",
        "",
    ]
    if origin.include:
        lines.append(f"lxc.include = {origin.include}")
    lines += (origin.default_text or "").rstrip("\n").split("\n") if origin.default_text else []
    if origin.default_text is None:
        lines += _BRIDGED if origin.has_bridge else ["lxc.net.0.type = empty"]
    changes: dict[str, Value] = {"lxc.uts.name": name}
    if rootfs_path:
        changes["lxc.rootfs.path"] = rootfs_path
    return edit.edit("\n".join(lines) + "\n", changes)


def finish(text: str, lines: Sequence[str], changes: Mapping[str, Value], networks: Networks) -> str:
    """After the template: its lines, then what the user says, then addresses for the links that have none."""
    return with_addresses(_laid_over(text, lines, changes, networks))


def foresee(text: str, said: tuple[str, str], lines: Sequence[str], changes: Mapping[str, Value], networks: Networks) -> str:
    """As `finish` will make it, with an x for each digit that is drawn then. `said` is an include that may not be there yet: its
    line, and what the file says; the two must go together as they must when it is read."""
    text = _laid_over(text, lines, changes, networks)
    return with_addresses(text, lambda: "x", text.replace(*said) if said[0] else text)


def _laid_over(text: str, lines: Sequence[str], changes: Mapping[str, Value], networks: Networks) -> str:
    if lines:
        text = text.rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    if networks is not None or any(key.startswith("lxc.net.") for key in changes):
        text = edit.replace_networks(text, list(networks or []))
    return edit.edit(text, changes) if changes else text


def with_addresses(text: str, digit: Callable[[], str] = lambda: secrets.choice("0123456789abcdef"), whole: str = "") -> str:
    """Every `x` of a hwaddr becomes a random digit once and for all, and a veth without one gets one: it has to stay over restarts.

    `whole` is the text to look at, where it is not the one to change.
    """
    changes: dict[str, Value] = {}
    for network in parser.loads(whole or text, "config").networks:
        pattern = network.hwaddr or (_PREFIX if network.type in _WITH_ADDRESS else "")
        address = "".join(digit() if sign in "xX" else sign for sign in pattern)
        if address != network.hwaddr:
            changes[f"lxc.net.{network.index}.hwaddr"] = address
    return edit.edit(text, changes) if changes else text


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
