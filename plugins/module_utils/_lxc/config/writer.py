# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values to lines, in the modern spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Union

from ..errors import ConfigError
from . import keys


def line(name: str, value: str) -> str:
    """`KEY = VALUE`; an empty value makes the line that clears the key."""
    return f"{name} = {quote(value)}" if value else f"{name} ="


def quote(value: str) -> str:
    """LXC takes blanks and one pair of quotes off a value, so one that has them itself gets a pair around it."""
    bare = value.strip(" \t")
    if bare != value or (len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]):
        return f'"{value}"'
    return value


def render(entries: Union[Mapping[str, Union[str, list[str]]], Iterable[tuple[str, str]]], file: str = "config") -> str:
    """The text of a new config, checked, in the order given; of a network's lines the type comes first, as LXC wants it."""
    if isinstance(entries, Mapping):
        entries = [(key, item) for key, value in entries.items() for item in (value if isinstance(value, list) else [value])]
    found: list[tuple[keys.Match, str]] = []
    for name, value in entries:
        match = keys.find(name)
        if match is None:
            raise ConfigError(file, 0, name, "LXC has no such key")
        keys.check_match(match, value, (file, 0))
        found.append((match, value))
    types = {match.index: value for match, value in found if match.suffix == "type" and match.index >= 0}
    lines = []
    for match, value in found:
        if match.index >= 0 and match.index in types:
            lines.append(line(f"lxc.net.{match.index}.type", types.pop(match.index)))
        if match.suffix != "type" or match.index < 0:
            lines.append(line(match.name, value))
    return "".join(f"{text}\n" for text in lines)
