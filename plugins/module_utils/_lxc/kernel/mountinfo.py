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


def text(pid: Union[int, str] = "self") -> bytes:
    """The file as it is: every mount of a process's namespace below its root. What is mounted has not changed while this has not."""
    with open(f"/proc/{pid}/mountinfo", "rb", buffering=0) as file:
        return file.readall()


def read(pid: Union[int, str] = "self") -> list[Mount]:
    """Its mounts, in the kernel's order."""
    return parse(text(pid).splitlines())


def of_path(path: str) -> Mount:
    """The mount that a path is on, in our namespace; of one that does not exist, that of the nearest directory above it."""
    found = read()
    place = os.path.realpath(path)
    while True:
        here = [one for one in found if one.target == place]
        if here:
            return here[-1]  # the last one lies on top
        if place == "/":  # a root that is no mount point, as chroot(2) leaves it
            return Mount(0, 0, "", "/", "/", "", (), "unknown", "", "")
        place = os.path.dirname(place)


def of_type(mounts: bytes, beginning: str) -> list[Mount]:
    """Of a file's text only those whose type begins so, which is quicker than all of them; a blank in a name is escaped."""
    wanted = b" - " + beginning.encode()
    return parse(line for line in mounts.splitlines() if wanted in line)
