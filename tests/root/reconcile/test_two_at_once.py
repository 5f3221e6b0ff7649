# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers with the same task for one host at the same moment: neither fails, and what was done is the change of one of them."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from stock import BUSYBOX

pytestmark = pytest.mark.skipif(not os.path.exists(BUSYBOX), reason=f"{BUSYBOX} is not installed")

FORK = multiprocessing.get_context("fork")
ROUNDS = 20 if os.environ.get("HOSTKIT_SOAK") == "1" else 3
NAMES = ["t1", "t2", "t3"]


def task(barrier: Barrier, pipe: Any, options: dict[str, Any]) -> None:
    job = fleet.job(options)
    barrier.wait(30)
    report = job.apply()
    pipe.send((report.failed, report.changed, report.result["containers"]))


def both(lxc_path: Path, state: str) -> Counter[str]:
    """What the two say that they have done, together."""
    barrier, pipes, processes = FORK.Barrier(2), [], []
    options = {"name": NAMES, "lxc_path": str(lxc_path), "state": state, "template": "busybox", "network": [], "stop_timeout": 10}
    for _number in range(2):
        ours, theirs = FORK.Pipe()
        processes.append(FORK.Process(target=task, args=(barrier, theirs, options)))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    said = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(60)
    assert [failed for failed, _changed, _entries in said] == ["", ""]
    for _failed, changed, entries in said:
        assert changed == any(entry["changed"] for entry in entries)
        assert all(entry["changed"] == bool(entry["actions"]) for entry in entries)
    return Counter(action.split(" (")[0] for _failed, _changed, entries in said for entry in entries for action in entry["actions"])


@pytest.fixture
def lxc_path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    fleet.job({"name": NAMES, "lxc_path": str(tmp_path), "state": "absent", "stop_timeout": 0}).apply()


def once(*words: str) -> Counter[str]:
    return Counter(word.format(name) for word in words for name in NAMES)


def test_each_thing_is_done_once(lxc_path: Path) -> None:
    """Both may ask a running container to stop, and both have then had a part in it."""
    for _round in range(ROUNDS):
        assert both(lxc_path, "started") == once("make {} from template busybox", "start {}")
        assert not both(lxc_path, "started")
        assert set(both(lxc_path, "stopped")) == set(once("stop {}"))
        assert both(lxc_path, "absent") == once("destroy {}")
        assert not os.listdir(lxc_path)
