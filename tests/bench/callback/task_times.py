# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints `task_ms MILLISECONDS` for every task (a loop is one), and nothing else but failures."""

from __future__ import annotations

import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_times
type: stdout
short_description: The wall time of every task
description: For the benchmark only.
"""


class CallbackModule(CallbackBase):
    """The time from one task's begin to the next one's, or to the end of the play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "task_times"

    def __init__(self) -> None:
        super().__init__()
        self._begin = 0.0

    def _end(self) -> None:
        if self._begin:
            self._display.display(f"task_ms {(time.monotonic() - self._begin) * 1000:.1f}")
        self._begin = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._end()
        self._begin = time.monotonic()

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._display.display(f"failed: {result.result if hasattr(result, 'result') else result._result}")

    def v2_playbook_on_stats(self, stats):
        self._end()
