# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which template: ours by name, else an LXC template script by name or absolute path.

The imports are literal and lazy: what is imported under a computed name is not shipped to the target.
"""

from __future__ import annotations

import os
import re
from types import ModuleType

from ..errors import BadValue, Unsupported
from .base import Log, Made, Options, Target, arguments

OURS = ("none", "busybox", "debian", "local")
SCRIPTS = "/usr/share/lxc/templates"
# A password in an address, which must not get into the comment lines of a config.
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")

__all__ = ["OURS", "Log", "Made", "Options", "Target", "check", "config_lines", "full_name", "is_script", "make", "parameters"]


def is_script(template: str) -> bool:
    return template not in OURS


def full_name(template: str) -> str:
    """As it stands in the first line of a config: a script's path, ours with their collection."""
    return f"hostkit.lxc {template}" if not is_script(template) else _script_path(template)


def parameters(options: Options) -> list[str]:
    """The options as words for a config's comment."""
    return [_PASSWORD.sub("***", word) for word in arguments(options)]


def check(template: str, options: Options) -> None:
    """Refuse what cannot work before anything is touched: the template's name, its options, the programs that it needs."""
    ours = _ours(template)
    if ours is not None:
        ours.check(options)
        return
    from . import script

    script.check(_script_path(template))
    arguments(options)


def config_lines(template: str, options: Options) -> list[str]:
    """The lines for the config that are known before the template has run; of a script none is."""
    ours = _ours(template)
    return list(ours.config_lines(options)) if ours else []


def make(template: str, options: Options, target: Target, log: Log) -> Made:
    """Fill `target.rootfs`. A script may change the container's config too, which it finds beside the root."""
    ours = _ours(template)
    if ours is not None:
        made = ours.make(options, target, log)
        return Made(list(made.config_lines), list(made.warnings))
    from . import script

    return script.make(_script_path(template), options, target, log)


def _ours(template: str) -> ModuleType | None:
    if template == "busybox":
        from . import busybox

        return busybox
    if template == "debian":
        from . import debian

        return debian
    if template == "local":
        from . import local

        return local
    if template == "none":
        from . import none

        return none
    return None


def _script_path(template: str) -> str:
    if template.startswith("/"):
        return template
    if not re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]*", template):
        raise BadValue("template", template, "the name of a template or the absolute path of a template script")
    path = f"{SCRIPTS}/lxc-{template}"
    if not os.path.isfile(path):
        ours = ", ".join(OURS)
        raise Unsupported(f"There is no template {template} on this host: {path} does not exist", hint=f"Ours are {ours}")
    return path
