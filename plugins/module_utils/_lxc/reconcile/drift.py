# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running container was started with, against what its config says now.

The monitor answers with the config that it was started with (command 7). Only keys that the task names are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..config import edit, items, keys, lines, parser
from .course import Plan
from .desired import Desired, NetworkSection, Observed
from .plan import Change


def plan_config(desired: Desired, observed: Observed, write: Callable[[Desired], object]) -> Plan:
    """The change of the config file, if any, what of it waits for a restart, and the file's text before and after."""
    one = desired.container
    before, after = observed.text, new_text(observed.text, desired, one.config)
    waiting = tuple(pending(observed.running, after, one.config))
    if after == before:
        return Plan(pending_restart=waiting)
    keys = changed_keys(before, after)
    old, new = lines.said(before), lines.said(after)
    change = Change(
        f"config {', '.join(keys)}".rstrip(),
        _shown_values(keys, old),
        _shown_values(keys, new),
        f"change {', '.join(keys) or 'lines'} in {one.config}",
        partial(write, desired),
    )
    return Plan((change,), waiting, before, after)


def _shown_values(keys: Sequence[str], values: Mapping[str, list[str]]) -> list[str]:
    return [shown(f"{key} = {value}") for key in keys for value in values.get(key, ["(none)"])]


def pending(running: Mapping[str, str | None], text: str, file: str) -> list[str]:
    """The keys whose running value is not the one that a start would use now."""
    if not running:
        return []
    config = parser.loads(text, file)
    return [key for key, value in running.items() if _plain(value) != _plain(items.item(config, key))]


def _plain(value: str | None) -> list[str]:
    return [line.strip() for line in (value or "").splitlines() if line.strip()]


def new_text(text: str, desired: Desired, file: str) -> str:
    """The config with what the task says, and everything else as it was."""
    after = edit.edit(text, dict(desired.config), file) if desired.config else text
    if desired.networks is not None:
        after = edit.replace_networks(after, [_kept(section, index, after) for index, section in enumerate(desired.networks)])
    return after


def _kept(section: NetworkSection, index: int, text: str) -> NetworkSection:
    """What the task does not say of a network stays (its MAC address above all), as long as the type is the same."""
    prefix = f"lxc.net.{index}."
    present = {key[len(prefix) :]: values for key, values in lines.values(text).items() if key.startswith(prefix)}
    if present.get("type", [""])[-1] != section["type"]:
        return section
    return {**{key: values[0] if len(values) == 1 else values for key, values in present.items()}, **section}


def changed_keys(before: str, after: str) -> list[str]:
    """The keys whose lines differ, in the order of the new file."""
    old, new = lines.said(before), lines.said(after)
    return [key for key in dict.fromkeys(list(new) + list(old)) if old.get(key) != new.get(key)]


def shown(text: str) -> str:
    """The text for a diff: the values of environment variables are nobody's business."""
    return "".join(_masked(line) for line in text.splitlines(keepends=True))


def _masked(line: str) -> str:
    key, equals, value = line.partition("=")
    match = keys.find(key.strip()) if equals else None
    if match is None or not match.name.startswith("lxc.environment") or "=" not in value:
        return line
    return f"{key}={value.partition('=')[0]}=(not shown)" + ("\n" if line.endswith("\n") else "")
