# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom descent finds, also the child of one that was just forking when it was stopped; and that what is ended has ended."""

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


def test_what_is_ended_has_ended():
    """A killed process still has to be given a processor to die on."""
    for _round in range(5):
        others = attach_kill.children()
        read_fd, write_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            for _child in range(40):
                if os.fork() == 0:
                    os.write(write_fd, b"x")
                    signal.pause()
            signal.pause()
        begun = b""
        while len(begun) < 40:
            begun += os.read(read_fd, 40)
        tree = attach_kill._below({pid})
        attach_kill.Tree(None, others).end([pid])
        alive = [one for one in {pid, *tree} if process.alive(one)]
        os.waitpid(pid, 0)
        os.close(read_fd)
        os.close(write_fd)
        assert len(tree) == 40
        assert not alive
