# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything that the tests need is installed, a test that is skipped is a test that fails.

HOSTKIT_REQUIRE_ORACLE=1 says so, as the steps of CI do. What only a kernel, its configuration or a network can lack is
named here; HOSTKIT_REQUIRE_MIRROR=1 says that a package mirror has answered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

# What the kernel of most hosts that run the tests has not, and that of the virtual machine has: HOSTKIT_REQUIRE_STORES names them.
STORES = {"lvm": "logical volumes", "zfs": "ZFS"}
MAY_LACK = [
    "no cgroup hierarchy of version",
    "no keyrings here",
    "no new mount API here",
    "no RENAME_EXCHANGE here",
    "the number of reboot(2)",
    "this file system has no immutable files",
    "this host runs",
    "this host has no cgroup v",
    "this host has cgroup v",
    "this host has neither",
    "on this host's unified hierarchy",
    "there is no /dev/fuse",
    *(f"no {what} here" for word, what in STORES.items() if word not in os.environ.get("HOSTKIT_REQUIRE_STORES", "").split()),
    *(["no package mirror answers"] if os.environ.get("HOSTKIT_REQUIRE_MIRROR") != "1" else []),
]


def _refuse(report: Any) -> None:
    if os.environ.get("HOSTKIT_REQUIRE_ORACLE") != "1" or not report.skipped or not isinstance(report.longrepr, tuple):
        return
    file, line, reason = report.longrepr
    if not any(words in reason for words in MAY_LACK):
        report.outcome = "failed"
        report.longrepr = f"{file}:{line}: nothing may be missing here, and yet: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    outcome: Any = yield
    _refuse(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """A whole file, by importorskip."""
    outcome: Any = yield
    _refuse(outcome.get_result())
