# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a stock tool reads STOPPED because the monitor was killed with its question in its hands (ADR 6 has the window)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process

pytestmark = pytest.mark.usefixtures("only_ours")

KILLS = 300 if os.environ.get("HOSTKIT_SOAK") == "1" else 150  # when each promotion made the stack deeper, both died by then
ASKERS = 2


class Asking(threading.Thread):
    """lxc-info -s, one after the other: whatever else than RUNNING it said, and how often it was asked."""

    def __init__(self, box) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.command = ["lxc-info", "-P", box.container.lxc_path, "-n", box.container.name, "-sH"]
        self.asked, self.others, self.over = 0, [], threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=60, check=False)
            self.asked += 1
            if done.stdout != "RUNNING\n":
                self.others.append(done.stdout.strip() or done.stderr)


def ended(pid: int) -> None:
    deadline = time.monotonic() + 20
    while process.alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def kill_monitor() -> None:
    """At any moment; then the keeper, too, whose successor starts the next monitor without a pause."""
    facts = runtime.ensure_monitor()
    time.sleep(random.uniform(0, 0.02))
    os.kill(facts["pid"], signal.SIGKILL)
    ended(facts["pid"])
    facts = runtime.ensure_monitor()
    os.kill(facts["keeper"], signal.SIGKILL)
    ended(facts["keeper"])
    assert runtime.ensure_monitor()["keeper"] == facts["pid"], "the monitor has become the keeper"


@pytest.mark.soak
def test_at_most_the_one_question_in_its_hands_is_lost(make_box, capsys) -> None:
    """Of those who ask meanwhile, and of those who come while there is none, nobody else reads anything but RUNNING."""
    stock.need_lxc()
    box = make_box("hands1")
    box.start()
    pid = box.pid
    asking = [Asking(box) for _number in range(ASKERS)]
    for _number in range(KILLS):
        kill_monitor()
    for one in asking:
        one.over.set()
        one.join(60)
    others = [said for one in asking for said in one.others]
    with capsys.disabled():
        asked = sum(one.asked for one in asking)
        print(f"\n{KILLS} kills of the monitor, {asked} times lxc-info -s: {len(others)} did not say RUNNING")
    assert set(others) <= {"STOPPED", "INVALID STATE"}  # the latter where its question had not even been read
    assert len(others) <= KILLS
    assert box.pid == pid
