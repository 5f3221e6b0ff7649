# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor leaves in writing about the inits that it started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import ledger

ONE = paths.container("one")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ledger, "_DIRECTORY", str(tmp_path / "inits"))
    return tmp_path / "inits"


def test_a_process_that_runs_is_a_survivor_until_it_is_forgotten() -> None:
    assert ledger.survivor(ONE) == 0
    ledger.remember(ONE, os.getpid())
    assert ledger.survivor(ONE) == os.getpid()
    assert ledger.survivor(paths.container("one", "/elsewhere")) == 0
    ledger.forget(ONE)
    ledger.forget(ONE)
    assert ledger.survivor(ONE) == 0


@pytest.mark.parametrize(("field", "value"), [("start_time", 1), ("boot", "another"), ("pid", "none")])
def test_another_process_under_the_same_pid_is_not_it(directory: Path, field: str, value: object) -> None:
    ledger.remember(ONE, os.getpid())
    [file] = directory.iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    assert ledger.survivor(ONE) == 0


def test_one_that_has_ended_is_not_remembered(directory: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ledger.remember(ONE, ended.pid)
    assert not directory.exists()
