# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the containers are when nobody says: `lxc.lxcpath` of the host's lxc.conf (lxc.system.conf(5)), else LXC's default."""

from __future__ import annotations

from ..paths import LXC_CONF, LXC_PATH


def lxc_path(file: str = LXC_CONF) -> str:
    """The key was called `lxcpath` before LXC 1.0; a file that is not there says nothing."""
    found = LXC_PATH
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                key, equals, value = line.partition("=")
                if equals and key.strip() in ("lxc.lxcpath", "lxcpath") and value.strip():
                    found = value.strip()
    except OSError:
        return LXC_PATH
    return found
