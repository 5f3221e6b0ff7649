# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clones of one container in one task, which are made side by side and started together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from stock import BUSYBOX

pytestmark = pytest.mark.skipif(not os.path.exists(BUSYBOX), reason=f"{BUSYBOX} is not installed")

NAMES = [f"m{number}" for number in range(50 if os.environ.get("HOSTKIT_SOAK") == "1" else 12)]


def job(lxc_path: Path, names: list[str], **options: Any) -> Any:
    report = fleet.job({"name": names, "lxc_path": str(lxc_path), "stop_timeout": 0, **options}).apply()
    assert not report.failed, report.failed
    return report


@pytest.fixture
def lxc_path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for names in (NAMES, ["source"]):
        fleet.job({"name": names, "lxc_path": str(tmp_path), "state": "absent", "stop_timeout": 0}).apply()


@pytest.mark.parametrize("is_snapshot", [True, False], ids=["snapshots", "copies"])
def test_all_are_made_and_run(lxc_path: Path, is_snapshot: bool) -> None:
    job(lxc_path, ["source"], template="busybox", network=[], state="present")
    options = {"clone_from": "source", "clone_snapshot": is_snapshot}
    made = job(lxc_path, NAMES, **options)
    assert {(entry["state"], entry["changed"]) for entry in made.result["containers"]} == {("RUNNING", True)}
    assert {Path(lxc_path, name, "rootfs/etc/hostname").exists() for name in NAMES} == {not is_snapshot}
    users = Path(lxc_path, "source/lxc_snapshots")
    assert (sorted(users.read_text().split()[1::2]) if users.exists() else []) == (sorted(NAMES) if is_snapshot else [])
    assert not job(lxc_path, NAMES, **options).changed
    assert job(lxc_path, NAMES, state="absent").changed
    assert os.listdir(lxc_path) == ["source"] and not users.exists()
