# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots of a container as they lie on the disk, LXC's and ours: each is a container of its own, with its time in `ts` and
maybe a `comment`. Nothing here changes anything, and no symbolic link in the place of a snapshot is followed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ..errors import BadValue, LxcError
from ..paths import NAME_RULE, Container, is_name
from . import dependents, partial

_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_NUMBERED = re.compile(r"snap(0|[1-9][0-9]*)")
_LIMIT = 64 * 1024
BUSY = "being made or removed"
NAME_EXPECTED = NAME_RULE.replace("or ..", "or .., nor with a dot") + ", and not ALL, which is all of them to lxc-snapshot"


class Snapshot(NamedTuple):
    """`timestamp` is LXC's text, of local time; `problem` says why an entry is no snapshot, "" for one."""

    container: Container
    timestamp: str = ""
    comment: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        return self.container.name

    @property
    def age(self) -> tuple[str, int, str]:
        """What the older has less of: by time, and of one second by number."""
        match = _NUMBERED.fullmatch(self.name)
        return self.timestamp, int(match.group(1)) if match else -1, self.name


def check_name(name: object, option: str = "snapshot") -> str:
    """The name, or BadValue: that of a container, but LXC and we leave out what is hidden."""
    if is_name(name) and not str(name).startswith(".") and name != "ALL":
        return str(name)
    raise BadValue(option, name, NAME_EXPECTED)


def directory(container: Container) -> str:
    """Where a new one goes: LXC stays with the place of version 1.0 as long as that is there."""
    new, old = dependents.snapshot_directories(container)
    return old if os.path.isdir(os.path.dirname(old)) else new


def snapshots(container: Container) -> list[Snapshot]:
    """The whole ones of both places, the oldest first. Of two with one name that counts which lies where a new one would go."""
    found: dict[str, Snapshot] = {}
    for one in entries(container):
        if not one.problem:
            found.setdefault(one.name, one)
    return sorted(found.values(), key=lambda one: one.age)


def entries(container: Container) -> Iterator[Snapshot]:
    """All that lies there, and what is none with its problem."""
    first = directory(container)
    places = dict.fromkeys([first, *dependents.snapshot_directories(container)])
    for place in places:
        for name in sorted(_names(place)):
            yield read(Container(place, name))


def read(one: Container) -> Snapshot:
    """One entry, whatever it is."""
    problem = _problem(one)
    if problem:
        return Snapshot(one, problem=problem)
    return Snapshot(one, _text(f"{one.directory}/ts").strip(), _without_end(_text(f"{one.directory}/comment")))


def find(container: Container, name: str) -> Snapshot | None:
    """The snapshot of that name; None where there is none, or only something else."""
    return next((one for one in snapshots(container) if one.name == name), None)


def is_free(container: Container, name: str) -> bool:
    """Whether a new one may have this name: there is nothing, or what a killed creation left."""
    mine = [one for one in entries(container) if one.name == name]
    return all(is_left_over(one.container) for one in mine)


def is_coming(container: Container, name: str) -> bool:
    """Whether somebody is making one of this name, or has made it by now."""
    return any(one.name == name and one.problem in ("", BUSY) for one in entries(container))


def next_name(container: Container) -> str:
    """LXC's: snap0, snap1 and so on, the first that is free."""
    taken = {one.name for one in entries(container) if not is_left_over(one.container)}
    number = 0
    while f"snap{number}" in taken:
        number += 1
    return f"snap{number}"


def is_left_over(one: Container) -> bool:
    """Whether it is what a killed creation or removal leaves: marked with nobody at work on it, or not even that, and empty."""
    if not _is_directory(one.directory):
        return False
    if os.path.lexists(one.partial):
        return partial.state(one) == "abandoned"
    return not os.listdir(one.directory)


def superfluous(found: Sequence[Snapshot], keep: int) -> list[Snapshot]:
    """The oldest beyond so many."""
    return sorted(found, key=lambda one: one.age)[: max(len(found) - keep, 0)]


def time_of(timestamp: str) -> str | None:
    """LXC's text as ISO 8601 with the host's offset at that time; None when it is something else."""
    match = _TIME.fullmatch(timestamp)
    if not match:
        return None
    try:
        return datetime(*map(int, match.groups())).astimezone().isoformat()  # type: ignore[arg-type]  # six of its eight numbers
    except (ValueError, OverflowError):
        return None


def now() -> str:
    return datetime.now().strftime("%Y:%m:%d %H:%M:%S")


def check_comment(comment: object) -> str:
    """The text of a comment: lines of it are text too."""
    if isinstance(comment, str) and "\0" not in comment and len(comment.encode("utf-8", "surrogateescape")) < _LIMIT:
        return comment
    raise BadValue("comment", comment, f"text without NUL, below {_LIMIT} bytes")


def rootfs_path(one: Container) -> str:
    """What its config says; "" when that cannot be read."""
    from ..config import parser

    try:
        return parser.load(one.config, []).rootfs_path
    except (LxcError, OSError):
        return ""


def _names(place: str) -> list[str]:
    try:
        return os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _problem(one: Container) -> str:
    if not _is_directory(one.directory):
        return "no directory"
    if not is_name(one.name) or one.name.startswith("."):
        return "its name is not that of a snapshot"
    if os.path.lexists(one.partial):
        return BUSY if partial.state(one) == "busy" else "half-made"
    if not _is_file(one.config):
        return "without a config"
    return ""


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _text(path: str) -> str:
    """Of a regular file, and the beginning of it: nobody knows what lies there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, _LIMIT).decode("utf-8", "surrogateescape") if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    finally:
        os.close(fd)


def _without_end(text: str) -> str:
    return text[:-1] if text.endswith("\n") else text
