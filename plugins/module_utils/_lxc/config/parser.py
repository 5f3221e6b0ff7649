# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines to entries, files to a `Config`.

A line is read as LXC reads it: blanks around key and value go, one pair of matching quotes around the whole value goes, there
are no comments behind a value, and what does not begin with `lxc.` is skipped. Of that last, all but comments is a warning here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Optional

from ..errors import ConfigError, NotFound
from . import keys

if TYPE_CHECKING:
    from .model import Config

_BLANKS = " \t"


# Where the errors of lines go that are to be passed over; None: the first one is raised.
Problems = Optional[list[ConfigError]]


class Entry(NamedTuple):
    """One line. `key` is its modern name, empty for a comment, a blank line or one that LXC skips; `raw` has its line end.

    `unknown` is what stands in the key's place of a line that LXC skips or refuses.
    """

    raw: str
    line: int
    file: str
    key: str = ""
    value: str = ""
    match: Optional[keys.Match] = None
    unknown: str = ""

    @property
    def legacy(self) -> bool:
        return self.match is not None and self.match.legacy

    @property
    def where(self) -> tuple[str, int]:
        return self.file, self.line


class Document(NamedTuple):
    """One file's lines in their order; the raw texts together are the file."""

    entries: list[Entry]
    warnings: list[str]


def parse(text: str, file: str = "config", problems: Problems = None) -> Document:
    """Values are not checked yet: that is `Config`'s part.

    Raises ConfigError for a key that LXC does not have and for a line without `=`, as LXC fails to load them.
    """
    warnings: list[str] = []
    return Document(_join_backend(list(_entries(text, file, [-1], warnings, problems))), warnings)


def _note(problems: Problems, error: ConfigError) -> None:
    if problems is None:
        raise error
    problems.append(error)


def _entries(text: str, file: str, network: list[int], warnings: list[str], problems: Problems) -> Iterator[Entry]:
    """`network` holds the number of the last network so far: a legacy `lxc.network.type` opens the next one."""
    for number, raw in enumerate(re.findall(r"[^\n]*\n|[^\n]+", text), 1):
        words = raw.lstrip(_BLANKS)
        if words.startswith("lxc."):
            try:
                entry = _entry(raw, words, number, file, network[0])
            except ConfigError as error:
                _note(problems, error)
                entry = Entry(raw, number, file, unknown=words.partition("=")[0].strip())
            network[0] = max(network[0], entry.match.index if entry.match else -1)
            yield entry
            continue
        word = ""
        if words.strip(" \t\r\n\f") and not words.startswith("#"):
            word = words.partition("=")[0].strip()
            warnings.append(f"{file}:{number}: this line has no effect: {word[:40]!r} does not begin with lxc.")
        yield Entry(raw, number, file, unknown=word)


def _entry(raw: str, words: str, number: int, file: str, network: int) -> Entry:
    name, equals, value = words.partition("=")
    name = name.rstrip(_BLANKS)
    if not equals:
        raise ConfigError(file, number, "", f"{name.rstrip()[:60]!r} has no =: expected KEY = VALUE")
    match = keys.find(name, max(network + (name == "lxc.network.type"), 0))
    if match is None:
        raise ConfigError(file, number, name, "LXC has no such key")
    return Entry(raw, number, file, match.name, unquote(value.strip(_BLANKS + "\n")), match)


def unquote(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1]
    return value


def _join_backend(entries: list[Entry]) -> list[Entry]:
    """`lxc.rootfs` and `lxc.rootfs.backend` are one key since 2.1, BACKEND:PATH."""
    backends = [entry.value for entry in entries if entry.key == "lxc.rootfs.backend" and entry.value]
    if not backends:
        return entries
    return [entry._replace(value=f"{backends[-1]}:{entry.value}") if _is_bare_root(entry) else entry for entry in entries]


def _is_bare_root(entry: Entry) -> bool:
    return entry.legacy and entry.key == "lxc.rootfs.path" and entry.value.startswith("/")


def read(path: str) -> str:
    """The file as it is: line ends untouched, bytes that are not UTF-8 kept."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def load(path: str, problems: Problems = None) -> Config:
    """The effective config, includes followed. With `problems` it is that of the lines that can be used."""
    try:
        text = read(path)
    except FileNotFoundError:
        raise NotFound(f"Config {path} does not exist") from None
    except OSError as error:
        raise ConfigError(path, 0, "", error.strerror or str(error)) from error
    return loads(text, path, problems)


def loads(text: str, file: str = "config", problems: Problems = None) -> Config:
    """The same from text; `file` names it in messages."""
    from .model import Config

    warnings: list[str] = []
    config = Config(warnings)
    for entry in _join_backend(list(_collect(text, file, [-1], [os.path.realpath(file)], warnings, problems))):
        if entry.match is None:
            continue
        if entry.match.key.kind != "dropped":
            try:
                config.set(entry.match, entry.value, entry.where)
            except ConfigError as error:
                _note(problems, error)
        elif entry.key != "lxc.rootfs.backend":
            warnings.append(f"{entry.file}:{entry.line}: {entry.key} has no effect since LXC 2.1")
    return config


def from_pairs(pairs: Iterable[tuple[str, str]], file: str = "config") -> Config:
    """Back from `Config.pairs`."""
    from .model import Config

    config = Config()
    for name, value in pairs:
        match = keys.find(name)
        if match is None:
            raise ConfigError(file, 0, name, "LXC has no such key")
        config.set(match, value, (file, 0))
    return config


def _collect(text: str, file: str, network: list[int], open_files: list[str], warnings: list[str], problems: Problems) -> Iterator[Entry]:
    """The entries of a file, those of what it includes in the include's place."""
    for entry in _entries(text, file, network, warnings, problems):
        if entry.key != "lxc.include":
            yield entry
            continue
        for path, included in _contents(entry, open_files, problems):
            yield from _collect(included, path, network, [*open_files, os.path.realpath(path)], warnings, problems)


def _contents(entry: Entry, open_files: list[str], problems: Problems) -> Iterator[tuple[str, str]]:
    """Each file that an include names, and its text."""
    try:
        paths = _included(entry)
    except ConfigError as error:
        _note(problems, error)
        return
    for path in paths:
        real = os.path.realpath(path)
        if real in open_files:
            loop = " -> ".join([*open_files, real])
            _note(problems, ConfigError(*entry.where, entry.key, f"the files include each other: {loop}"))
            continue
        try:
            text = read(path)
        except OSError as error:
            _note(problems, ConfigError(*entry.where, entry.key, f"{path}: {error.strerror}"))
            continue
        yield path, text


def _included(entry: Entry) -> list[str]:
    path = entry.value
    if path and not path.startswith("/"):
        raise ConfigError(*entry.where, entry.key, f"{path!r} cannot be used: expected an absolute path")
    if not path.endswith("/") and not os.path.isdir(path):
        return [path] if path else []
    try:
        names = sorted(os.listdir(path))
    except FileNotFoundError:  # LXC passes over a directory that is not there
        return []
    except OSError as error:
        raise ConfigError(*entry.where, entry.key, f"{path}: {error.strerror}") from error
    return [os.path.join(path, name) for name in names if name.endswith(".conf") and len(name) > 5]
