# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge's nftables table: a table of its own, named after it, replaced and removed as a whole (nft(8))."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import StepError, Unsupported
from ..kernel import command

# As `nft list` says it with names, and with numbers.
_PRIORITIES = {"filter": "0", "srcnat": "100"}


def table(name: str) -> str:
    return f"hostkit_{name}"


def rules(name: str, network: str, *, nat: bool, dhcp: bool) -> str:
    """The table, in nft's own layout; "" when there is nothing to say. `network` is address/prefix of the bridge's network."""
    chains = []
    if dhcp:
        ports = [f'iifname "{name}" {port} accept' for port in ("udp dport 53", "tcp dport 53", "udp dport 67")]
        chains.append(_chain("input", "type filter hook input priority 0; policy accept;", ports))
    if nat:
        both_ways = [f'iifname "{name}" accept', f'oifname "{name}" accept']
        chains.append(_chain("forward", "type filter hook forward priority 0; policy accept;", both_ways))
        leaving = [f"ip saddr {network} ip daddr != {network} masquerade"]
        chains.append(_chain("postrouting", "type nat hook postrouting priority 100; policy accept;", leaving))
    return f"table ip {table(name)} {{\n{''.join(chains)}}}\n" if chains else ""


def _chain(name: str, hook: str, lines: Sequence[str]) -> str:
    return f"chain {name} {{\n{hook}\n" + "".join(f"{line}\n" for line in lines) + "}\n"


def read(name: str) -> str:
    """The table as it is now, in the layout of `rules`; "" when there is none."""
    nft = command.which("nft")
    if nft is None:
        return ""
    result = command.run([nft, "-n", "-s", "list", "table", "ip", table(name)])
    if result.rc and "No such file or directory" in result.stderr:
        return ""
    if result.rc:
        raise StepError("network", "List nftables table", table(name), text=result.stderr.strip()[-500:])
    return normal(result.stdout)


def normal(text: str) -> str:
    """Without indentation, comments and empty lines, priorities as numbers."""
    stripped = "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return re.sub(r"priority (\w+);", lambda found: f"priority {_PRIORITIES.get(found[1], found[1])};", stripped)


def masquerades(text: str) -> bool:
    return "masquerade" in text


def available() -> bool:
    return command.which("nft") is not None


def check() -> None:
    """Raises Unsupported where there is no nft."""
    if not available():
        raise Unsupported(
            "The program nft is missing, and this version sets no rules with iptables", "Install nftables, or set nat to false"
        )


def write(name: str, text: str) -> None:
    """Replace the whole table in one transaction; "" removes it."""
    check()
    empty = f"table ip {table(name)} {{\n}}\ndelete table ip {table(name)}\n"
    result = command.run([command.which("nft") or "nft", "-f", "-"], stdin=(empty + text).encode())
    if result.rc:
        reason = result.stderr.strip()[-500:] or f"nft ended with status {result.rc}"
        raise StepError("network", "Set nftables table", table(name), text=reason)


def drops_elsewhere() -> str:
    """Another table that drops what is forwarded, as Docker and ufw set one up; "" when none is seen.

    An accept in our table does not save a packet from it: every base chain has its say.
    """
    nft = command.which("nft")
    result = command.run([nft, "-n", "-s", "list", "chains"]) if nft else None
    current = ""
    for line in result.stdout.splitlines() if result and not result.rc else ():
        current = " ".join(line.split()[1:3]) if line.startswith("table ") else current
        if "hook forward" in line and "policy drop" in line and current.split(" ", maxsplit=1)[0] in ("ip", "inet"):
            return current
    return ""
