# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows when nothing of a run of init is left: another run, the end, or one more cleaner. No process is made here."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.supervise import Supervisor
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


@pytest.mark.parametrize(
    ("rebooting", "stop_asked", "ephemeral", "follows"),
    [
        (False, True, "1", "the end"),
        (True, False, "1", "another run"),
        (True, True, "0", "the end"),
        (True, True, "1", "a cleaner"),  # the one that was there left its files for the run that will not come
    ],
)
def test_what_follows(loop: Loop, monkeypatch: pytest.MonkeyPatch, rebooting: bool, stop_asked: bool, ephemeral: str, follows: str) -> None:
    link: Any = None  # nothing is handed to a keeper
    supervisor = Supervisor(loop, link, lambda _record: None, "/nowhere")
    record = Record(Container("/c", "web"), None)
    record.rebooting, record.stop_asked, record.pairs = rebooting, stop_asked, [["lxc.uts.name", "web"], ["lxc.ephemeral", ephemeral]]
    seen: list[str] = []
    monkeypatch.setattr(supervisor.ending, "clean", lambda *_said: seen.append("a cleaner"))
    monkeypatch.setattr(supervisor.ending, "_close", lambda *_said: seen.append("the end"))
    monkeypatch.setattr(supervisor, "enqueue", lambda *_said: seen.append("another run"))
    supervisor.ending.cleaned(record)
    assert seen == [follows]
