# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a config asks for and this version's start does not do: said in a warning, never passed over in silence."""

from __future__ import annotations

import os

from ..config.model import Config

_KEYS = (
    "lxc.seccomp.profile",
    "lxc.sched.core",
    "lxc.monitor.unshare",
    "lxc.log.syslog",
    "lxc.cgroup.relative",
    "lxc.cgroup.dir.container.inner",
)
_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def warnings(config: Config) -> list[str]:
    """One sentence a key. A label is missed only where the kernel could have set it."""
    missed = [key for key in _KEYS if config.get(key) not in ("", "0")]
    if config.get("lxc.apparmor.profile") not in ("", "unconfined", "unchanged") and _enabled(_APPARMOR):
        missed.append("lxc.apparmor.profile")
    if config.get("lxc.selinux.context") and os.path.exists(_SELINUX):
        missed.append("lxc.selinux.context")
    if config.get("lxc.console.path") not in ("", "none"):
        missed.append("lxc.console.path")
    said = [f"{key} = {config.get(key)} is not applied by this version" for key in missed]
    proxies = [network for network in config.networks if network.l2proxy not in ("", "0")]
    return said + [f"lxc.net.{network.index}.l2proxy = {network.l2proxy} is not applied by this version" for network in proxies]


def _enabled(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() == "Y"
    except OSError:
        return False
