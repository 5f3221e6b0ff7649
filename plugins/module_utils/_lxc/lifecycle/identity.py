# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root says of who it is: the host name, and the machine's id.

As LXC, `etc/hostname` gets the new name where there is one. What the hook clonehostname in LXC's common.conf changes by name, the old one
in `etc/hosts` and in Red Hat's files, is changed here in a root that may wish us ill. The machine's id is emptied, which machine-id(5)
asks for in a copy. Only regular files are changed, in place, so that mode and attributes stay; links are followed as inside the
container. What is something else is left as it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable

from ..kernel import beneath

_LIMIT = 1 << 20
_ID = re.compile(r"[0-9a-f]{32}\n?")
_IDS = ("etc/machine-id", "var/lib/dbus/machine-id")
_SCRIPTS = "etc/sysconfig/network-scripts"

Act = Callable[[str], str]
# A path in a root to the text before and after.
Edits = dict[str, list[str]]


def change(directory: str, old: str, new: str) -> None:
    """Give the root at this directory, which is a copy, another name; `old` is the one that it had."""
    root_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path, act in _named(root_fd, old, new):
            _edit(root_fd, path, act)
        for path in _IDS:
            _edit(root_fd, path, lambda text: "" if _ID.fullmatch(text) else text)
    finally:
        os.close(root_fd)


def foresee(root_fd: int, old: str, new: str) -> Edits:
    """What has the name in it, in a root that is no copy: its machine's id stays."""
    found: Edits = {}
    for path, act in _named(root_fd, old, new):

        def note(text: str, path: str = path, act: Act = act) -> str:
            if act(text) != text:
                found[path] = [text, act(text)]
            return text

        _edit(root_fd, path, note)
    return found


def apply(directory: str, edits: Edits) -> None:
    """As often as it takes: a file that was being written when we were killed has the beginning of what it is to be."""
    root_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path, (before, after) in edits.items():

            def act(text: str, before: str = before, after: str = after) -> str:
                return after if text == before or after.startswith(text) else text

            _edit(root_fd, path, act)
    finally:
        os.close(root_fd)


def _named(root_fd: int, old: str, new: str) -> list[tuple[str, Act]]:
    sysconfigs = ("etc/sysconfig/network", *_interfaces(root_fd))
    return [
        ("etc/hostname", lambda _text: f"{new}\n"),
        ("etc/hosts", lambda text: hosts(text, old, new)),
        *((path, lambda text: sysconfig(text, old, new)) for path in sysconfigs),
    ]


def hosts(text: str, old: str, new: str) -> str:
    """hosts(5): the name alone and as the first part of a longer one, in every line; not in comments, and not in the address."""
    name = re.compile(rf"(?<=\s){re.escape(old)}(?=[.\s]|$)")

    def row(line: str) -> str:
        said, hash_sign, comment = line.partition("#")
        return f"{name.sub(lambda _found: new, said)}{hash_sign}{comment}"

    return "".join(map(row, text.splitlines(keepends=True))) if old else text


def sysconfig(text: str, old: str, new: str) -> str:
    """Assignments of a shell: HOSTNAME=, and what DHCP is told."""
    pattern = rf"(?m)^(\s*(?:DHCP_)?HOSTNAME=[\"']?){re.escape(old)}(?=[.\s\"']|$)"
    return re.sub(pattern, lambda found: found[1] + new, text) if old else text


def _interfaces(root_fd: int) -> list[str]:
    try:
        directory_fd = beneath.open_in_root(root_fd, _SCRIPTS, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # as good as everywhere there is none
        return []
    try:
        return [f"{_SCRIPTS}/{name}" for name in sorted(os.listdir(directory_fd)) if name.startswith("ifcfg-")]
    finally:
        os.close(directory_fd)


def _edit(root_fd: int, path: str, act: Act) -> None:
    try:
        place_fd = beneath.open_in_root(root_fd, path, os.O_PATH)
    except OSError:  # it is not there, or a link that leads nowhere inside
        return
    try:
        found = os.fstat(place_fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT:
            return
        with open(f"/proc/self/fd/{place_fd}", "rb") as file:
            before = file.read(_LIMIT).decode("utf-8", "surrogateescape")
        after = act(before)
        if after != before:
            _write(place_fd, path, after.encode("utf-8", "surrogateescape"))
    finally:
        os.close(place_fd)


def _write(place_fd: int, path: str, data: bytes) -> None:
    try:
        with open(f"/proc/self/fd/{place_fd}", "r+b") as file:
            file.truncate(0)
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
