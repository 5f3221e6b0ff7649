# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers need a cgroup for their hooks: a start without them makes none."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import hook_scope

AT_START = ("lxc.hook.pre-start", "lxc.hook.start-host", "lxc.net.0.script.up")
AT_END = ("lxc.hook.stop", "lxc.hook.post-stop", "lxc.net.0.script.down")
INSIDE = ("lxc.hook.pre-mount", "lxc.hook.mount", "lxc.hook.autodev", "lxc.hook.start", "lxc.hook.clone", "lxc.hook.destroy")


@pytest.mark.parametrize("key", AT_START + AT_END + INSIDE + ("lxc.uts.name",))
def test_the_hooks_of_the_host_s_side_are_told_from_others(key: str) -> None:
    config = parser.loads(f"lxc.net.0.type = empty\n{key} = /x\n", "config")
    assert hook_scope.runs_at_start(config) == (key in AT_START)
    assert hook_scope.runs_at_end(config) == (key in AT_END)
