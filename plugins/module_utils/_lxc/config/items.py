# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What LXC's get_config_item prints for a key (command 7 of its protocol, lxc-info -c), as LXC 5.0 prints it.

Numbers come out decimal, lists a line an item, unset numbers as their default. Where LXC prints "(null)" for what is
not set, this has None.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Optional

from . import keys, values
from .model import Config

_NUMBERS = ("bool", "int", "uint", "positive", "u16", "bridge_vlan")
# What LXC prints for what is not set. That of ipvlan.mode is really l2, whatever the manual says.
_DEFAULTS = {
    "lxc.autodev": "1",
    "lxc.log.level": "NOTSET",
    "lxc.monitor.signal.pdeath": "9",
    "lxc.rootfs.managed": "1",
    "lxc.time.offset.boot": "0 ns\n",
    "lxc.time.offset.monotonic": "0ns\n",
    "lxc.net.N.mtu": "",
    "lxc.net.N.ipvlan.isolation": "bridge",
    "lxc.net.N.ipvlan.mode": "l2",
    "lxc.net.N.macvlan.mode": "private",
    "lxc.net.N.veth.mode": "bridge",
    "lxc.net.N.veth.vlan.id": "0",
    "lxc.net.N.vlan.id": "0",
}
_NO_NEWLINE_AT_END = ("idmap", "ipv4", "ipv6", "ipv4_route", "ipv6_route", "bridge_vlan")


def item(config: Config, key: str) -> Optional[str]:
    """None where LXC answers with an error or nothing."""
    match = keys.find(key)
    if match is None or match.name == "lxc.include":
        return None
    if match.key.kind == "nothing":
        return _all(config, match) or None
    if match.index >= 0:
        kind = config.network_type(match.index)
        if kind is None or (match.key.needs and match.key.needs != kind):
            return None
        if match.suffix == "type":
            return kind
    return _text(config, match) or None


def _all(config: Config, match: keys.Match) -> str:
    """A family as a whole."""
    if match.name == "lxc.net":
        return "".join(f"{network.type}\n" for network in config.networks)
    kind = "prlimit" if match.name == "lxc.prlimit" else "text"
    return "".join(f"{match.name}.{suffix} = {_one(kind, value)}\n" for suffix, value in config.prefix(match.name + "."))


def _text(config: Config, match: keys.Match) -> str:
    name, key = match.name, match.key
    if key.kind.startswith("capabilities"):
        return _capabilities(config)
    if key.kind == "mount_auto":
        return _mount_auto(config.get_list(name))
    if key.kind == "namespaces":
        wanted = {word.lower() for word in config.get_list(name)}
        return "".join(f"{word}\n" for word in values.NAMESPACES if word in wanted)
    if key.many == keys.COMMAS:
        return ",".join(str(values.number(group)) for group in config.get_list(name))
    if key.name == "lxc.proc.":  # written in turn, and printed so
        return "".join(config.get_list(name))
    if key.many:
        lines = "".join(f"{_one(key.kind, value)}\n" for value in config.get_list(name))
        return lines[:-1] if key.kind in _NO_NEWLINE_AT_END else lines
    value = config.get(name)
    if value:
        return _one_of(key, value)
    if key.name == "lxc.net.N.name" and config.get(f"lxc.net.{match.index}.type") == "empty":
        return "lo"
    return _DEFAULTS.get(key.name, "0" if key.kind in ("bool", "int", "uint", "size", "signal") else "")


def _one_of(key: keys.Key, value: str) -> str:
    if key.name == "lxc.rootfs.path":
        return _path(value.partition(":")[2] if ":" in value else value)
    if key.name == "lxc.net.N.mtu":
        return value
    if key.kind == "time_offset":
        return _offset(value, " " if key.name == "lxc.time.offset.boot" else "")
    return _one(key.kind, value)


def _one(kind: str, value: str) -> str:
    if kind in _NUMBERS or (kind == "bridge_vlan_or_none" and value != "none"):
        return str(values.number(value))
    if kind in _FORMATS:
        return _FORMATS[kind](value)
    return value


def _path(value: str) -> str:
    """Without double slashes, `.` parts and a slash at the end; LXC leaves `..` alone."""
    parts = [part for part in value.split("/") if part not in ("", ".")]
    return ("/" if value.startswith("/") else "") + "/".join(parts)


def _size(value: str) -> str:
    """The next power of two, a page at least; auto is 128 KiB."""
    size = 2**17 if value == "auto" else values.size(value)
    return str(1 << (max(size, os.sysconf("SC_PAGESIZE")) - 1).bit_length())


def _log_level(value: str) -> str:
    return values.LOG_LEVELS[values.number(value)] if value[0].isdigit() else value.upper()


def _prlimit(value: str) -> str:
    soft, hard = ("unlimited" if bound < 0 else str(bound) for bound in values.limit(value))
    return soft if soft == hard else f"{soft}:{hard}"


def _cidr(family: int, longest: int) -> Callable[[str], str]:
    return lambda value: "{}/{}".format(*values.address(family, value, longest, 64))


def _plain_address(family: int) -> Callable[[str], str]:
    return lambda value: value if value in ("auto", "dev") else socket.inet_ntop(family, socket.inet_pton(family, value))


def _variable(value: str) -> str:
    return value if "=" in value else f"{value}={os.environ.get(value, '')}"


_FORMATS: dict[str, Callable[[str], str]] = {
    "arch": lambda value: "i686" if value in values.ARCH_32 else "x86_64",
    "path": _path,
    "fstab": _path,
    "below": _path,
    "size": _size,
    "signal": lambda value: str(values.signal_number(value)),
    "log_level": _log_level,
    "idmap": lambda value: "{} {} {} {}".format(*values.idmap(value)),
    "prlimit": _prlimit,
    "variable": _variable,
    "flags": lambda _value: "up",
    "unix_socket": lambda value: value[5:].lstrip("@"),
    "ipv4": lambda value: "{}/{}".format(*values.ipv4(value)),
    "ipv6": _cidr(socket.AF_INET6, 128),
    "ipv4_route": _cidr(socket.AF_INET, 32),
    "ipv6_route": _cidr(socket.AF_INET6, 128),
    "ipv4_gateway": _plain_address(socket.AF_INET),
    "ipv6_gateway": _plain_address(socket.AF_INET6),
}


def _capabilities(config: Config) -> str:
    """One list for both keys; `none` empties it."""
    found: list[str] = []
    for word in config.get_list("lxc.cap.drop") or config.get_list("lxc.cap.keep"):
        found = [] if word == "none" else [*found, word]
    return "".join(f"{word}\n" for word in found)


def _mount_auto(words: list[str]) -> str:
    """Of each kind the last, with its mode in full; of cgroups LXC prints neither cgroup2 nor what is forced."""
    last: dict[str, str] = {}
    for word in words:
        kind, _colon, mode = word.partition(":")
        last["cgroup" if kind.startswith("cgroup") else kind] = f"{kind}:{mode}" if mode else kind
    found = []
    for kind in ("proc", "sys", "cgroup"):
        word = last.get(kind, "")
        if word in ("proc", "sys"):
            word += ":mixed"
        if word and not word.startswith("cgroup2") and not word.endswith(":force"):
            found.append(word)
    return " ".join(found)


def _offset(value: str, blank: str) -> str:
    """In seconds where the unit is one or more of them, else in what LXC 5.0 takes for nanoseconds: 1 ms is 1000000, 1 us 1000."""
    digits = value.rstrip("hmsun ")
    amount, unit = int(digits), value[len(digits) :].strip()
    seconds = {"h": 3600, "m": 60, "s": 1}.get(unit)
    if seconds:
        return f"{amount * seconds}{blank}s\n"
    return f"{amount * {'ms': 10**6, 'us': 10**3, 'ns': 1}[unit]}{blank}ns\n"
