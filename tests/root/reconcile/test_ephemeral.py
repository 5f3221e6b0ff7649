# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are gone once they have stopped, whoever stops them and whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloned
import motions
import pytest
import snapshots
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, ephemeral
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, query
from motions import apply, fails, job

lxc_path = motions.lxc_path
SAID = {"clone_from": "base", "ephemeral": True}


@pytest.fixture
def base(lxc_path: Path) -> Iterator[Container]:
    yield cloned.make(lxc_path, "base")


def one(lxc_path: Path) -> Container:
    return Container(str(lxc_path), "once")


def run(lxc_path: Path, script: str) -> str:
    return attach.attach(one(lxc_path), attach.AttachRequest(["/bin/sh", "-c", script], timeout=30)).stdout.decode()


def gone(lxc_path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while "once" in os.listdir(lxc_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert os.listdir(lxc_path) == ["base"] and not os.path.exists(lxc_path / "base/lxc_snapshots")
    assert not any(str(lxc_path) in mount.target for mount in mountinfo.read())


def by_init(lxc_path: Path) -> None:
    os.kill(query.init_pid(one(lxc_path)), signal.SIGKILL)


def from_within(lxc_path: Path) -> None:
    run(lxc_path, "kill -PWR 1")


def by_poweroff(lxc_path: Path) -> None:
    run(lxc_path, "poweroff -f")


def by_stock(lxc_path: Path) -> None:
    stock.need_lxc()
    snapshots.stock("lxc-stop", one(lxc_path), "-k")


def by_us(lxc_path: Path) -> None:
    checked = job(lxc_path, "once", state="stopped").predict()
    done = apply(lxc_path, "once", state="stopped")
    assert done.result["container"]["state"] == checked.result["container"]["state"] == "ABSENT"
    assert os.listdir(lxc_path) == ["base"]  # and not only soon


def by_command(lxc_path: Path) -> None:
    client.stop(one(lxc_path), 30)


WAYS: list[Callable[[Path], None]] = [by_init, from_within, by_poweroff, by_stock, by_us, by_command]


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("tmpfs", [False, True], ids=["disk", "tmpfs"])
def test_it_is_gone_however_it_stops(lxc_path: Path, way: Callable[[Path], None], tmpfs: bool) -> None:
    before = cloned.tree_of(f"{lxc_path}/base/rootfs")
    said = {**SAID, **({"ephemeral_tmpfs": True} if tmpfs else {})}
    checked = job(lxc_path, "once", **said).predict()
    made = apply(lxc_path, "once", **said)
    assert checked.changed and made.changed and checked.result["actions"] == made.result["actions"]
    assert not apply(lxc_path, "once", **said).changed and not job(lxc_path, "once", **said).predict().changed
    assert run(lxc_path, "echo mine > /etc/mine; cat /etc/hostname; hostname") == "once\nonce\n"
    assert os.path.exists(lxc_path / "once/overlay/delta/etc/mine") != tmpfs
    way(lxc_path)
    gone(lxc_path)
    assert cloned.tree_of(f"{lxc_path}/base/rootfs") == before


@pytest.mark.usefixtures("base")
def test_the_states(lxc_path: Path) -> None:
    assert not apply(lxc_path, "once", **SAID, state="stopped").changed
    assert apply(lxc_path, "once", **SAID, state="present").changed and not apply(lxc_path, "once", **SAID, state="present").changed
    assert apply(lxc_path, "once", **SAID, state="frozen").result["container"]["state"] == "FROZEN"
    assert "ephemeral" in fails(lxc_path, "once", state="restarted")
    assert "ephemeral" in fails(lxc_path, "once", state="restarted", new_name="twice")
    assert apply(lxc_path, "once", **SAID, state="stopped").changed
    gone(lxc_path, 0)
    assert not apply(lxc_path, "once", **SAID, state="stopped").changed
    apply(lxc_path, "once", **SAID)
    assert apply(lxc_path, "once", state="absent").changed
    gone(lxc_path, 0)
    apply(lxc_path, "once", **SAID)
    apply(lxc_path, "once", clone_from="base", ephemeral=False)
    apply(lxc_path, "once", state="stopped")
    assert sorted(os.listdir(lxc_path)) == ["base", "once"]


@pytest.mark.usefixtures("base")
def test_a_full_copy(lxc_path: Path) -> None:
    apply(lxc_path, "once", **SAID, clone_snapshot=False)
    assert os.path.exists(lxc_path / "once/rootfs/bin/busybox")
    by_init(lxc_path)
    gone(lxc_path)
    assert "a clone that is an overlay" in fails(lxc_path, "once", **SAID, clone_snapshot=False, ephemeral_tmpfs=True)
    assert os.listdir(lxc_path) == ["base"]


@pytest.mark.usefixtures("base")
def test_a_restart_from_within_keeps_it(lxc_path: Path) -> None:
    apply(lxc_path, "once", **SAID)
    first = query.init_pid(one(lxc_path))
    run(lxc_path, "touch /kept; reboot -f")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if query.init_pid(one(lxc_path)) != first:
                break
        except client.NotRunning:
            pass
        time.sleep(0.05)
    assert query.init_pid(one(lxc_path)) != first and os.path.exists(lxc_path / "once/overlay/delta/kept")
    by_init(lxc_path)
    gone(lxc_path)


@pytest.mark.usefixtures("base")
def test_what_is_left_when_the_host_went_down(lxc_path: Path) -> None:
    """As it lies there then: it has run, and nobody answers for it."""
    for said, changed in ((SAID, True), ({"state": "absent"}, True), ({**SAID, "state": "stopped"}, False)):
        apply(lxc_path, "once", **SAID, state="present")
        ephemeral.note(one(lxc_path))
        (lxc_path / "once/overlay/delta/old").touch()
        checked = job(lxc_path, "once", **said).predict()
        assert checked.changed == changed and not checked.failed
        assert apply(lxc_path, "once", **said).changed == changed
        assert not os.path.exists(lxc_path / "once/overlay/delta/old")
        apply(lxc_path, "once", state="absent")
    apply(lxc_path, "once", **SAID, state="present")
    ephemeral.note(one(lxc_path))
    assert "does not exist" in job(lxc_path, "once").apply().failed
    gone(lxc_path, 0)


@pytest.mark.usefixtures("base")
def test_the_monitor_is_killed_meanwhile(lxc_path: Path) -> None:
    """Another takes over what was under way, or the next task has it begin anew."""
    apply(lxc_path, "once", **SAID)
    with open("/run/hostkit-lxc/monitor.lock", encoding="utf-8"):
        pass
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import filelock
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import MONITOR_CLAIM

    pids = sorted(filelock.openers(MONITOR_CLAIM))
    init = query.init_pid(one(lxc_path))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    os.kill(init, signal.SIGKILL)
    runtime.ensure_monitor()
    gone(lxc_path)


@pytest.mark.usefixtures("base")
def test_a_start_that_fails_leaves_it_to_be_looked_at(lxc_path: Path) -> None:
    report = job(lxc_path, "once", **SAID, hooks={"pre-start": "/bin/false"}).apply()
    assert "pre-start" in report.failed and os.path.exists(lxc_path / "once/once.log")
    assert apply(lxc_path, "once", **SAID, hooks={"pre-start": "/bin/true"}).result["container"]["state"] == "RUNNING"
    by_init(lxc_path)
    gone(lxc_path)


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize("more", [[], ["-t"]], ids=["disk", "tmpfs"])
def test_those_of_lxc_copy_are_ours_too(lxc_path: Path, more: list[str]) -> None:
    stock.need_lxc()
    subprocess.run(["lxc-copy", "-P", str(lxc_path), "-n", "base", "-N", "once", "-e", *more], check=True, capture_output=True, timeout=60)
    assert not apply(lxc_path, "once", **SAID).changed
    by_us(lxc_path)
    gone(lxc_path, 0)


@pytest.mark.usefixtures("base")
@pytest.mark.parametrize("tmpfs", [False, True], ids=["disk", "tmpfs"])
def test_lxc_start_and_its_monitor_take_ours_away(lxc_path: Path, tmpfs: bool) -> None:
    stock.need_lxc()
    apply(lxc_path, "once", **SAID, state="present", ephemeral_tmpfs=tmpfs)
    stock.start_stock(one(lxc_path))
    out = subprocess.run(
        ["lxc-attach", "-P", str(lxc_path), "-n", "once", "--", "/bin/sh", "-c", "echo x > /etc/mine; cat /etc/hostname"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert out == "once\n" and os.path.exists(lxc_path / "once/overlay/delta/etc/mine") != tmpfs
    snapshots.stock("lxc-stop", one(lxc_path), "-k")
    gone(lxc_path)


@pytest.mark.usefixtures("base")
def test_several_at_once_leave_the_monitor_as_it_was(lxc_path: Path) -> None:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet

    names = [f"e{number}" for number in range(30 if os.environ.get("HOSTKIT_SOAK") == "1" else 8)]
    options: dict[str, Any] = {"name": names, "lxc_path": str(lxc_path), "stop_timeout": 0}
    assert not fleet.job({**options, **SAID}).apply().failed
    stopped = fleet.job({**options, "state": "stopped"}).apply()
    assert not stopped.failed and {entry["state"] for entry in stopped.result["containers"]} == {"ABSENT"}
    assert os.listdir(lxc_path) == ["base"]
