# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's administrator set for all containers: /etc/lxc/lxc.conf (lxc.system.conf(5)) and /etc/lxc/default.conf."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .. import paths
from ..errors import StepError

# lxc.conf's key, the backend it is for, and the option of the module that it stands in for.
_STORAGE = {
    "lxc.bdev.lvm.vg": ("lvm", "vg_name"),
    "lxc.bdev.lvm.thin_pool": ("lvm", "thinpool"),
    "lxc.bdev.zfs.root": ("zfs", "zfs_root"),
    "lxc.bdev.rbd.rbdpool": ("rbd", "rbdpool"),
}
_LIMIT = 1 << 20


def values(text: str) -> dict[str, str]:
    """The keys of an lxc.conf. Lines that LXC would not read are no keys; `lxcpath` is what lxc.lxcpath was called before 1.0."""
    found = {}
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and (key.startswith("lxc.") or key == "lxcpath"):
            found["lxc.lxcpath" if key == "lxcpath" else key] = value.strip("\"'")
    return found


def read() -> dict[str, str]:
    """The values of /etc/lxc/lxc.conf; none where it does not exist."""
    return values(_text(paths.LXC_CONF) or "")


def lxc_path() -> str:
    """Where containers live on this host when nobody says it."""
    return paths.check_lxc_path(read().get("lxc.lxcpath") or paths.LXC_PATH)


def default_config() -> str | None:
    """The text that a new container begins with, or None where the host has none (lxc.default_config, /etc/lxc/default.conf)."""
    return _text(read().get("lxc.default_config") or paths.DEFAULT_CONF)


def storage_defaults(kind: str, said: Mapping[str, object]) -> dict[str, object]:
    """The backend's options: what lxc.conf says of it, and over that what the user said."""
    settings = read()
    if "vg_name" in said:  # a pool lies in one group
        settings.pop("lxc.bdev.lvm.thin_pool", None)
    ours = {option: settings[key] for key, (backend, option) in _STORAGE.items() if backend == kind and key in settings}
    return {**ours, **said}


def has_bridge(name: str = "lxcbr0") -> bool:
    return os.path.isdir(f"/sys/class/net/{name}/bridge")


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StepError.from_os("config", "Read", path, error) from error
