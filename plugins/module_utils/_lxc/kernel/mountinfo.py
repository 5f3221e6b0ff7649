# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/PID/mountinfo (proc_pid_mountinfo(5)) as values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple, Union


class Mount(NamedTuple):
    """One line. `device` is major:minor; `root` is what of the file system is mounted."""

    id: int
    parent: int
    device: str
    root: str
    target: str
    options: str
    tags: tuple[str, ...]
    fstype: str
    source: str
    super_options: str


def unescape(word: bytes) -> str:
    """Blank, tab, newline, backslash and `#` stand as three octal digits behind a backslash."""
    first, *rest = word.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))


def parse(lines: Iterable[bytes]) -> list[Mount]:
    """A line that is not of this form is left out."""
    return [found for found in map(_line, lines) if found is not None]


def _line(line: bytes) -> Mount | None:
    words = line.split()
    if b"-" not in words[6:]:
        return None
    dash = words.index(b"-", 6)
    after = [unescape(word) for word in words[dash + 1 :]]
    fstype, source, super_options = after[0], after[1] if len(after) > 2 else "", after[-1]
    tags = tuple(word.decode() for word in words[6:dash])
    names = unescape(words[3]), unescape(words[4])
    return Mount(int(words[0]), int(words[1]), words[2].decode(), *names, words[5].decode(), tags, fstype, source, super_options)


def read(pid: Union[int, str] = "self", fstype: str = "") -> list[Mount]:
    """Every mount of a process's namespace below its root, in the kernel's order; only those whose type begins with `fstype`."""
    wanted = b" - " + fstype.encode()  # a blank in a name is escaped
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return parse(line for line in file if wanted in line)
