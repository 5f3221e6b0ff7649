# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a controller sees a machine, and the tasks that it sends there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plays
from machine import Machine

Play = Callable[..., list[plays.Result]]


def host(machine: Machine, **more: Any) -> dict[str, Any]:
    """Ansible's variables for it."""
    return {**machine.variables, **more}


def container(names: str | Sequence[str], **options: Any) -> dict[str, Any]:
    """A task."""
    return {"hostkit.lxc.lxc_container": {"name": names, **options}}


def attach(name: str, script: str) -> dict[str, Any]:
    return {"hostkit.lxc.lxc_attach": {"name": name, "argv": ["/bin/sh", "-c", script]}}
