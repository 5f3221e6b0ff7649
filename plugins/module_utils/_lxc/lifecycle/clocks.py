# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.time.offset.*`: the container's own boot-time and monotonic clocks (time_namespaces(7))."""

from __future__ import annotations

import os
import re

from ..config.model import Config
from ..errors import StepError
from ..kernel import libc

_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_CLOCKS = {"boot": "boottime", "monotonic": "monotonic"}


def nanoseconds(value: str, key: str) -> int:
    """LXC's form: a signed whole number and one unit of h m s ms us ns; no unit is seconds."""
    match = re.fullmatch(r"([+-]?[0-9]+)\s*(h|m|s|ms|us|ns)?", value.strip())
    if not match:
        raise StepError("time", "Read", f"{key} = {value}", text="expected a whole number with h, m, s, ms, us or ns")
    return int(match[1]) * _UNITS[match[2] or "s"]


def enter(config: Config) -> None:
    """Make the namespace, set its offsets while nobody is in it, and enter it."""
    offsets = {}
    for word, clock in _CLOCKS.items():
        value = config.get(f"lxc.time.offset.{word}")
        if value:
            offsets[clock] = nanoseconds(value, f"lxc.time.offset.{word}")
    if not offsets:
        return
    try:
        libc.unshare(libc.CLONE_NEWTIME)
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
            file.write("".join(f"{clock} {value // 10**9} {value % 10**9}\n" for clock, value in offsets.items()))
        namespace_fd = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
        libc.setns(namespace_fd, libc.CLONE_NEWTIME)
        os.close(namespace_fd)
    except OSError as error:
        raise StepError.from_os("time", "Set", "lxc.time.offset", error) from error
