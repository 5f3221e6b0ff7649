# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A creation that is killed anywhere: the next run of the same task makes the container, and removing it leaves nothing.

The offsets are drawn; HOSTKIT_SEED draws the same ones again.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from storage_images import apply, run, wait_for_no_device

Task = Callable[..., dict[str, Any]]
FORK = multiprocessing.get_context("fork")
ROUNDS = 40 if os.environ.get("HOSTKIT_SOAK") == "1" else 4


def _make(said: dict[str, Any]) -> None:
    os.setsid()
    apply(**said)


def kill_at(offset: float, said: dict[str, Any]) -> None:
    """The process of the module, and as it has a session of its own nothing else."""
    process = FORK.Process(target=_make, args=(said,))
    process.start()
    process.join(offset)
    process.kill()
    process.join(30)


@pytest.mark.parametrize("store", ["dir", "overlayfs", "btrfs", "loop"])
def test_killed_at_random_offsets(btrfs_path: Path, task: Task, store: str) -> None:
    seed = int(os.environ.get("HOSTKIT_SEED", random.randrange(1 << 32)))
    print(f"HOSTKIT_SEED={seed}")
    draw = random.Random(seed)
    lxc_path = btrfs_path / "c"
    said = {"name": "k1", "lxc_path": str(lxc_path), "template": "busybox", "network": [], "backing_store": store, "state": "present"}
    if store == "loop":
        said["size"] = "48M"
    began = time.monotonic()
    task(**said)
    whole = time.monotonic() - began
    apply(**{**said, "state": "absent"})
    for _round in range(ROUNDS):
        kill_at(draw.uniform(0, whole), said)
        assert task(**said)["state"] == "STOPPED"
        assert os.path.exists(f"{lxc_path}/k1/config") and not os.path.exists(f"{lxc_path}/k1/partial")
        assert not task(**said)["changed"]
        assert not [found for found in mountinfo.read() if found.target.startswith(str(lxc_path))]
        if store == "loop":
            wait_for_no_device(f"{lxc_path}/k1/rootdev")
        apply(**{**said, "state": "absent"})
        assert os.listdir(lxc_path) == [] and run("btrfs", "subvolume", "list", str(lxc_path)).stdout == ""
