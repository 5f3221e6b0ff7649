# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A config's lines as `edit` works on them: where a new one goes, and how one gets another value or its modern name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from . import keys, parser, writer


class Line(NamedTuple):
    """`raw` without `match` is a comment, a blank line, or one with an `unknown` key. `live`: no line below makes this one void."""

    raw: str
    match: Optional[keys.Match]
    value: str
    live: bool = True
    unknown: str = ""

    @property
    def name(self) -> str:
        return self.match.name if self.match else ""

    def says(self, name: str) -> bool:
        return self.live and self.name == name


def read(text: str, file: str) -> list[Line]:
    """The file's lines, those that LXC refuses among them. Keys that LXC dropped have a match, but are never live."""
    entries = parser.parse(text, file, []).entries
    return mark([Line(entry.raw, entry.match, entry.value, unknown=_modern(entry.unknown)) for entry in entries])


def _modern(unknown: str) -> str:
    """Of a line without `=` the key may be known."""
    match = keys.find(unknown)
    return match.name if match else unknown


def items(line: Line) -> list[str]:
    return keys.split(line.match.key, line.value) if line.match and line.value else [""]


def values(text: str, file: str = "config") -> dict[str, list[str]]:
    """What this file itself says, includes apart: each key with its items, a line that clears as a first item "".

    Of a key that is not repeatable there is one, the last. Lines that a later one makes void are left out.
    """
    return _values(read(text, file))


def said(text: str) -> dict[str, list[str]]:
    """The values, and after them the lines whose key LXC does not have, by what stands in its place."""
    listed = read(text, "config")
    found: dict[str, list[str]] = {}
    for line in listed:
        if line.unknown:
            found.setdefault(line.unknown, []).append(line.raw.partition("=")[2].strip())
    return {**_values(listed), **found}


def _values(listed: Sequence[Line]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in listed:
        if line.match and line.live:
            found.setdefault(line.name, []).extend(items(line))
    return found


def mark(lines: Sequence[Line]) -> list[Line]:
    """Find out, from the end, which lines are void."""
    patterns: list[tuple[str, ...]] = []
    ended: set[str] = set()  # keys that have their only value below, or the line that clears them
    marked = []
    for line in reversed(lines):
        live = False
        if line.match and line.match.key.kind != "dropped":
            live = line.name not in ended and not any(keys.is_voided(line.name, pattern) for pattern in patterns)
            patterns += filter(None, [keys.voided(line.match, line.value)])
            if not line.value or not line.match.key.many:
                ended.add(line.name)
        marked.append(line._replace(live=live))
    return marked[::-1]


def new(match: keys.Match, value: str) -> Line:
    return Line(writer.line(match.name, value) + "\n", match, value)


def with_value(line: Line, value: str) -> Line:
    """The same line with another value, its blanks as they were."""
    head, _equals, rest = line.raw.partition("=")
    blank = rest[: len(rest) - len(rest.lstrip(" \t"))] if rest.strip() else " "
    end = "\n" if line.raw.endswith("\n") else ""
    return line._replace(raw=f"{head}={blank}{writer.quote(value)}{end}" if value else f"{head}={end}", value=value)


def ended(line: Line) -> Line:
    """With a line end, for a last line that has none and is to be followed."""
    return line if line.raw.endswith("\n") else line._replace(raw=line.raw + "\n")


def upgraded(line: Line) -> str:
    """The text in the modern spelling; nothing for a key that LXC dropped."""
    if not line.match or not line.match.legacy:
        return line.raw
    if line.match.key.kind == "dropped":
        return ""
    head, _equals, rest = line.raw.partition("=")
    if line.name == "lxc.rootfs.path":  # lxc.rootfs.backend may have become a part of it
        rest = with_value(line, line.value).raw.partition("=")[2]
    indent = head[: len(head) - len(head.lstrip(" \t"))]
    return f"{indent}{line.name}{head[len(head.rstrip()) :]}={rest}"


def insert(lines: Sequence[Line], match: keys.Match, values: Sequence[str]) -> list[Line]:
    """New lines: below the last of the same key, or else of the nearest of its relatives; at the end when an include stands below those."""
    rows = [new(match, value) for value in values]
    if match.suffix == "type" and match.index >= 0:  # a network's type makes void what stands above it
        first = next((place for place, line in enumerate(lines) if line.live and line.name.startswith(f"lxc.net.{match.index}.")), None)
        if first is not None:
            return [*lines[:first], *rows, *lines[first:]]
    last = _relative(lines, match.name)
    if last is None:
        last = len(lines) - 1
    return [*lines[:last], *[ended(line) for line in lines[last : last + 1]], *rows, *lines[last + 1 :]] if lines else rows


def _relative(lines: Sequence[Line], name: str) -> Optional[int]:
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        beginning = ".".join(parts[:length]) + "."
        places = [place for place, line in enumerate(lines) if line.live and f"{line.name}.".startswith(beginning)]
        if places:
            return None if includes_below(lines, places[-1]) else places[-1]
    return None


def includes_below(lines: Sequence[Line], place: int) -> bool:
    return any(line.name == "lxc.include" for line in lines[place + 1 :])
