# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cgroup of hooks in each kind of hierarchy, and where there is none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import hook_scope, hooks
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.log import Log
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


@pytest.fixture(params=[1, 2])
def version(request, monkeypatch):
    """As on a host with hierarchies of that version alone."""
    hierarchies.need(request.param)
    only = [hierarchy for hierarchy in cgroupfs.hierarchies() if hierarchy.version == request.param]
    monkeypatch.setattr(cgroupfs, "hierarchies", lambda: only)
    return request.param


@pytest.fixture
def container(tmp_path):
    return Container(str(tmp_path), "c1")


def leave_a_daemon(container, scope):
    """By a hook; its pid."""
    out = Path(container.lxc_path, "pid")
    config = parser.loads(f"lxc.hook.pre-start = {script(container, out)}\n", "config")
    env = {"LXC_NAME": "c1", "PATH": os.environ["PATH"]}
    hooks.run("pre-start", config, env, Log("c1", os.devnull, 8), scope=scope)
    return int(out.read_text())


def script(container, out):
    path = Path(container.lxc_path, "hook")
    path.write_text(f"#!/bin/sh\nsetsid sleep 1000 > /dev/null 2>&1 &\necho $! > {out}\n")
    path.chmod(0o755)
    return path


def test_what_a_hook_leaves_is_in_it_and_ends_with_it(container, version):
    with hook_scope.made(container, True) as scope:
        assert scope.v2 == (version == 2)
        pid = leave_a_daemon(container, scope)
        assert scope.members() == [pid]
        hook_scope.remove(container)
        assert not process.alive(pid) and not os.path.exists(scope.path)
    hook_scope.remove(container)  # none there is no error


def test_what_may_live_on_is_where_the_caller_is(container, version):
    with hook_scope.made(container, True) as scope:
        pid = leave_a_daemon(container, scope)
        place = scope.path
    try:
        assert process.alive(pid) and hierarchies.of(pid) == hierarchies.of(os.getpid())
        assert not os.path.exists(place)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_each_container_has_its_own(container, version):
    other = container._replace(name="c2")
    with hook_scope.made(container, True) as scope, hook_scope.made(other, True) as second:
        pids = [leave_a_daemon(container, scope), leave_a_daemon(container, second)]
        hook_scope.remove(other)
        assert [process.alive(pid) for pid in pids] == [True, False]
        hook_scope.remove(container)


def test_where_no_cgroup_can_be_made_hooks_run_all_the_same(container, monkeypatch):
    monkeypatch.setattr(cgroupfs, "hierarchies", list)
    with hook_scope.made(container, True) as scope:
        assert scope is None
        pid = leave_a_daemon(container, scope)
        hook_scope.remove(container)
    os.kill(pid, signal.SIGKILL)
