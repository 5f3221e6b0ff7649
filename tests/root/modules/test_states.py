# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cell of docs/states.md on real containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from module import Module, ritual

WANTED = ("present", "started", "restarted", "frozen", "stopped", "absent")
FOUND = ("absent", "stopped", "running", "frozen", "half-made")
NOTHING_TO_DO = {
    *(("present", found) for found in ("stopped", "running", "frozen")),
    ("started", "running"),
    ("frozen", "frozen"),
    ("stopped", "stopped"),
    ("absent", "absent"),
}
CALLED = {"absent": "ABSENT", "stopped": "STOPPED", "running": "RUNNING", "started": "RUNNING", "restarted": "RUNNING", "frozen": "FROZEN"}
MADE = {"name": "m-cell", "template": "busybox", "network": []}


def stand(container: Module, lxc_path: Path, found: str) -> None:
    """Make it so. What is half-made is as a creation that was cut off leaves it, with LXC's marker."""
    if found == "half-made":
        (lxc_path / "m-cell/rootfs/etc").mkdir(parents=True)
        (lxc_path / "m-cell/partial").touch()
    elif found != "absent":
        container.done(**MADE, state={"running": "started"}.get(found, found))


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("wanted", WANTED)
def test_a_wanted_state_against_how_a_container_stands(container: Module, info: Module, lxc_path: Path, wanted: str, found: str) -> None:
    stand(container, lxc_path, found)
    ritual(container, {**MADE, "state": wanted}, (wanted, found) not in NOTHING_TO_DO)
    (stands,) = info.done(name="m-cell")["containers"]
    as_found = CALLED[found] if found in ("running", "frozen") else "STOPPED"
    assert stands["state"] == (as_found if wanted == "present" else CALLED[wanted])
    assert (stands["init_pid"] > 0) == (stands["state"] in ("RUNNING", "FROZEN"))
