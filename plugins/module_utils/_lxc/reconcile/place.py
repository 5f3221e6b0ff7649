# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the containers are when nobody says."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..paths import LXC_CONF, LXC_PATH


def default_lxc_path() -> str:
    """As lxc.conf(5) says, where there is one."""
    if not os.path.lexists(LXC_CONF):
        return LXC_PATH
    from ..lifecycle import hostconf

    return hostconf.lxc_path()


def lxc_path_of(params: Mapping[str, object]) -> object:
    """As the task says it, which is still to be checked: an empty one is not one that is left out."""
    return params["lxc_path"] if "lxc_path" in params else default_lxc_path()
