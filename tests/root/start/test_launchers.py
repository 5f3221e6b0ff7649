# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher that waits for another container: which one may, and that it keeps nothing of those before."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process


def resting() -> set[int]:
    """The monitor's own children that run its program; an init has executed another."""
    pid = int(runtime.ensure_monitor()["pid"])
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return {child for child in children if process.alive(child) and process.status(child)["Name"] == "hostkit-lxc"}


def links(pid: int) -> list[str]:
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


def is_done(launcher: int) -> bool:
    """It closes the container's terminals and init's pidfd after it has said that it is free."""
    return not any("pidfd" in link or "/pts" in link or "ptmx" in link for link in links(launcher))


def test_the_same_process_launches_one_after_the_other_and_holds_no_more_than_before(make_box, until):
    boxes = [make_box(f"s{number}", "lxc.mount.auto = proc sys", "lxc.tty.max = 1") for number in range(6)]
    boxes[0].start()
    [launcher] = resting()
    until(lambda: is_done(launcher), "the first launch is over")
    held, namespaces = links(launcher), process.namespaces(launcher)
    for box in boxes[1:]:
        box.start()
        assert resting() == {launcher}
    until(lambda: is_done(launcher), "the last launch is over")
    assert links(launcher) == held
    assert process.namespaces(launcher) == namespaces == process.namespaces(os.getpid())
    assert os.readlink(f"/proc/{launcher}/cwd") == "/"
    for box in boxes:
        assert process.parent(box.pid) == int(runtime.ensure_monitor()["pid"])


@pytest.mark.parametrize("kind", ["pre-start", "start-host", "script.up", "share"])
def test_one_that_ran_programs_or_was_elsewhere_is_not_used_again(make_box, tmp_path, until, kind):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    before = make_box("s1")
    before.start()
    lines = {
        "pre-start": [f"lxc.hook.pre-start = {program}"],
        "start-host": [f"lxc.hook.start-host = {program}"],
        "script.up": ["lxc.net.0.type = empty", f"lxc.net.0.script.up = {program}"],
        "share": [f"lxc.namespace.share.uts = {before.pid}"],
    }
    make_box("s2", *lines[kind]).start()
    until(lambda: not resting(), "it has ended")
    make_box("s3").start()
    assert len(resting()) == 1


def test_one_that_failed_is_not_used_again(make_box, until):
    make_box("s1").start()
    [launcher] = resting()
    make_box("s2", "lxc.init.cmd = /nothing").fails()
    until(lambda: not process.alive(launcher), "it has ended")
    make_box("s3").start()


def test_one_that_is_killed_while_it_rests_is_not_missed(make_box):
    make_box("s1").start()
    [launcher] = resting()
    os.kill(launcher, signal.SIGKILL)
    box = make_box("s2")
    box.start()
    assert launcher not in resting()


@pytest.mark.parametrize("which", ["pid", "keeper"])
def test_it_does_not_outlive_its_monitor(only_ours, make_box, until, which):
    """Nor the keeper: who takes its place is no child of the monitor's any more."""
    make_box("s1").start()
    [launcher] = resting()
    os.kill(int(runtime.ensure_monitor()[which]), signal.SIGKILL)
    until(lambda: not process.alive(launcher), "it has ended")
    box = make_box("s2")
    box.start()
    assert process.parent(box.pid) == int(runtime.ensure_monitor()["pid"])
