# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths in a config that lie below one directory, made to lie below another: of a container that is a copy of another one.

What is a path and what only looks like one is told by the key. A directory's name is matched whole, so that /var/lib/lxc/p1 is no
beginning of /var/lib/lxc/p10. Lines that name no such path stay as they are, to the blank. Included files are not looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from . import keys, lines
from .lines import Line

# From where to where; of two that match, the longer one counts.
Moves = Sequence[tuple[str, str]]

# One path and nothing else, blanks included.
_PATHS = (
    "lxc.console.logfile", "lxc.console.path", "lxc.log.file", "lxc.mount.fstab", "lxc.rootfs.mount", "lxc.seccomp.profile",
)  # fmt: skip
# Words among which there are paths: commands for a shell, shmounts:PATH, unix:PATH.
_SCRIPTS = ("lxc.net.N.script.down", "lxc.net.N.script.up")
_WORDS = ("lxc.mount.auto", "lxc.seccomp.notify.proxy")
_BEFORE = r"(?<![^\s\"'=:,;|&(<>`])"
_AFTER = r"(?=$|[/\s\"',:;|&)<>`])"
_END = r"(?=/|$)"
# Layers below an overlay that is mounted in a container are only read, and stay shared, as lxc-copy(1) leaves them.
_SHARED = "lowerdir"


def repoint(text: str, moves: Moves, file: str = "config") -> str:
    """The config's text with the paths of these places in others. The spelling of the keys stays."""
    return "".join(_line(line, moves) for line in lines.read(text, file))


def fstab(text: str, moves: Moves) -> str:
    """The same of a file in fstab(5)'s format."""
    return "".join(row if row.lstrip().startswith("#") else _entry(row, moves) for row in text.splitlines(keepends=True))


def path(value: str, moves: Moves) -> str:
    """One path."""
    return _replaced(r"\A", value, _END, moves)


def words(value: str, moves: Moves) -> str:
    """A command line, or anything else in which paths stand between blanks, quotes, commas, colons or =."""
    return _replaced(_BEFORE, value, _AFTER, moves)


def scripts(text: str, directory: str, file: str = "config") -> list[str]:
    """The paths below a directory that the hooks and scripts of this text name."""
    pattern = re.compile(_BEFORE + _place(directory) + r"/[^\s\"',:;|&()<>`]*")
    said = [line.value for line in lines.read(text, file) if line.match and line.live and _is_command(line.match)]
    return list(dict.fromkeys(found[0] for value in said for found in pattern.finditer(value)))


def sources(text: str, file: str = "config") -> Iterator[tuple[str, str]]:
    """Of each lxc.mount.entry that must not fail: the line's value, and the path of the host that it mounts."""
    for line in lines.read(text, file):
        fields = line.value.split()
        if line.says("lxc.mount.entry") and fields and fields[0].startswith("/") and "optional" not in "".join(fields[3:4]).split(","):
            yield line.value, _plain(fields[0])


def _line(line: Line, moves: Moves) -> str:
    if line.match is None or not line.value:
        return line.raw
    value = _value(line.match, line.value, moves)
    return line.raw if value == line.value else lines.with_value(line, value).raw


def _value(match: keys.Match, value: str, moves: Moves) -> str:
    if match.name in _PATHS:
        return path(value, moves)
    if match.name == "lxc.mount.entry":
        return _entry(value, moves)
    if match.name in _WORDS or _is_command(match):
        return words(value, moves)
    return value


def _is_command(match: keys.Match) -> bool:
    return match.key.name in _SCRIPTS or (match.name.startswith("lxc.hook.") and match.key.many == keys.LINES)


def _entry(row: str, moves: Moves) -> str:
    """The first two fields are paths, the fourth has options such as upperdir=PATH; what stands between them stays."""
    parts = re.split(r"(\s+)", row)
    first = 0 if parts[0] else 2  # blanks at the beginning make an empty part
    for place in (first, first + 2):
        if place < len(parts):
            parts[place] = _field(parts[place], moves)
    if first + 6 < len(parts):
        parts[first + 6] = ",".join(_option(option, moves) for option in parts[first + 6].split(","))
    return "".join(parts)


def _field(field: str, moves: Moves) -> str:
    plain = _plain(field)
    moved = path(plain, moves)
    return field if moved == plain else _octal(moved)


def _option(option: str, moves: Moves) -> str:
    key, equals, value = option.partition("=")
    return f"{key}{equals}{_field(value, moves)}" if equals and key != _SHARED else option


def _plain(field: str) -> str:
    """fstab(5): a blank is written \\040."""
    return os.fsdecode(re.sub(rb"\\([0-3][0-7]{2})", lambda octal: bytes([int(octal[1], 8)]), os.fsencode(field)))


def _octal(field: str) -> str:
    return field.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def _replaced(before: str, value: str, after: str, moves: Moves) -> str:
    """All in one go: what has been put in is not looked at again."""
    listed = sorted((move for move in moves if move[0] != "/"), key=lambda move: -len(move[0]))
    if not listed:
        return value
    pattern = before + "(?:" + "|".join(f"({_place(old)})" for old, _new in listed) + ")" + after
    return re.sub(pattern, lambda found: listed[(found.lastindex or 1) - 1][1], value)


def _place(directory: str) -> str:
    """The kernel takes several slashes for one."""
    return "".join(f"/+{re.escape(name)}" for name in directory.split("/") if name)
