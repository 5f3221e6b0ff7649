# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.mount.fstab` and `lxc.mount.entry`: fstab(5) lines whose targets are below the container's root.

Runs in the container's new mount namespace before the root is changed. The tree below `root_fd` is hostile: every
target is reached by descriptor and a symbolic link in its path is refused, as LXC refuses it since CVE-2015-1335.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from ..config.model import Config
from ..errors import StepError
from ..kernel import beneath, mount

_OWN_WORDS = ("optional", "relative", "create=dir", "create=file")


class Entry(NamedTuple):
    """One line: `options` as written, without LXC's own words, which stand in `words`; `origin` is for messages."""

    source: str
    target: str
    fstype: str
    options: str
    words: tuple[str, ...]
    origin: str


def parse(line: str, origin: str) -> Entry:
    """fstab(5): blanks separate, `\\040` stands for a blank. Source, target and type may not be missing."""
    fields = [os.fsdecode(re.sub(rb"\\([0-3][0-7]{2})", _byte, os.fsencode(field))) for field in line.split()]
    if len(fields) < 3:
        raise StepError("mount", "Read", f"{origin}: {line!r}", text="expected source, target, type and options")
    options = fields[3].split(",") if len(fields) > 3 else []
    words = tuple(option for option in options if option in _OWN_WORDS)
    plain = ",".join(option for option in options if option not in _OWN_WORDS and option != "defaults")
    return Entry(fields[0], fields[1], fields[2], plain, words, origin)


def _byte(octal: re.Match[bytes]) -> bytes:
    return bytes([int(octal[1], 8)])


def entries(config: Config) -> list[Entry]:
    """Those of the fstab file, then those of the config, in order."""
    found = []
    fstab = config.get("lxc.mount.fstab")
    if fstab:
        try:
            with open(fstab, encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.strip() for line in file]
        except OSError as error:
            raise StepError.from_os("mount", "Read lxc.mount.fstab", fstab, error) from error
        found += [parse(line, fstab) for line in lines if line and not line.startswith("#")]
    return found + [parse(line, "lxc.mount.entry") for line in config.get_list("lxc.mount.entry")]


def mount_all(wanted: Iterable[Entry], root_fd: int, roots: Iterable[str]) -> list[str]:
    """Mount them in order; `roots` are the paths that an absolute target may begin with. Returns warnings."""
    warnings = []
    prefixes = [root.rstrip("/") + "/" for root in roots if root.startswith("/")]
    for entry in wanted:
        target = _below(entry.target, prefixes)
        if target is None:
            warnings.append(f"{entry.origin}: {entry.target} is not below the container's root: not mounted")
            continue
        try:
            _mount(entry, target, root_fd)
        except OSError as error:
            if "optional" not in entry.words:
                what = f"{entry.source} on {entry.target} ({entry.origin})"
                raise StepError.from_os("mount", "Mount", what, error) from error
    return warnings


def _below(target: str, prefixes: list[str]) -> str | None:
    if not target.startswith("/"):
        return target
    for prefix in prefixes:
        if target.startswith(prefix):
            return target[len(prefix) :]
    return None


def _mount(entry: Entry, target: str, root_fd: int) -> None:
    attributes, cleared, propagation, data = mount.parse_options(entry.options)
    options = entry.options.split(",")
    made = _source(entry, root_fd, options, attributes, data)
    try:
        if "bind" in options or "rbind" in options:
            if attributes or cleared:
                mount.set_attr(made, set=attributes, clear=cleared, recursive=False)
        with _open(_target(entry, target, root_fd)) as place:
            mount.attach(made, place.fd)
        if propagation:
            mount.set_attr(made, propagation=propagation, recursive=propagation_recursive(options))
    finally:
        os.close(made)


def check_source(entry: Entry) -> None:
    """Raises StepError for a bind of what the host does not have."""
    is_bind = {"bind", "rbind"} & set(entry.options.split(","))
    if is_bind and not {"optional", "relative"} & set(entry.words) and not os.path.exists("/" + entry.source.lstrip("/")):
        raise StepError("mount", "Mount", f"{entry.source} on {entry.target} ({entry.origin})", errno.ENOENT)


def propagation_recursive(options: Iterable[str]) -> bool:
    """`rshared`, `rslave` … are the words for a whole tree (mount(8))."""
    return any(option in ("rshared", "rslave", "rprivate", "runbindable") for option in options)


def _source(entry: Entry, root_fd: int, options: list[str], attributes: int, data: str) -> int:
    """A detached mount of what the entry names."""
    if "bind" not in options and "rbind" not in options:
        words = dict(word.partition("=")[::2] for word in data.split(",") if word)
        return mount.new_fs(entry.fstype, {key: value or None for key, value in words.items()}, attributes, entry.source)
    if "relative" in entry.words:
        source = beneath.open_beneath(root_fd, entry.source)
    else:
        source = os.open("/" + entry.source.lstrip("/"), os.O_PATH | os.O_CLOEXEC)
    try:
        return mount.open_tree(source, clone=True, recursive="rbind" in options)
    finally:
        os.close(source)


def _target(entry: Entry, target: str, root_fd: int) -> int:
    if "create=dir" in entry.words:
        return beneath.make_directories(root_fd, target)
    if "create=file" in entry.words:
        return beneath.make_file(root_fd, target, 0o644)
    return beneath.open_beneath(root_fd, target)


class _open:
    """A descriptor that is closed at the end of a `with`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> _open:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.fd)
