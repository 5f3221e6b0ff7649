# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A loop of the monitor in the test's own process, and the signals as they were afterwards."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield Loop()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
