# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""APT's sources of this host, in both of their forms (sources.list(5)), and what a Debian root takes of them.

Pure, but for `load`. No password gets further than here: an address with one in it is an error that does not show it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import LxcError

# What a Debian root needs; other suites of a host (a vendor's, backports) are the host's own affair.
_SUFFIXES = ("", "-updates", "-security", "/updates")
_SCHEMES = ("http://", "https://", "file:/", "copy:/", "mirror+http://", "mirror+https://", "tor+http://", "tor+https://")
# Kept of a source's options; trusted and allow-insecure would switch the signatures off.
_KEPT = ("signed-by", "check-valid-until")
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+[^\s#]+)*)\s*(?:#.*)?$")


class Source(NamedTuple):
    """One line of a sources.list; `file` is where it stands."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    file: str

    def line(self) -> str:
        options = " ".join(f"{key}={value}" for key, value in self.options)
        return " ".join(filter(None, ["deb", f"[{options}]" if options else "", self.uri, self.suite, *self.components]))

    @property
    def signed_by(self) -> str:
        return dict(self.options).get("signed-by", "")


def load(directory: str = "/etc/apt") -> list[Source]:
    """All sources of the host that are switched on."""
    places = [f"{directory}/sources.list"]
    parts = f"{directory}/sources.list.d"
    if os.path.isdir(parts):
        places += sorted(f"{parts}/{name}" for name in os.listdir(parts) if name.endswith((".list", ".sources")))
    found = []
    for place in places:
        try:
            with open(place, encoding="utf-8", errors="replace") as file:
                text = file.read(1 << 20)
        except FileNotFoundError:
            continue
        found += parse_deb822(text, place) if place.endswith(".sources") else parse_lines(text, place)
    return found


def parse_lines(text: str, file: str) -> list[Source]:
    """The one-line form. What is no source of packages (deb-src, a comment) is left out."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip())
        if match:
            words = [word.partition("=") for word in (match["options"] or "").split()]
            options = {key.lower(): value for key, _equals, value in words}
            found.append(Source(match["uri"], match["suite"], tuple(match["components"].split()), _kept(options), file))
    return found


def parse_deb822(text: str, file: str) -> list[Source]:
    """The paragraphs of a .sources file; each may name several types, addresses and suites."""
    found = []
    for fields in _paragraphs(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off") or "deb" not in fields.get("types", "").split():
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            found += [Source(uri, suite, components, _kept(fields), file) for suite in fields.get("suites", "").split()]
    return found


def _paragraphs(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{}]
    key = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            found.append({})
        elif line[0] in " \t":
            if key in found[-1]:
                found[-1][key] += "\n" + line.strip()
        else:
            key, _colon, value = line.partition(":")
            key = key.strip().lower()
            found[-1][key] = value.strip()
    return [fields for fields in found if fields]


def _kept(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, options[key]) for key in _KEPT if options.get(key))


def select(sources: Sequence[Source], host_release: str, release: str) -> list[Source]:
    """The sources of the host's own distribution release, for `release`. A credential in one of them is an error."""
    found = []
    for source in sources:
        suffix = source.suite[len(host_release) :] if source.suite.startswith(host_release) else None
        if suffix in _SUFFIXES and "main" in source.components and source.uri.startswith(_SCHEMES):
            check(source)
            found.append(source._replace(suite=release + (suffix or "")))
    return list(dict.fromkeys(found))


def check(source: Source) -> Source:
    """Refuse a user or a password in the address: it would stay in the container for everybody to read."""
    if "@" in source.uri.partition("://")[2].partition("/")[0]:
        raise LxcError(
            f"The APT source of {source.suite} in {source.file} has a user or a password in its address, which a container would keep",
            hint="Say mirror, or keep the password in apt_auth.conf(5)",
        )
    if "\n" in source.signed_by or any(sign in source.line() for sign in "\n\0"):
        raise LxcError(
            f"The APT source of {source.suite} in {source.file} has its key in itself", hint="Put the key in a file, or say mirror"
        )
    return source
