# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom descent finds: also the child of one that was just forking when it was stopped."""

from __future__ import annotations

import os
import signal
import time

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_kill

ROUNDS = 60


def fork_for_ever():
    """One child at a time, so that nobody's being there has the list read once more; what is not reaped stays in it as a zombie."""
    while True:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def end(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def forker():
    pid = os.fork()
    if pid == 0:
        try:
            fork_for_ever()
        finally:
            os._exit(1)
    return pid


def test_who_was_forking_makes_no_more_when_it_is_held():
    for round_ in range(ROUNDS):
        pid = forker()
        held = {pid}
        try:
            time.sleep(0.003 + 0.0001 * round_)
            held = attach_kill.descendants({pid})
            assert process.is_still(pid)
            assert not attach_kill._below(held) - held
        finally:
            end(held | attach_kill._below(held))
            os.waitpid(pid, 0)
