# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules where cgroup v2 is alone: `lxc.cgroup2.devices.allow` and `.deny`, made into one BPF program for the container's cgroup.

They mean what version 1's controller makes of them (kernel document cgroup-v1/devices.rst): `a` allows or denies everything and
forgets what was said before; what follows are exceptions. Where a host has version 1 too, its controller is written to (`limits.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Optional

from ..config.model import Config
from ..errors import StepError
from ..kernel import cgroup_bpf, cgroupfs
from ..kernel.cgroup_bpf import Device

__all__ = ["Device", "Rules", "apply", "change", "from_fields", "program", "rehearse", "replace", "wanted"]

_V1, _V2 = "lxc.cgroup.", "lxc.cgroup2."
_KEYS = {"devices.allow": True, "devices.deny": False}
_EVERY = -1
_LETTERS = "rwm"
_ORDERED = ("rwm", "r", "w", "m", "rw", "rm", "wm", "")
_LARGEST = 2**31 - 1
_EXPECTED = "expected `a`, or `b` or `c`, MAJOR:MINOR with * for any, and some of rwm"
_HINT = "The kernel needs CONFIG_CGROUP_BPF; without the rules root in the container could open any device of the host"

Numbers = tuple[str, int, int]


class Rules(NamedTuple):
    """What has no exception is allowed, or is not."""

    allow: bool = True
    exceptions: tuple[Device, ...] = ()


def change(rules: Rules, device: Device, allow: bool) -> Rules:
    """The rules after one more: a new exception, more of an old one, or less of it."""
    known = {one[:3]: one.access for one in rules.exceptions}
    return _rules(_add(known, rules.allow, device, allow), known)


def _add(known: dict[Numbers, str], default: bool, device: Device, allow: bool) -> bool:
    """Into the access by device; returns what holds without an exception."""
    key, named = device[:3], _ordered(device.access)
    if key == ("a", _EVERY, _EVERY) and named in ("", _LETTERS):
        known.clear()
        return allow
    before = known.get(key, "")
    known[key] = _ordered(before + named) if allow != default else before.translate({ord(letter): None for letter in named})
    return default


def _rules(allow: bool, known: dict[Numbers, str]) -> Rules:
    return Rules(allow, tuple([Device(*numbers, access) for numbers, access in known.items() if access]))


def _ordered(letters: str) -> str:
    return letters if letters in _ORDERED else "".join([letter for letter in _LETTERS if letter in letters])


def wanted(config: Config) -> tuple[Optional[Rules], list[str]]:
    """The rules of a config, None for none, with warnings.

    LXC obeys the keys of version 2 alone. A config that has only those of version 1 would leave every device of the host open
    here, which it does not want: they are taken for the others.
    """
    theirs, ours = _settings(config, _V1), _settings(config, _V2)
    if not ours:
        note = f"{_V1}devices.* is taken for {_V2}devices.*, of which there is none: under lxc-start it has no effect on this host"
        return (_reduce(_V1, theirs), [note]) if theirs else (None, [])
    # A config for any host says it twice, as what our containers include does; of that there is nothing to say.
    alone = [] if theirs == ours else [f"{_V1}{key} = {value}" for key, value in theirs if (key, value) not in ours]
    return _reduce(_V2, ours), [f"{line} has no effect: on this host {_V2}devices.* count" for line in alone]


def named_by_path(config: Config) -> bool:
    """Whether a rule names a node of the host's by its path, which takes a look at it, and that may last."""
    return any(value.startswith("/") for prefix in (_V1, _V2) for _key, value in _settings(config, prefix))


def check_v1(config: Config) -> None:
    """Raises StepError for what version 1's controller would refuse."""
    for key, value in _settings(config, _V1):
        _parse(_V1, key, value)


def _settings(config: Config, prefix: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in config.prefix(prefix) if key.startswith("devices.")]


def _reduce(prefix: str, settings: Iterable[tuple[str, str]]) -> Rules:
    """Version 1 begins with everything allowed. With version 2 the first rule says it: who allows something begins with nothing
    allowed, as with LXC."""
    known: dict[Numbers, str] = {}
    default = True if prefix == _V1 else None
    for key, value in settings:
        device, allow = _parse(prefix, key, value)
        default = _add(known, not allow if default is None else default, device, allow)
    return _rules(default is not False, known)


def _parse(prefix: str, key: str, value: str) -> tuple[Device, bool]:
    """Raises StepError for what is no rule."""
    name = f"{prefix}{key} = {value}"
    allow = _KEYS.get(key)
    if allow is None:
        raise StepError("cgroup", "Set", name, text="there are devices.allow and devices.deny")
    try:
        return _device(value, allow), allow
    except ValueError:
        raise StepError("cgroup", "Set", name, text=_EXPECTED) from None
    except OSError as error:
        raise StepError.from_os("cgroup", "Set", name, error) from error


def _device(value: str, may_be_path: bool) -> Device:
    """`a`, or three words; LXC takes a node of the host's too, with its access. Raises ValueError."""
    if value.strip() == "a":
        return Device("a", _EVERY, _EVERY, _LETTERS)
    if may_be_path and value.startswith("/"):
        path, access = value.split()
        node = os.stat(path)
        kind = "b" if stat.S_ISBLK(node.st_mode) else "c" if stat.S_ISCHR(node.st_mode) else ""
        numbers = (os.major(node.st_rdev), os.minor(node.st_rdev))
    else:
        kind, pair, access = value.split()
        major, minor = pair.split(":")
        numbers = (_number(major), _number(minor))
    if kind not in ("a", "b", "c") or access.strip(_LETTERS):
        raise ValueError(value)
    return Device(kind, *numbers, access)


def _number(word: str) -> int:
    if word == "*":
        return _EVERY
    if not (word.isascii() and word.isdigit()) or int(word) > _LARGEST:
        raise ValueError(word)
    return int(word)


def program(rules: Rules) -> bytes:
    return cgroup_bpf.instructions(rules.allow, rules.exceptions)


def apply(config: Config, directory: str) -> list[str]:
    """To a new container's cgroup, before its init runs; returns warnings."""
    rules, warnings = wanted(config)
    if rules is not None:
        try:
            cgroup_bpf.attach(directory, program(rules))
        except OSError as error:
            text = error.strerror or str(error)
            raise StepError("cgroup", "Attach the device rules to", directory, error.errno or 0, text, hint=_HINT) from error
    return warnings


def rehearse(config: Config) -> None:
    """Where rules are a program, once what every launcher would do again, in memory of its own, at twice the cost."""
    if {hierarchy.version for hierarchy in cgroupfs.hierarchies()} == {2}:
        with suppress(OSError):  # the start of one that has rules will say it
            cgroup_bpf.rehearse(program(wanted(config)[0] or Rules()))


def replace(directory: str, rules: Rules) -> None:
    """Others for a running container. Raises OSError."""
    cgroup_bpf.replace(directory, program(rules))


def from_fields(fields: list[object]) -> Rules:
    """Back from the lists that rules become in the ledger. Raises TypeError or ValueError for what is no such thing."""
    allow, exceptions = fields
    if not isinstance(exceptions, list):
        raise TypeError("exceptions are a list")
    return Rules(bool(allow), tuple(Device(str(kind), int(major), int(minor), str(access)) for kind, major, minor, access in exceptions))
