# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a name or number is inside a container, read from its /etc/passwd and /etc/group by descriptor, without NSS.

The files are the container's, so every value may be a lie; it harms nobody but the container.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple, Optional

from ..errors import NotFound, StepError
from ..kernel import beneath

_LIMIT = 4 * 1024 * 1024


class User(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[int, ...]


def resolve(root_fd: int, user: Optional[str], group: Optional[str]) -> User:
    """The user of that name, else of that number, else (None) the container's root; NotFound for a name it does not know."""
    found = _find(rows(root_fd, "etc/passwd"), user)
    groups = rows(root_fd, "etc/group")
    gid = found.gid if group is None else _group(groups, group)
    return found._replace(gid=gid, groups=_memberships(groups, found.name, gid))


def rows(root_fd: int, path: str) -> list[list[str]]:
    """The fields of each line of a passwd(5) or group(5) file; none when there is no such file."""
    return [line.split(":") for line in _read(root_fd, path).decode("utf-8", "surrogateescape").split("\n")]


def _read(root_fd: int, path: str) -> bytes:
    """Only a regular file: a FIFO would block. Links are followed, inside the root only."""
    try:
        file_fd = beneath.open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return b""
        raise StepError.from_os("attach", "Open the container's", f"/{path}", error) from None
    try:
        if not stat.S_ISREG(os.fstat(file_fd).st_mode):
            raise StepError("attach", "Read the container's", f"/{path}", errno.EINVAL, "it is not a regular file")
        return _read_all(file_fd, path)
    finally:
        os.close(file_fd)


def _read_all(file_fd: int, path: str) -> bytes:
    content = b""
    while len(content) <= _LIMIT:
        part = os.read(file_fd, 65536)
        if not part:
            return content
        content += part
    raise StepError("attach", "Read the container's", f"/{path}", errno.EFBIG, f"it has more than {_LIMIT} bytes")


def _number(text: str) -> int:
    """A uid or gid as it stands in a file or an option; -1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and int(text) < 2**32 - 1 else -1


def _find(table: list[list[str]], user: Optional[str]) -> User:
    known = [row for row in table if len(row) >= 7 and row[0] and _number(row[2]) >= 0 and _number(row[3]) >= 0]
    number = 0 if user is None else _number(user)
    matches = [row for row in known if row[0] == user] or [row for row in known if _number(row[2]) == number]
    if matches:
        name, _password, uid, gid, _gecos, home, shell = matches[0][:7]
        return User(name, int(uid), int(gid), home if home.startswith("/") else "/", shell or "/bin/sh", ())
    if number < 0:
        raise NotFound(f"User {user} is not in the container's /etc/passwd")
    home = "/root" if number == 0 else "/"
    return User("root" if number == 0 else str(number), number, number, home, "/bin/sh", ())


def _group(table: list[list[str]], group: str) -> int:
    for row in table:
        if len(row) >= 3 and row[0] == group and _number(row[2]) >= 0:
            return int(row[2])
    if _number(group) < 0:
        raise NotFound(f"Group {group} is not in the container's /etc/group")
    return int(group)


def _memberships(table: list[list[str]], name: str, gid: int) -> tuple[int, ...]:
    """What initgroups(3) sets: the primary group and those that list the user."""
    listed = {int(row[2]) for row in table if len(row) >= 4 and name in row[3].split(",") and _number(row[2]) >= 0}
    return (gid, *sorted(listed - {gid}))
