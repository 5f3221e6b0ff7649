# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that are looked at before anything is touched, of options that end in no line of the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadValue
from .desired import Desired

# What community.general.lxc_container has under a name that means nothing, or something else, here.
FOREIGN = {
    "container_command": "no such option here: run commands with hostkit.lxc.lxc_attach, which returns rc, stdout and stderr",
    "clone_name": "no such option here: name is always the container that the task is about, a new one included; clone_from is its source",
}
_STORED = {"directory", "size", "fs_type", "vg_name", "lv_name", "thinpool", "zfs_root"}
_WHERE = "Where a root filesystem is that is there already says config: {lxc.rootfs.path: ...}"


def checked(wanted: Desired, params: Mapping[str, Any], several: bool) -> Desired:
    """With the options that only a creation heeds."""
    check(params)
    clone = None
    if "clone_from" in params or "clone_snapshot" in params:
        from . import cloning

        clone = cloning.read(params, wanted.container.lxc_path)
    return wanted._replace(backing_options=backing_options(params, wanted.container.name, several), clone=clone)


def check(params: Mapping[str, Any]) -> None:
    """Raise BadValue for what cannot be meant."""
    for option, expected in FOREIGN.items():
        if option in params:
            raise BadValue(option, params[option], expected)
    for option in ("stop_timeout", "wait_timeout"):
        _seconds(option, params.get(option, 0))
    template_options(params.get("template_options", {}))
    state = params.get("state", "started")
    template = params.get("template")
    if template is not None and (not template or template.startswith("-") or "\n" in template or "\0" in template):
        raise BadValue("template", template, "the name of a template or the path of a template script")
    _storage(params)
    conditions = params.get("wait_for", ())
    if conditions and state not in ("started", "restarted"):
        raise BadValue("wait_for", list(conditions), f"state started or restarted with it, not {state}")
    for condition in conditions:
        check_condition(condition)


def _storage(params: Mapping[str, Any]) -> None:
    """Options that do not go together, on a container that exists too: there they would mean as little."""
    for option in ("backing_store", *sorted(_STORED)):
        if option in params and params.get("template") == "none":
            raise BadValue(option, params[option], "another template with it: none makes no root filesystem", _WHERE)
    if not _STORED.isdisjoint(params):
        from . import stored

        stored.check(params)


def check_condition(condition: str) -> None:
    """One item of wait_for."""
    word, _colon, rest = condition.partition(":")
    if word in ("running", "ipv4", "ipv6", "systemd") and condition == word:
        return
    if word == "port" and rest.isdigit() and 0 < int(rest) < 65536:
        return
    if word == "path" and rest.startswith("/") and "\0" not in rest:
        return
    raise BadValue("wait_for", condition, "running, ipv4, ipv6, systemd, port:N (1 to 65535) or path:/an/absolute/path")


def _seconds(option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise BadValue(option, value, "a number of seconds, 0 or more")


def template_options(value: Any) -> None:
    """A dict of plain values; community.general takes one string."""
    if not isinstance(value, Mapping):
        raise BadValue("template_options", value, "a dict of option to value (release: trixie; true is a bare flag, a list repeats)")
    for key, item in value.items():
        if not isinstance(key, str) or not key or key.startswith("-") or not key.replace("-", "").replace("_", "").isalnum():
            raise BadValue("template_options", key, "option names without leading dashes")
        for part in item if isinstance(item, list) else [item]:
            if part is not None and not isinstance(part, (str, int, float, bool)):
                raise BadValue(f"template_options[{key}]", item, "a string, a number, a boolean or a list of them")
            if isinstance(part, str) and ("\0" in part or "\n" in part):
                raise BadValue(f"template_options[{key}]", item, "text of one line")


def backing_options(params: Mapping[str, Any], name: str, several: bool) -> dict[str, str]:
    if _STORED.isdisjoint(params):
        return {}
    from . import stored

    return stored.options(params, lambda option, value: for_one(option, value, name, several))


def for_one(option: str, value: str, name: str, several: bool) -> str:
    """A value that two containers cannot share: with several names it must have %n, which becomes the name."""
    if several and "%n" not in value:
        raise BadValue(option, value, "%n (the container's name) in it, as several containers are named")
    return value.replace("%n", name)
