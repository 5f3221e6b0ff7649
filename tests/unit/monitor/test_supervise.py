# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many launchers work at once. None is forked here: what one would say is said by the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import supervise
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.record import Record
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.supervise import Supervisor
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


class Launches:
    """Those that were begun, with the ways in which they report and end."""

    def __init__(self, loop: Loop) -> None:
        link: Any = None  # nothing is handed to a keeper before a turn of the loop
        self.supervisor = Supervisor(loop, link, lambda _record: None, "/nowhere")
        self.supervisor.launchers.launch = self._launch  # type: ignore[method-assign]
        self.begun: dict[str, tuple[Record, Callable[..., None], Callable[[int], None]]] = {}

    def _launch(self, record: Record, note: Callable[..., None], done: Callable[[int], None]) -> None:
        self.begun[record.container.name] = record, note, done

    def ask(self, *names: str) -> None:
        for name in names:
            self.supervisor.enqueue(Record(Container("/c", name), None), 60)

    def waits(self, name: str, waits: bool) -> None:
        self.begun[name][1]({"waits": waits}, [])

    def end(self, name: str) -> None:
        record, _note, done = self.begun[name]
        record.state = State.RUNNING
        done(0)


@pytest.fixture
def launches(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Launches:
    monkeypatch.setattr(supervise, "_LAUNCHERS", 1)
    return Launches(loop)


def test_one_after_the_other(launches: Launches) -> None:
    launches.ask("a", "b")
    assert set(launches.begun) == {"a"}
    launches.end("a")
    assert set(launches.begun) == {"a", "b"}


def test_one_that_waits_makes_room_as_long_as_it_does(launches: Launches) -> None:
    launches.ask("a", "b")
    launches.waits("a", True)
    assert set(launches.begun) == {"a", "b"}
    launches.waits("a", False)
    launches.ask("c")
    launches.end("b")
    assert set(launches.begun) == {"a", "b"}, "a works again"
    launches.end("a")
    assert set(launches.begun) == {"a", "b", "c"}


def test_one_that_ends_while_it_waits_makes_room_once(launches: Launches) -> None:
    launches.ask("a", "b")
    launches.waits("a", True)
    launches.end("a")
    launches.ask("c")
    assert set(launches.begun) == {"a", "b"}


def test_who_waits_for_all_to_end_waits_for_those_too(launches: Launches) -> None:
    idle: list[bool] = []
    launches.ask("a")
    launches.waits("a", True)
    launches.supervisor.pause(lambda: idle.append(True))
    launches.supervisor.loop.later(0.01, lambda: None)
    launches.supervisor.loop._at_end.clear()  # nothing is saved: there is no keeper and no ledger
    launches.supervisor.loop.turn()
    assert not idle
    launches.end("a")
    launches.supervisor.loop.turn()
    assert idle == [True]
