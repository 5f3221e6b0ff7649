# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of lxc_container in this process, and what they leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet


def job(lxc_path: Path, name: str = "old", **options: Any) -> Any:
    return fleet.job({"name": [name], "lxc_path": str(lxc_path), "stop_timeout": 0, **options})


def apply(lxc_path: Path, name: str = "old", **options: Any) -> Any:
    report = job(lxc_path, name, **options).apply()
    assert not report.failed, report.failed
    return report


def fails(lxc_path: Path, name: str = "old", **options: Any) -> str:
    """The message, which is the same in check mode."""
    said = {job(lxc_path, name, **options).predict().failed, job(lxc_path, name, **options).apply().failed}
    assert len(said) == 1
    return str(said.pop())


def ritual(lxc_path: Path, name: str = "old", **options: Any) -> Any:
    """Check, apply, apply again, check again: what was done, or would be."""
    checked = job(lxc_path, name, **options).predict()
    assert not checked.failed and checked.changed, checked
    applied = apply(lxc_path, name, **options)
    assert applied.changed
    assert checked.result["actions"] == [action.split(" (")[0] for action in applied.result["actions"]]  # how it stopped is known later
    assert [(one.before, one.after) for one in checked.diff] == [(one.before, one.after) for one in applied.diff]
    assert not apply(lxc_path, name, **options).changed
    assert not job(lxc_path, name, **options).predict().changed
    return applied


@pytest.fixture
def lxc_path(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "lxc"
    place.mkdir()
    yield place
    names = [name for name in os.listdir(place) if not name.startswith(".")]
    for _again in range(3):  # those first whose files nobody uses
        if names:
            fleet.job({"name": names, "lxc_path": str(place), "state": "absent", "stop_timeout": 0, "delete_snapshots": True}).apply()
        names = [name for name in os.listdir(place) if not name.startswith(".")]
    assert [one.target for one in mountinfo.read() if str(tmp_path) in one.target] == []


def text(lxc_path: Path, name: str) -> str:
    return (lxc_path / name / "config").read_text()


def left(lxc_path: Path) -> list[str]:
    """What a renaming may leave anywhere, and must not."""
    odd = [str(path) for path in lxc_path.rglob("*") if "hostkit" in path.name and path.name != "hostkit.conf"]
    return odd + [str(path) for path in lxc_path.iterdir() if path.is_symlink()]
