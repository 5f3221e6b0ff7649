# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every template gets and gives, and how it reads its options."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ..errors import BadValue
from ..paths import Container

Log = Callable[[str], None]
Options = Mapping[str, object]
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Target(NamedTuple):
    """The new container, and the directory on the host where its root is to be filled ("" for none).

    `uts_name` is the host name that its config will say, "" for the container's own name.
    """

    container: Container
    rootfs: str
    uts_name: str = ""

    @property
    def hostname(self) -> str:
        """What /etc/hostname says inside: an init that sets it at boot must not undo `lxc.uts.name`."""
        return self.uts_name or self.container.name


class Made(NamedTuple):
    """Lines for the container's config, and warnings for the user."""

    config_lines: list[str]
    warnings: list[str]


def only(template: str, options: Options, known: Collection[str]) -> None:
    """BadValue for an option that the template does not have."""
    for name in options:
        if name not in known:
            raise BadValue("template_options", name, f"one of the options of {template}: {', '.join(sorted(known)) or 'none'}")


_LINE = r"[^\s\0-\x1f\x7f-][^\0-\x1f\x7f]*"
_LINE_WORDS = "a text of one line that does not begin with a dash"


def text(options: Options, name: str, default: str = "", pattern: str = _LINE, expected: str = _LINE_WORDS) -> str:
    """One line of text that is no option of a program. A number is taken for its digits. `expected` says in words what matches."""
    value = options.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, (bool, list, tuple, Mapping)) or not re.fullmatch(pattern, str(value)):
        raise BadValue(f"template_options[{name}]", value, expected)
    return str(value)


def words(options: Options, name: str, pattern: str, expected: str) -> list[str]:
    """A list, or a text of words between commas or blanks; each has to match, which `expected` says in words."""
    value = options.get(name)
    items = value if isinstance(value, (list, tuple)) else str(value if value is not None else "").replace(",", " ").split()
    for item in items:
        if not isinstance(item, str) or not re.fullmatch(pattern, item):
            raise BadValue(f"template_options[{name}]", item, expected)
    return [str(item) for item in items]


def seconds(options: Options, name: str, default: int) -> int:
    """A time: a number of seconds, or with s m h d w behind it."""
    found = re.fullmatch(r"(\d{1,9})([smhdw]?)", str(options.get(name, default)))
    if not found or isinstance(options.get(name), bool):
        raise BadValue(f"template_options[{name}]", options.get(name), "a number of seconds, or one with s, m, h, d or w behind it")
    return int(found.group(1)) * _UNITS[found.group(2)]


def arguments(options: Options) -> list[str]:
    """Options as words: true is a bare flag, false is nothing, a list repeats; one letter has one dash."""
    found: list[str] = []
    for name, value in options.items():
        if not name or name.startswith("-") or any(sign.isspace() or sign == "\0" for sign in name):
            raise BadValue("template_options", name, "option names without leading dashes")
        flag = f"-{name}" if len(name) == 1 else f"--{name}"
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is True:
                found.append(flag)
            elif item is not False and item is not None:
                word = str(item)
                if "\0" in word or "\n" in word:
                    raise BadValue(f"template_options[{name}]", word, "a text of one line")
                found += [flag, word]
    return found
