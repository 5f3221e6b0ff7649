# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices root in a container can open: the same by version 1's controller and by the program of version 2 (--unified)."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import uuid
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.security import posture
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.client import Refused
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.payloads import BpfDevice
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

DENIED = "Operation not permitted"
# No kernel has a driver for the second any more (from 5.13 on): nobody asks for a capability when it is opened.
FULL, KMEM, KMSG, NULL, ZERO = "c 1 7", "c 1 2", "c 1 11", "c 1 3", "c 1 5"
KEYS = ("lxc.cgroup.devices", "lxc.cgroup2.devices")


def disk() -> str:
    """One of the host's, or numbers that one would have: without a device behind it the kernel asks for the right first, too."""
    for place in sorted(Path("/sys/class/block").glob("*/dev")):
        return "b " + place.read_text().strip().replace(":", " ")
    return "b 8 0"


def both(*rules: str) -> list[str]:
    """The lines of a config for any host."""
    return [f"{key}.{rule.replace(' ', ' = ', 1)}" for key in KEYS for rule in rules]


def said(box, *argv: str) -> str:
    """What busybox complains of, run by root in the container."""
    result = attach(box.container, AttachRequest(["/bin/busybox", *argv], timeout=20))
    return result.stderr.decode().strip().rpartition(": ")[2]


def opened(box, node: str, mode: str = "<") -> str:
    """What is said when a new node of these numbers is opened; that the host has no such device is heard after the rules only."""
    name = f"/tmp/{uuid.uuid4().hex}"
    assert said(box, "mknod", name, *node.split()) == "", "making one does no harm, and is allowed"
    answer = said(box, "sh", "-c", f": {mode} {name}")
    return "" if answer == "No such device or address" else answer


def change(box, rule: str, allow: bool = True) -> None:
    kind, major, minor, access = rule.split()
    client.add_bpf_device(box.container, BpfDevice(kind, int(major), int(minor), access, allow))


def directory(box) -> str:
    (mounted,) = cgroupfs.hierarchies()
    return mounted.mount_point + client.cgroup(box.container, "freezer")


def test_a_rule_by_path_means_what_was_there_at_the_start(make_box, tmp_path):
    """Elsewhere the controller of version 1 knows no paths."""
    hierarchies.need(2, alone=True)
    node = tmp_path / "node"
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    box = make_box("s1", "lxc.cgroup2.devices.deny = a", "lxc.cgroup2.devices.allow = c *:* m", f"lxc.cgroup2.devices.allow = {node} rwm")
    box.start()
    node.unlink()
    assert (opened(box, ZERO), opened(box, NULL)) == ("", DENIED)
    change(box, f"{NULL} rwm")
    assert (opened(box, ZERO), opened(box, NULL)) == ("", "")


@pytest.fixture
def ours(make_box):
    """A container with what lxc_container writes into each, started."""
    box = make_box("s1", f"lxc.include = {posture.install()}", "lxc.mount.auto =", "lxc.mount.auto = proc sys")
    box.warnings = box.start()
    return box


@pytest.fixture
def unified() -> None:
    hierarchies.need(2, alone=True)


def test_a_disk_of_the_host_cannot_be_opened_and_what_a_container_needs_can(ours):
    assert ours.warnings == []
    assert opened(ours, disk()) == opened(ours, disk(), "<>") == DENIED
    assert opened(ours, KMEM) == opened(ours, KMSG) == DENIED
    assert opened(ours, NULL, "<>") == opened(ours, ZERO) == opened(ours, FULL) == ""
    assert said(ours, "sh", "-c", "echo x > /dev/null; : < /dev/urandom") == ""


def test_what_a_config_allows_besides_and_what_it_takes_away(make_box):
    box = make_box("s1", f"lxc.include = {posture.install()}", "lxc.mount.auto =", *both("allow c 1:2 r", "deny c 1:7 rwm"))
    assert box.start() == []
    assert opened(box, KMEM) == "" and opened(box, KMEM, "<>") == opened(box, FULL) == opened(box, disk()) == DENIED


def test_making_one_can_be_denied_too(make_box):
    box = make_box("s1", *both("deny a", "allow c 1:3 rw", "allow c 5:* rwm", "allow c 136:* rw"))
    box.start()
    assert said(box, "mknod", "/tmp/null", *NULL.split()) == said(box, "mknod", "/tmp/disk", *disk().split()) == DENIED


def test_a_list_of_what_is_denied(make_box):
    box = make_box("s1", *both("allow a", "deny c 1:5 w", "deny b *:* rwm"))
    assert box.start() == []
    assert opened(box, KMEM) == opened(box, ZERO) == "" and opened(box, ZERO, "<>") == DENIED
    assert said(box, "mknod", "/tmp/disk", *disk().split()) == DENIED


def test_without_rules_there_is_none(box):
    assert box.start() == [] and opened(box, KMEM) == ""


def test_the_rules_of_version_1_alone_are_obeyed(make_box):
    box = make_box("s1", *both("deny a", "allow c *:* rwm", "allow b *:* m")[:3])
    warnings = box.start()
    assert opened(box, disk()) == DENIED and opened(box, KMEM) == ""
    assert [warning.partition(" is taken")[0] for warning in warnings] == ([] if hierarchies.has(1) else ["lxc.cgroup.devices.*"])


def test_a_rule_that_is_none_ends_the_start(make_box):
    box = make_box("s1", *both("deny a", "allow c 1:3 nonsense"))
    error = box.fails()
    assert isinstance(error, StepError) and error.step == "cgroup" and "nonsense" in str(error)


def test_the_monitor_changes_them(unified, ours):
    assert opened(ours, KMEM) == DENIED
    change(ours, "c 1 2 rw")
    assert opened(ours, KMEM, "<>") == "" and opened(ours, disk()) == opened(ours, KMSG) == DENIED
    change(ours, "c 1 2 w", allow=False)
    assert opened(ours, KMEM) == "" and opened(ours, KMEM, "<>") == DENIED
    change(ours, "c 1 3 rwm", allow=False)
    assert said(ours, "sh", "-c", "echo x > /dev/null") == DENIED
    change(ours, "a -1 -1 rwm")
    assert opened(ours, KMSG) == opened(ours, NULL) == ""
    change(ours, "b -1 -1 rwm", allow=False)
    assert said(ours, "mknod", "/tmp/disk", *disk().split()) == DENIED and opened(ours, KMSG) == ""


def test_who_may_not_change_them(unified, ours):
    """Who is in another pid namespace: the container's root, say, through a socket that it was given."""
    rule = BpfDevice("c", 1, 4, "rw", True)

    def ask() -> int:
        try:
            client.add_bpf_device(ours.container, rule)
        except Refused as error:
            return error.errno
        return 0

    assert in_pid_namespace(ask) == errno.EPERM and opened(ours, KMEM) == DENIED


def in_pid_namespace(function) -> int:
    pid, pidfd = process.clone3(0x20000000, signal.SIGCHLD)
    if pid == 0:
        os._exit(function())
    os.close(pidfd)
    return os.waitstatus_to_exitcode(process.wait(pid)[1])


def test_one_with_no_rules_loses_what_is_denied_and_nothing_else(unified, box):
    box.start()
    change(box, "c 1 11 rw")  # lxc-start's would lose everything else by that
    assert opened(box, KMEM) == opened(box, NULL) == ""
    change(box, "c 1 2 rwm", allow=False)
    assert said(box, "mknod", "/tmp/kmem", *KMEM.split()) == DENIED and opened(box, NULL) == ""


def test_lxcs_own_tools_change_them(unified, ours):
    name = ["-P", ours.container.lxc_path, "-n", "s1"]

    def run(tool: str, *argv: str) -> int:
        done = subprocess.run([tool, *name, *argv], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        print(tool, argv, done)
        return done.returncode

    assert run("lxc-cgroup", "devices.allow", "c 1:2 rwm") == 0 and opened(ours, KMEM, "<>") == ""
    assert run("lxc-cgroup", "devices.deny", "c 1:2 rwm") == 0 and opened(ours, KMEM) == DENIED
    assert run("lxc-device", "add", "/dev/kmsg") == 0 and said(ours, "sh", "-c", ": < /dev/kmsg") == ""
    assert run("lxc-device", "del", "/dev/kmsg") == 0 and opened(ours, KMSG) == DENIED
    assert run("lxc-cgroup", "devices.deny", "a") == 0 and said(ours, "sh", "-c", ": > /dev/null") == DENIED


def kill(which: list[str], until) -> None:
    """By SIGKILL; stopped first, so that neither has the time to take the other's place."""
    facts = runtime.ensure_monitor()
    pids = [int(facts[name]) for name in which]
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, sig)
    until(lambda: not any(process.alive(pid) for pid in pids), "they have ended")


def test_they_outlive_the_monitor_and_the_keeper(unified, only_ours, ours, until):
    change(ours, "c 1 2 r")
    for which in (["pid"], ["keeper"], ["keeper", "pid"]):
        kill(which, until)
        runtime.ensure_monitor()
        until(lambda: ours.state == State.RUNNING, "the container is looked after again")
        assert opened(ours, KMEM) == "" and opened(ours, disk()) == DENIED, "the program stays where it was"
        change(ours, "c 1 11 r")
        assert opened(ours, KMSG) == opened(ours, KMEM) == "", "the next monitor knows what was allowed before"
        change(ours, "c 1 11 r", allow=False)
        assert opened(ours, KMSG) == opened(ours, disk()) == DENIED


def test_a_reboot_begins_with_those_of_the_config(unified, ours, until):
    change(ours, "c 1 2 r")
    before = ours.pid
    os.kill(before, signal.SIGINT)
    until(lambda: ours.state == State.RUNNING and ours.pid not in (0, before), "it has booted again")
    assert opened(ours, KMEM) == opened(ours, disk()) == DENIED and opened(ours, NULL) == ""


def test_at_no_moment_is_there_no_program(unified, ours):
    """Somebody who tries all the while never gets at the disk."""
    script = f"busybox mknod /tmp/d {disk()}; touch /tmp/tries; until true < /tmp/d; do :; done 2> /dev/null; touch /tmp/got"
    (ours.root / "try").write_text(script)
    attach(ours.container, AttachRequest(["sh", "-c", "sh /try > /dev/null 2>&1 &"], timeout=20))
    ours.wait_for_file("tmp/tries")
    for _time in range(50):
        change(ours, "c 1 2 r")
        change(ours, "c 1 2 r", allow=False)
    assert not (ours.root / "tmp/got").exists()
    change(ours, f"{disk()} r")
    ours.wait_for_file("tmp/got")


def test_a_program_of_ours_is_all_that_is_attached(unified, ours):
    change(ours, "c 1 2 r")
    cgroup_fd = os.open(directory(ours), os.O_RDONLY)
    fds = cgroup_bpf._ours(cgroup_fd)
    for fd in (cgroup_fd, *fds):
        os.close(fd)
    assert len(fds) == 1
