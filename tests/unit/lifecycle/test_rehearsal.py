# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After it nothing is left to be compiled for an ordinary start, and its config is a good one."""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import netlink
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import hooks, init, namespaces, rehearsal, unapplied
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.network import types
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.rootfs import mounts

ORDINARY = """
lxc.rootfs.path = dir:/var/lib/lxc/web/rootfs
lxc.uts.name = web
lxc.arch = amd64
lxc.init.cmd = /sbin/init
lxc.signal.halt = SIGRTMIN+4
lxc.tty.max = 4
lxc.environment = A=b
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.mount.entry = /srv srv none bind,create=dir 0 0
lxc.cap.drop = sys_module 25
lxc.cgroup2.memory.max = 512M
lxc.net.0.type = veth
lxc.net.0.link = br0
lxc.net.0.flags = up
lxc.net.0.name = lan
lxc.net.0.hwaddr = 00:16:3e:01:02:03
lxc.net.0.ipv4.address = 192.0.2.7/24
lxc.net.0.ipv4.gateway = 192.0.2.1
"""


@pytest.fixture
def without_pyroute2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "preload", lambda: None)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every expression that is compiled from now on."""
    compiler: ModuleType = importlib.import_module("re._compiler" if sys.version_info >= (3, 11) else "sre_compile")
    real, seen = compiler.compile, []

    def remember(pattern: object, flags: int = 0) -> object:
        seen.append(pattern)
        return real(pattern, flags)

    re.purge()
    monkeypatch.setattr(compiler, "compile", remember)
    return seen


def test_its_config_has_no_warning() -> None:
    assert parser.loads(rehearsal._CONFIG).warnings == []


@pytest.mark.usefixtures("without_pyroute2")
def test_an_ordinary_start_compiles_no_expression_any_more(compiled: list[object]) -> None:
    rehearsal.rehearse()
    assert compiled
    compiled.clear()
    config = parser.loads(ORDINARY)
    unapplied.warnings(config)
    namespaces.own(config, types.shares_host(config.networks))
    init.intend(config, hooks.environment(Container("/var/lib/lxc", "web"), config, "/", 0))
    assert len(mounts.entries(config)) == 1
    parser.from_pairs(config.pairs())
    assert compiled == []
