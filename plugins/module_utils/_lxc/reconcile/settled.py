# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a config says already, word for word, what the task wants: then nothing that edits one is loaded.

A no is no answer, but the order to look closer: of what is here in another form, `drift` knows whether it means the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config import keys, parser
from ..errors import ConfigError
from .course import Plan
from .desired import Desired, Observed


class Own(NamedTuple):
    """What a file itself says, key by key; the lines that are none; the keys of which no included file can say more."""

    values: Mapping[str, list[str]]
    unknown: frozenset[str]
    certain: frozenset[str]
    has_include: bool


def own(text: str, file: str) -> Own | None:
    """None for a file in which lines are wrong, make others void, or have the old spelling."""
    problems: list[ConfigError] = []
    entries = parser.parse(text, file, problems).entries
    found: dict[str, list[str]] = {}
    certain: set[str] = set()
    for entry in entries:
        if entry.match is None:
            continue
        if entry.legacy or not entry.value or (entry.key in found and not entry.match.key.many):
            return None
        if entry.match.suffix == "type" and any(key.startswith(entry.key[: -len("type")]) for key in found):
            return None
        if entry.key == "lxc.include":
            certain.clear()
        found.setdefault(entry.key, []).extend(keys.split(entry.match.key, entry.value))
        if "lxc.include" not in found or not entry.match.key.many:
            certain.add(entry.key)
    return None if problems else Own(found, frozenset(entry.unknown for entry in entries), frozenset(certain), "lxc.include" in found)


def plan_config(desired: Desired, observed: Observed, verbs: Any) -> Plan:
    """As `drift.plan_config`, which is loaded when it looks as if there was something to do."""
    if is_settled(desired, observed.running, observed.text):
        return Plan()
    from . import drift

    return drift.plan_config(desired, observed, verbs.write_config)


def is_settled(desired: Desired, running: Mapping[str, str | None], text: str) -> bool:
    """The file says what the task wants, and the container runs with it. False: perhaps not."""
    here = own(text, desired.container.config)
    said = here and wanted(desired, here)
    if not here or said is None:
        return False
    if any(key in here.unknown or list(here.values.get(key, ())) != list(items) for key, items in said.items()):
        return False
    return all(_runs(here, key, value) for key, value in running.items())


def _runs(here: Own, key: str, value: str | None) -> bool:
    items = [line.strip() for line in (value or "").splitlines() if line.strip()]
    return items == here.values.get(key, []) and (key in here.certain or (not items and not here.has_include))


def wanted(desired: Desired, here: Own) -> dict[str, Sequence[str]] | None:
    """Every key that the task speaks of, with its items; None when the networks are not as many."""
    found: dict[str, Sequence[str]] = {key: _items(value) for key, value in desired.config.items()}
    if desired.networks is None:
        return found
    numbers = {key.split(".")[2] for key in here.values if key.startswith("lxc.net.")}
    if numbers != {str(index) for index in range(len(desired.networks))}:
        return None
    for index, section in enumerate(desired.networks):
        found.update({f"lxc.net.{index}.{word}": _items(value) if value else () for word, value in section.items()})
    return found


def _items(value: str | Sequence[str] | None) -> Sequence[str]:
    return () if value is None else [value] if isinstance(value, str) else value
