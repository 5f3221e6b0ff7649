# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a config file says, and what the monitor says of the same keys. Loaded only when the task says something about the config."""

from __future__ import annotations

from ..config import keys, parser
from ..errors import LxcError, NotFound
from ..paths import Container
from ..wire import query
from .desired import Desired

# Read from the file whenever they are needed: a running container has no value of its own for them.
_NEVER_PENDING = ("lxc.start.", "lxc.group", "lxc.ephemeral", "lxc.hook.clone", "lxc.hook.destroy", "lxc.log.", "lxc.include")


def read_config(one: Container) -> str:
    """The config file as text; what is not UTF-8 in it survives."""
    try:
        return parser.read(one.config)
    except FileNotFoundError:
        raise NotFound(f"{one.config} does not exist") from None


def running_items(desired: Desired, text: str) -> dict[str, str | None]:
    """The monitor's value for each key that the task says something about, those of its networks included; None where it has none."""
    found: dict[str, str | None] = {}
    for key in _named_keys(desired, text):
        try:
            found[key] = query.config_item(desired.container, key)
        except LxcError:  # it ended meanwhile, or does not know the key: then nothing is pending for it
            continue
    return found


def _named_keys(desired: Desired, text: str) -> list[str]:
    named = [key for key in desired.config if not key.startswith(_NEVER_PENDING) and keys.find(key)]
    if desired.networks is not None:
        here = [entry.key for entry in parser.parse(text, desired.container.config, []).entries if entry.key.startswith("lxc.net.")]
        wanted = [f"lxc.net.{index}.{word}" for index, section in enumerate(desired.networks) for word in section]
        named += list(dict.fromkeys(here + wanted))
    return named
