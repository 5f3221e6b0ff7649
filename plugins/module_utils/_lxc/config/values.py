# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of value may be. A value that is refused here fails LXC's own load too, or its start, or is silently bent by it."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Callable

NAMESPACES = ("user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time")  # in the order that LXC prints them
LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL")
ARCH_32 = "arm armel armhf armv7l athlon i386 i486 i586 i686 linux32 mips mipsel ppc powerpc x86".split()
ARCH_64 = "aarch64 amd64 arm64 linux64 mips64 mips64el ppc64 ppc64el ppc64le powerpc64 riscv64 s390x x86_64".split()

_CHOICES = {
    "bool": "0 1",
    "arch": " ".join(ARCH_32 + ARCH_64),
    "syslog": "daemon local0 local1 local2 local3 local4 local5 local6 local7",
    "net_type": "veth empty none phys vlan macvlan ipvlan",
    "veth_mode": "bridge router",
    "macvlan_mode": "private vepa bridge passthru",
    "ipvlan_mode": "l3 l3s l2",
    "ipvlan_isolation": "bridge private vepa",
}
_AUTO = r"proc(:mixed|:rw)?|sys(:ro|:mixed|:rw)?|cgroup2(:ro)?(:force)?|cgroup(-full)?(:mixed|:ro|:rw)?(:force)?|shmounts:.+"
_UNITS = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_OLD_SIGNALS = {"STKFLT": 16, "UNUSED": 31, "CLD": 17, "IOT": 6}  # of Linux, not known to every Python


def problem(kind: str, value: str) -> str:
    """What was expected instead, or nothing when the value is good."""
    if "\n" in value or "\0" in value:
        return "text of one line, without NUL"
    if "\r" in value:
        return "no carriage return in it (the file has Windows line ends; LXC takes them into the values)"
    if not value:
        return "a value; LXC cannot clear this key" if kind in ("arch", "fstab") else ""
    try:
        check, expected = _CHECKS.get(kind, _ANYTHING)
        return "" if check(value) else expected
    except (ValueError, OSError):
        return expected


def number(text: str) -> int:
    """As strtol(3) with base 0 reads it, and so LXC: 0x begins a hexadecimal number, 0 an octal one. ValueError otherwise."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isalnum() or digits[1:2] in ("o", "O"):
        raise ValueError(text)
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    return int(text, base)


def signal_number(text: str) -> int:
    """`SIGPWR`, `SIGRTMIN+3`, `SIGRTMAX-2` or a number, as kill(1) has them. ValueError for anything else."""
    if text[:1].isdigit():
        return number(text)
    match = re.fullmatch(r"SIG(RTMIN\+|RTMAX-|)(\w+)", text, re.IGNORECASE)
    if not match:
        raise ValueError(text)
    real_time, name = match[1].upper(), match[2].upper()
    if real_time:
        offset = number(name)
        if not 0 <= offset <= signal.SIGRTMAX - signal.SIGRTMIN:
            raise ValueError(text)
        return signal.SIGRTMIN + offset if real_time == "RTMIN+" else signal.SIGRTMAX - offset
    if name in ("RTMIN", "RTMAX"):
        raise ValueError(text)
    found = getattr(signal, f"SIG{name}", None) or _OLD_SIGNALS.get(name)
    if not isinstance(found, int):
        raise ValueError(text)
    return int(found)


def size(text: str) -> int:
    """Bytes, 1024-based. One letter after the number says nothing to LXC (16K is 16 bytes), so only B, KB, MB, ... are taken."""
    match = re.fullmatch(r"([0-9]+)\s*([A-Za-z]{0,2})", text)
    if not match or match[2].upper() not in _UNITS:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2].upper()]


def idmap(text: str) -> tuple[str, int, int, int]:
    """`u 0 100000 65536`: kind, first id inside, first id outside, how many. ValueError otherwise."""
    kind, inside, outside, count = text.split()
    if kind not in ("u", "g"):
        raise ValueError(text)
    return kind, number(inside), number(outside), number(count)


def limit(text: str) -> tuple[int, int]:
    """`SOFT[:HARD]` of lxc.prlimit, -1 for `unlimited`; one value is both. ValueError otherwise."""
    soft, colon, hard = (part.strip() for part in text.partition(":"))
    return _bound(soft), _bound(hard if colon and hard else soft)


def _bound(word: str) -> int:
    if word == "unlimited":
        return -1
    if not _digits(word):
        raise ValueError(word)
    return int(word)


def address(family: int, text: str, longest: int, default: int) -> tuple[str, int]:
    """Address and prefix length, the address in the kernel's spelling; `default` -1: the prefix must be there."""
    base, slash, prefix = text.partition("/")
    plain = socket.inet_ntop(family, socket.inet_pton(family, base))
    length = number(prefix) if slash else default
    if not 0 <= length <= longest:
        raise ValueError(text)
    return plain, length


def ipv4(text: str) -> tuple[str, int]:
    """`ADDRESS[/PREFIX] [BROADCAST]`; without a prefix it follows from the class of the network, as LXC has it."""
    cidr, _blank, broadcast = text.partition(" ")
    if broadcast:
        socket.inet_pton(socket.AF_INET, broadcast)
    return address(socket.AF_INET, cidr, 32, _class_prefix(cidr))


def _class_prefix(text: str) -> int:
    # LXC looks at the address's bytes in the host's order, so on little-endian machines the last one decides.
    octets = text.partition("/")[0].split(".")
    first = int(octets[-1] if sys.byteorder == "little" else octets[0]) if octets[-1].isdigit() and octets[0].isdigit() else 0
    return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 0


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _gateway(family: int) -> Callable[[str], bool]:
    return lambda text: text in ("auto", "dev") or bool(socket.inet_pton(family, text))


def _cidr(family: int, longest: int, default: int) -> Callable[[str], bool]:
    return lambda text: bool(address(family, text, longest, default))


def _pattern(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


def _between(lowest: int, highest: int) -> Callable[[str], bool]:
    return lambda text: lowest <= number(text) <= highest


def _words(pattern: str) -> Callable[[str], bool]:
    return lambda text: all(re.fullmatch(pattern, word) for word in text.split())


def _choice(kind: str) -> tuple[Callable[[str], bool], str]:
    words = _CHOICES[kind].split()
    return (lambda text: text in words), "one of " + ", ".join(words)


def _is_below(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _are_groups(text: str) -> bool:
    return all(0 <= number(item.strip()) < 2**32 for item in text.split(",") if item.strip())


def _are_root_options(text: str) -> bool:
    return not {"create=dir", "create=file", "optional", "relative"} & set(text.split(","))


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _is_log_level(text: str) -> bool:
    return text.upper() in LOG_LEVELS or (_digits(text) and number(text) <= 8)


_ANYTHING: tuple[Callable[[str], bool], str] = ((lambda _text: True), "")
_CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    **{kind: _choice(kind) for kind in _CHOICES if kind != "bool"},
    "bool": (_between(0, 1), "0 or 1"),
    "nothing": ((lambda _text: False), "no value (the key alone clears what stands above it)"),
    "dropped": ((lambda _text: False), "this key to be left out (LXC has none of that name since 2.1)"),
    "fstab": ((lambda text: _length(text) < 4096), "a path of less than 4096 bytes"),
    "path": ((lambda text: _length(text) < 4096), "a path of less than 4096 bytes"),
    "hostname": ((lambda text: _length(text) < 65), "a host name of at most 64 bytes"),
    "int": (_between(-(2**31), 2**31 - 1), "a whole number"),
    "uint": (_between(0, 2**32 - 1), "a whole number, not negative"),
    "positive": (_between(1, 2**31 - 1), "a whole number above 0"),
    "u16": (_between(0, 65535), "a number from 0 to 65535"),
    "bridge_vlan": (_between(0, 4094), "a number from 0 to 4094"),
    "bridge_vlan_or_none": ((lambda text: text == "none" or 0 <= number(text) <= 4094), "a number from 0 to 4094, or none"),
    "size": ((lambda text: text == "auto" or size(text) >= 0), "auto, or a number of bytes with nothing, B, KB, MB or GB after it"),
    "signal": ((lambda text: 0 <= signal_number(text) <= 64), "a signal: SIGPWR, SIGRTMIN+3, SIGRTMAX-2, or its number"),
    "log_level": (_is_log_level, "one of " + ", ".join(LOG_LEVELS) + ", or a number from 0 to 8"),
    "capabilities": (_words(r"(?!none$)[a-z0-9_]+"), "names of capabilities in small letters, without cap_"),
    "capabilities_kept": (_words(r"[a-z0-9_]+"), "names of capabilities in small letters, without cap_, or none"),
    "groups": (_are_groups, "numbers of groups with commas between them"),
    "idmap": ((lambda text: min(idmap(text)[1:]) >= 0), "u or g, the first id inside, the first id outside, how many"),
    "mount_auto": (_words(_AUTO), "words like proc:mixed, sys:ro, cgroup:rw:force, shmounts:PATH"),
    "namespaces": ((lambda text: all(word.lower() in NAMESPACES for word in text.split())), "names of namespaces: " + " ".join(NAMESPACES)),
    "variable": ((lambda text: not text.startswith("=")), "NAME=VALUE"),
    "below": (_is_below, "a relative path without .. in it"),
    "directory_name": ((lambda text: "/" not in text and text not in (".", "..")), "the name of one directory"),
    "root_options": (_are_root_options, "mount options, and no create=, optional or relative, which are for lxc.mount.entry"),
    "unix_socket": (_pattern(r"unix:[/@].{1,106}"), "unix: and the path of a socket"),
    "time_offset": (_pattern(r"[+-]?[0-9]+( ?s|ns)|\+?[0-9]+( ?[hm]|[mu]s)"), "a whole number with h, m, s, ms, us or ns"),
    "prlimit": ((lambda text: bool(limit(text))), "SOFT or SOFT:HARD, each a number or unlimited"),
    "flags": ((lambda text: text.lower() == "up"), "up"),
    "mac": (_pattern(r"[0-9A-Fa-fxX]{2}(:[0-9A-Fa-fxX]{2}){5}"), "a MAC address, where an x stands for a random digit"),
    "interface": (_pattern(r"[^\s/]{1,15}"), "the name of a network interface: at most 15 characters, no blank or slash"),
    "ipv4": ((lambda text: bool(ipv4(text))), "ADDRESS/PREFIX, and perhaps a blank and the broadcast address"),
    "ipv6": (_cidr(socket.AF_INET6, 128, 64), "ADDRESS/PREFIX of IPv6"),
    "ipv4_gateway": (_gateway(socket.AF_INET), "an IPv4 address, auto or dev"),
    "ipv6_gateway": (_gateway(socket.AF_INET6), "an IPv6 address, auto or dev"),
    "ipv4_route": (_cidr(socket.AF_INET, 32, -1), "ADDRESS/PREFIX of IPv4"),
    "ipv6_route": (_cidr(socket.AF_INET6, 128, -1), "ADDRESS/PREFIX of IPv6"),
}  # fmt: skip
