# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc-monitord's FIFO: told when somebody reads, and nothing else ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import fifo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.payloads import StateMessage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

ONE = paths.Container("/lxc", "u1")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "LXC_RUN", str(tmp_path))
    (tmp_path / "lxc").mkdir()
    return tmp_path / "lxc/monitor-fifo"


def read(fifo_fd: int) -> list[StateMessage]:
    data = os.read(fifo_fd, 65536)
    size = payloads.STATE_MESSAGE_SIZE
    return [StateMessage.unpack(data[at : at + size]) for at in range(0, len(data), size)]


def test_a_reader_gets_the_state_and_the_wait_status(place: Path) -> None:
    os.mkfifo(place)
    fifo_fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    fifo.tell_state(ONE, State.FROZEN)
    fifo.tell_exit(ONE, 0x100)
    assert read(fifo_fd) == [StateMessage(0, "u1", State.FROZEN), StateMessage(2, "u1", 0x100)]
    os.close(fifo_fd)


def test_nothing_and_nobody_to_tell(place: Path) -> None:
    fifo.tell_state(ONE, State.RUNNING)
    os.mkfifo(place)
    fifo.tell_state(ONE, State.RUNNING)


def test_a_reader_that_does_not_read_is_not_waited_for(place: Path) -> None:
    os.mkfifo(place)
    fifo_fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    for _number in range(1000):
        fifo.tell_state(ONE, State.RUNNING)
    assert len(read(fifo_fd)) >= 240, "as many as a pipe holds"
    os.close(fifo_fd)


def test_a_link_in_its_place_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    place.symlink_to(tmp_path / "other")
    fifo.tell_state(ONE, State.RUNNING)
    assert (tmp_path / "other").read_text() == ""
