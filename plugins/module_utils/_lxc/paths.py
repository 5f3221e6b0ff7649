# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: LXC's own places (lxc.container.conf(5), FILES) and ours. Nothing here touches the disk."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .errors import BadValue

LXC_PATH = "/var/lib/lxc"
CACHE = "/var/cache/lxc"
LOG = "/var/log/lxc"
DEFAULT_CONF = "/etc/lxc/default.conf"
LXC_CONF = "/etc/lxc/lxc.conf"
LXC_RUN = "/run/lxc"
RUN = "/run/hostkit-lxc"
MONITOR_SOCKET = RUN + "/monitor.sock"
MONITOR_LOCK = RUN + "/monitor.lock"
MONITOR_CLAIM = RUN + "/monitor.claim"
LEDGER = RUN + "/inits"
MONITOR_LOG = LOG + "/hostkit-monitor.log"
STATE = "/var/lib/hostkit-lxc"
SPENT = "hostkit-ephemeral"  # in the directory of an ephemeral container that has run

_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@-]{0,63}")
NAME_RULE = "1 to 64 of the characters A-Z a-z 0-9 _ . + @ -, not beginning with - and not . or .."


class Container(NamedTuple):
    """Which container: everything of ours is keyed by this pair. Make it with `container()`, which checks both."""

    lxc_path: str
    name: str

    @property
    def directory(self) -> str:
        return f"{self.lxc_path}/{self.name}"

    @property
    def config(self) -> str:
        return f"{self.directory}/config"

    @property
    def rootfs(self) -> str:
        """Where the `dir` backend keeps its root; what is really used stands in the config."""
        return f"{self.directory}/rootfs"

    @property
    def partial(self) -> str:
        """LXC's marker of a container that is being made (lxc-create(1))."""
        return f"{self.directory}/partial"

    @property
    def lock(self) -> str:
        """LXC's lock file, held while its config or its directory changes."""
        return f"{LXC_RUN}/lock/{self.lxc_path}/.{self.name}"

    @property
    def log(self) -> str:
        """LXC's default log file: below the lxcpath when that is not the default one (lxc(7), -o)."""
        return f"{LOG}/{self.name}.log" if self.lxc_path == LXC_PATH else f"{self.directory}/{self.name}.log"


def is_name(name: object) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name not in (".", "..")


def check_name(name: object, option: str = "name") -> str:
    """The name, or BadValue. It becomes a directory, a host name, a cgroup and a part of a socket's address."""
    if is_name(name):
        return str(name)
    raise BadValue(option, name, NAME_RULE)


def check_lxc_path(path: object) -> str:
    """The lxcpath in the one spelling that sockets and locks are named by: absolute, no trailing or double slash, no `..`."""
    if not isinstance(path, str) or path[:1] != "/" or not path.strip("/.") or {"\n", "\0"} & set(path) or ".." in path.split("/"):
        raise BadValue("lxc_path", path, "an absolute path without .. in it, and not the root of the host")
    return os.path.normpath("/" + path.lstrip("/"))


def container(name: object, lxc_path: object = LXC_PATH) -> Container:
    """The checked pair."""
    return Container(check_lxc_path(lxc_path), check_name(name))
