# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is so at once is not waited for: the module of community.general sleeps a second after every start and destroy (defect 14),
and LXC a second in each freeze that it looks at too early."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those that were made; each is an error at once, too, for whoever does not count them."""
    made: list[float] = []

    def sleep(seconds: float) -> None:
        made.append(seconds)
        raise AssertionError(f"a pause of {seconds} s")

    monkeypatch.setattr(time, "sleep", sleep)
    return made


def test_create_and_destroy(container: paths.Container, pauses: list[float]) -> None:
    create.create(create.CreateRequest(container, "none"), lambda line: None)
    destroy.destroy(container)
    assert not os.path.exists(container.directory) and pauses == []


def test_start(container: paths.Container, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def request(op: str, body: dict[str, object], timeout: float) -> dict[str, object]:
        asked.append((op, timeout > 0))
        return {"results": [{"lxc_path": container.lxc_path, "name": container.name, "error": None, "warnings": []}], **body}

    monkeypatch.setattr(runtime.host, "request", request)
    assert runtime.start([container]) == [(container, None, [], False)]
    assert asked == [("start", True)] and pauses == []


def test_freeze_and_thaw(container: paths.Container, host: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    state = host / "freezer.state"
    state.write_text("THAWED")
    told = [State.RUNNING]
    monkeypatch.setattr(freeze, "find", lambda one: freeze.Freezer(os.open(host, os.O_RDONLY | os.O_DIRECTORY), v2=False))
    monkeypatch.setattr(freeze.client, "state", lambda one: State.RUNNING if told[-1] is State.THAWED else told[-1])
    monkeypatch.setattr(freeze, "_tell", lambda one, new: told.append(new))
    assert freeze.freeze(container) and state.read_text() == "FROZEN"
    assert freeze.thaw(container) and state.read_text() == "THAWED"
    assert told[1:] == [State.FREEZING, State.FROZEN, State.THAWED] and pauses == []
