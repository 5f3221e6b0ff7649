# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config of a clone: the source's text with another name, another root and other addresses, and over it what the user says.

As lxc-copy(1) does it, lines and comments keep their order. What it leaves, IP addresses and the names of a veth's ends among them,
stays; what two containers cannot share is named in a warning.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..config import edit, lines, parser, repoint
from ..config.repoint import Moves
from . import newconfig

_DIGITS = "0123456789abcdef"
_ADDRESS = "00:16:3e:xx:xx:xx"  # LXC's own, whatever the source's begins with


class Renaming(NamedTuple):
    """What is another's than the source's. An empty `name` keeps the host name; `file` names the source's config in messages."""

    moves: Moves
    rootfs_path: str
    name: str
    keep_mac: bool
    file: str = "config"


def text(
    source: str,
    renaming: Renaming,
    changes: Mapping[str, newconfig.Value],
    networks: newconfig.Networks,
    digit: Callable[[], str] = lambda: secrets.choice(_DIGITS),
) -> str:
    """The whole. Raises ConfigError for lines that cannot be used, in the source or in what is said."""
    file = renaming.file
    said = edit.edit(repoint.repoint(source, renaming.moves, file), _own(source, renaming), file)
    if not renaming.keep_mac:
        said = edit.edit(said, _addresses(said, file), file)
    said = edit.edit(said, changes, file)
    if networks is not None:
        said = edit.replace_networks(said, networks, file)
    if renaming.keep_mac and networks is None:
        return said
    return newconfig.with_addresses(said, digit)


def warnings(made: str, source_directory: str, file: str) -> list[str]:
    """What the clone has in common with its source and had better not have."""
    found = []
    for path in lines.values(made, file).get("lxc.include", []):
        if f"{os.path.normpath(path)}/".startswith(source_directory + "/"):
            found.append(f"lxc.include = {path} is a file of the container that was cloned, which it goes away with")
    for network in parser.loads(made, file).networks:
        if network.veth_pair:
            found.append(f"lxc.net.{network.index}.veth.pair = {network.veth_pair} is the source's too: only one of the two can run")
    return found


def _own(source: str, renaming: Renaming) -> dict[str, newconfig.Value]:
    """Storage that we make is ours to remove, whatever the source says of its own."""
    changes: dict[str, newconfig.Value] = {"lxc.uts.name": renaming.name} if renaming.name else {}
    if renaming.rootfs_path:
        changes["lxc.rootfs.path"] = renaming.rootfs_path
        if "lxc.rootfs.managed" in lines.values(source, renaming.file):
            changes["lxc.rootfs.managed"] = None
    return changes


def _addresses(said: str, file: str) -> dict[str, newconfig.Value]:
    """A new one for each network that has one; where an included file says it, by a line below it."""
    return {f"lxc.net.{one.index}.hwaddr": _ADDRESS for one in parser.loads(said, file).networks if one.hwaddr}
