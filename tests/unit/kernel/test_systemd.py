# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of systemd-run's answers; tests/root/service and tests/vm ask a real one."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command, systemd


@pytest.mark.parametrize(
    "answers, said, names",
    [
        ([(0, "")], "", ["one"]),
        ([(1, "Unit one.service already exists.\n"), (0, "")], "", ["one", "one-2"]),
        ([(1, "Failed to connect to bus\n")], "Failed to connect to bus", ["one"]),
        ([(1, "")], "systemd-run ended with status 1", ["one"]),
        ([(-9, "")], "it was not ready within 60 s", ["one"]),
    ],
    ids=["ready", "a name that is taken", "its own words", "no words", "no answer"],
)
def test_what_is_said_of_a_service(monkeypatch: pytest.MonkeyPatch, answers: list[tuple[int, str]], said: str, names: list[str]) -> None:
    asked: list[str] = []

    def run(words: list[str], timeout: float) -> command.Result:
        asked.extend(word.partition("=")[2] for word in words if word.startswith("--unit="))
        rc, stderr = answers[len(asked) - 1]
        return command.Result(rc, "", stderr)

    monkeypatch.setattr(command, "run", run)
    assert systemd.run_service("one", "A service", ["KillMode=process"], ["/bin/true"]) == said
    assert asked == names
