# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A start that fails for want of what the monitor itself may use says so, and goes well as soon as there is more."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet

pytestmark = pytest.mark.usefixtures("only_ours")


def started(box):  # type: ignore[no-untyped-def]
    """The report of a task that is patient, and why it failed with the hint."""
    report = fleet.job({"name": [box.container.name], "lxc_path": box.container.lxc_path, "state": "started", "wait_timeout": 10}).apply()
    return report.failed, str(report.result.get("hint", ""))


@pytest.mark.parametrize("left", [0, 1])
def test_the_monitor_s_open_files(make_box, monitor, left) -> None:
    """It takes a request, fails in the middle of the start, and lives on."""
    box = make_box("few1")
    highest = max(map(int, os.listdir(f"/proc/{monitor}/fd")))
    before = resource.prlimit(monitor, resource.RLIMIT_NOFILE)
    resource.prlimit(monitor, resource.RLIMIT_NOFILE, (highest + 2 + left, before[1]))
    try:
        failed, hint = started(box)
    finally:
        resource.prlimit(monitor, resource.RLIMIT_NOFILE, before)
    assert runtime.ensure_monitor()["pid"] == monitor, Path(paths.MONITOR_LOG).read_text()
    assert failed
    assert f"RLIMIT_NOFILE of process {monitor} (hostkit-lxc) is " in hint and f"prlimit --pid {monitor} --nofile=" in hint
    box.kill()
    assert started(box) == ("", "")
