# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that would not start again is not stopped for a restart, and check mode says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from stock import BUSYBOX

pytestmark = pytest.mark.skipif(not os.path.exists(BUSYBOX), reason=f"{BUSYBOX} is not installed")

RESTART = {"state": "restarted", "stop_timeout": 0}
HAS_V1 = any("devices" in hierarchy.controllers for hierarchy in cgroupfs.hierarchies())
V = "" if HAS_V1 else "2"
MEMORY = next((hierarchy.version for hierarchy in cgroupfs.hierarchies() if "memory" in hierarchy.controllers), 2)
BAD = {
    "include": ("lxc.include = /nowhere/file", "/nowhere/file"),
    "line": ("lxc.nonsense = 1", "lxc.nonsense"),
    "value": ("lxc.tty.max = many", "lxc.tty.max"),
    "device": (f"lxc.cgroup{V}.devices.allow = zz 1:3 rwm", "zz 1:3 rwm"),
    "cgroup file": (f"lxc.cgroup{'' if MEMORY == 1 else '2'}.memory.nonsense = 1", "memory.nonsense"),
    "hook": ("lxc.hook.pre-start = /nowhere/hook", "/nowhere/hook"),
    "mount hook": ("lxc.hook.mount = /nowhere/hook with words", "/nowhere/hook"),
    "no program": ("lxc.hook.start-host = /etc", "/etc"),
    "bridge": ("lxc.net.0.type = veth\nlxc.net.0.link = nobr0", "nobr0"),
    "no bridge": ("lxc.net.0.type = veth\nlxc.net.0.link = lo", "lo is no bridge"),
    "type": ("lxc.net.0.type = macvlan\nlxc.net.0.link = lo", "macvlan"),
    "mount": ("lxc.mount.entry = /nowhere/dir mnt none bind,create=dir 0 0", "/nowhere/dir"),
    "fields": ("lxc.mount.entry = /etc", "/etc"),
    "root": ("lxc.rootfs.path = dir:/nowhere/root", "/nowhere/root"),
    "options": ("lxc.rootfs.options = nonsense", "nonsense"),
    "limit": ("lxc.prlimit.nonsense = 1", "lxc.prlimit.nonsense"),
    "capability": ("lxc.cap.drop = nonsense", "nonsense"),
}
GOOD = {
    "builtin": "lxc.hook.pre-start = true",
    "shell": "lxc.hook.pre-start = /bin/sh -c 'exit 0; /nowhere'",
    "optional": "lxc.mount.entry = /nowhere/dir mnt none bind,optional,create=dir 0 0",
    "later": "lxc.hook.pre-start = /bin/sh -c 'cp /bin/true {path}/later'\nlxc.hook.mount = {path}/later",
    "stop": "lxc.hook.stop = /nowhere/hook",
    "options": "lxc.rootfs.options = ro,noatime",
    "device": "lxc.cgroup.devices.allow = c 1:3 rwm\nlxc.cgroup2.devices.allow = c 1:3 rwm",
    "limits": "{limit}\nlxc.prlimit.nofile = 64",
    "of the other version": "lxc.cgroup.memory.limit_in_bytes = 64M" if not HAS_V1 else "lxc.cgroup2.memory.max = 64M",
}


def job(lxc_path: Path, **options: Any) -> Any:
    return fleet.job({"name": ["r1"], "lxc_path": str(lxc_path), **options})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    lxc_path = tmp_path_factory.mktemp("rehearsed")
    report = job(lxc_path, template="busybox", network=[], state="present").apply()
    assert not report.failed, report.failed
    yield lxc_path
    job(lxc_path, state="absent", stop_timeout=0).apply()


@pytest.fixture
def running(made: Path) -> Iterator[Callable[[str], Path]]:
    """running(lines): one that runs, and whose config has got these lines afterwards."""
    config = made / "r1/config"
    text = config.read_text()

    def append(lines: str) -> Path:
        report = job(made).apply()
        assert not report.failed, report.failed
        limit = hierarchies.limit() if "{limit}" in lines else None
        config.write_text(text + lines.format(path=made, limit=f"{limit.key} = {limit.written}" if limit else "") + "\n")
        return made

    yield append
    config.write_text(text)


@pytest.mark.parametrize("name", BAD)
def test_it_goes_on_running(running: Callable[[str], Path], name: str) -> None:
    lines, named = BAD[name]
    lxc_path = running(lines)
    [before] = job(lxc_path, state="present").apply().result["containers"]
    assert before["state"] == "RUNNING"
    for report in (job(lxc_path, **RESTART).predict(), job(lxc_path, **RESTART).apply()):
        assert named in report.failed, report
        assert not report.changed and "has not been stopped" in report.result["hint"]
    [after] = job(lxc_path, state="present").apply().result["containers"]
    assert (after["state"], after["init_pid"]) == ("RUNNING", before["init_pid"])


@pytest.mark.parametrize("name", GOOD)
def test_what_starts_is_restarted(running: Callable[[str], Path], name: str) -> None:
    lxc_path = running(GOOD[name])
    report = job(lxc_path, **RESTART).predict()
    assert report.changed and not report.failed, report.failed
    report = job(lxc_path, **RESTART).apply()
    assert report.changed and not report.failed, report.failed


def test_what_the_task_itself_writes_is_looked_at_before_it_is_written(running: Callable[[str], Path]) -> None:
    lxc_path = running("")
    text = (lxc_path / "r1/config").read_text()
    for state in ({"restart": "if_needed"}, RESTART):
        report = job(lxc_path, network=[{"type": "veth", "link": "nobr0"}], **state).apply()
        assert "nobr0 does not exist" in report.failed and not report.changed
        assert (lxc_path / "r1/config").read_text() == text
