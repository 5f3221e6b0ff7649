# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States that go by are waited for, for what follows and not longer than allowed."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors, paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import observe, passing
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State

ONE = paths.Container("/lxc", "m1")


@pytest.fixture
def states(monkeypatch):
    """What the monitor answers, one after the other; the last for ever."""
    states = []
    monkeypatch.setattr(query, "state", lambda one: states.pop(0) if len(states) > 1 else states[0])
    return states


@pytest.fixture
def link(monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(client, "watch", lambda one, wanted: (ours.dup(), None))
    with ours, theirs:
        yield theirs


@pytest.mark.parametrize("state", [State.STOPPED, State.RUNNING, State.FROZEN])
def test_what_lasts_is_not_waited_for(states, state):
    states[:] = [state]
    assert observe.settled_state(ONE) is state


@pytest.mark.parametrize("state", [State.STARTING, State.STOPPING, State.ABORTING, State.FREEZING])
def test_the_monitors_word_ends_the_wait(states, link, monkeypatch, state):
    monkeypatch.setattr(passing, "_LOOK", 600)
    states[:] = [state, state, State.THAWED]
    threading.Timer(0.05, lambda: link.send(b"x")).start()
    assert observe.settled_state(ONE) is State.RUNNING


def test_one_that_nobody_tells_of_is_looked_at_again(states, monkeypatch):
    def watch(one, wanted):
        raise NotRunning("it has ended")

    monkeypatch.setattr(client, "watch", watch)
    states[:] = [State.STOPPING, State.STOPPING, State.STOPPED]
    assert observe.settled_state(ONE) is State.STOPPED


def test_not_for_ever(states, link):
    states[:] = [State.STARTING]
    with pytest.raises(errors.TimedOut, match="it has been STARTING for 0 s"):
        passing.settled(ONE, 0.05)
