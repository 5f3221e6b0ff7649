# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a task must bring up a monitor before it believes any state."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import presence


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(presence, "LEDGER", str(tmp_path / "inits"))
    monkeypatch.setattr(presence, "MONITOR_SOCKET", str(tmp_path / "monitor.sock"))
    return tmp_path


def test_no_container_needs_no_monitor(run: Path) -> None:
    assert not presence.orphaned()
    (run / "inits").mkdir()
    (run / "inits" / "half.new").write_text("")
    assert not presence.orphaned()


def test_containers_and_nobody_who_answers(run: Path) -> None:
    (run / "inits").mkdir()
    (run / "inits" / "one").write_text("")
    assert presence.orphaned()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run / "monitor.sock"))
        assert presence.orphaned(), "a socket that nobody reads is left of a monitor that was killed"
        listener.listen(0)
        assert not presence.orphaned()
        assert not presence.orphaned(), "a full backlog is somebody"
