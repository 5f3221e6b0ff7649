# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test on a real kernel may use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import forked
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc
from skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["in_child", "pytest_make_collect_report", "pytest_runtest_makereport"]

pytest.register_assert_rewrite("cloned", "parity", "stock", "terminal")


@pytest.fixture
def in_child() -> Callable[..., Any]:
    """`forked.run`, which skips the test where such namespaces cannot be made."""

    def run(function: Callable[[], Any], flags: int = libc.CLONE_NEWNS, timeout: float = 60) -> Any:
        try:
            forked.run(_nothing, flags, timeout)
        except PermissionError as error:
            pytest.skip(f"no namespaces {flags:#x} here: {error.strerror}")
        return forked.run(function, flags, timeout)

    return run


def _nothing() -> None:
    return
