# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor does without: each fork copies its page tables, and each module with a fork hook is called in every child."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

UTILS = str(Path(__file__).resolve().parents[3] / "plugins/module_utils")


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    program = "import json, sys; sys.path[:0] = [sys.argv[1]]; from _lxc.monitor import main; print(json.dumps(list(sys.modules)))"
    argv = [sys.executable, "-I", "-S", "-B", "-c", program, UTILS]
    return set(json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))


@pytest.mark.parametrize(
    "module", ["subprocess", "threading", "traceback", "pyroute2", "asyncio", "logging", "dataclasses", "inspect", "shutil", "_hashlib"]
)
def test_it_is_not_loaded(loaded: set[str], module: str) -> None:
    assert "_lxc.monitor.supervise" in loaded
    assert module not in loaded
