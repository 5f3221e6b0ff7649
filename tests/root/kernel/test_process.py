# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a pid namespace's first process tells, and what needs rights."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, process

Run = Callable[..., Any]
# linux/reboot.h
_RESTART, _HALT, _POWER_OFF = 0x01234567, 0xCDEF0123, 0x4321FEDC
_REBOOT = {"x86_64": 169, "aarch64": 142, "riscv64": 142, "s390x": 88, "ppc64le": 88}


@pytest.fixture(params=["clone3", "clone"])
def either_clone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(process, "have_clone3", request.param == "clone3")
    return str(request.param)


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    number = _REBOOT.get(libc.machine())
    if number is None:
        pytest.skip(f"the number of reboot(2) on {libc.machine()} is not known here")
    monkeypatch.setitem(libc._NUMBERS, "reboot", number)
    initial = os.readlink("/proc/1/ns/pid") if os.access("/proc/1/ns/pid", os.R_OK) else ""
    outside = os.readlink("/proc/self/ns/pid")

    def call(command: int) -> None:
        """Never but as the first process of a pid namespace that is not ours: anywhere else it is the machine that ends."""
        inside = os.readlink("/proc/self/ns/pid")
        if os.getpid() != 1 or inside in (outside, initial, "pid:[4026531836]"):
            os._exit(99)
        command = struct.unpack("=i", struct.pack("=I", command))[0]
        libc.syscall("reboot", "reboot", struct.unpack("=i", struct.pack("=I", 0xFEE1DEAD))[0], 672274793, command, 0)

    return call


def needs_pid_namespace(in_child: Run) -> None:
    in_child(lambda: None, libc.CLONE_NEWPID)


@pytest.mark.parametrize(
    ("command", "expected"),
    [(_RESTART, signal.SIGHUP), (_POWER_OFF, signal.SIGINT), (_HALT, signal.SIGINT)],
    ids=["restart", "power off", "halt"],
)
def test_reboot_is_told_from_power_off_by_the_wait_status(
    in_child: Run, reboot: Callable[[int], None], either_clone: str, command: int, expected: int
) -> None:
    """As the monitor has it: a launcher's CLONE_PARENT child is waited for by the one above (reboot(2), pid namespaces)."""
    needs_pid_namespace(in_child)
    read_fd, write_fd = os.pipe()
    launcher = os.fork()
    if launcher == 0:
        try:
            pid, _pidfd = process.clone3(libc.CLONE_PARENT | libc.CLONE_NEWPID)
            if pid == 0:
                reboot(command)
                os._exit(98)
            os.write(write_fd, struct.pack("=i", pid))
        finally:
            os._exit(0)
    assert os.waitpid(launcher, 0) == (launcher, 0)
    (pid,) = struct.unpack("=i", os.read(read_fd, 4))
    os.close(read_fd)
    os.close(write_fd)
    status = process.wait(pid)[1]
    assert os.WIFSIGNALED(status), status
    assert os.WTERMSIG(status) == expected


def test_waitid_by_pidfd(in_child: Run) -> None:
    pid, pidfd = process.clone3(0, 0)
    if pid == 0:
        os._exit(6)
    result = os.waitid(process.P_PIDFD, pidfd, os.WEXITED | process.WALL)
    os.close(pidfd)
    assert result is not None
    assert (result.si_pid, result.si_status) == (pid, 6)


def test_namespaces_of_the_clone_are_new(in_child: Run, either_clone: str) -> None:
    flags = libc.CLONE_NEWNS | libc.CLONE_NEWUTS | libc.CLONE_NEWIPC | libc.CLONE_NEWPID | libc.CLONE_NEWNET
    seen = in_child(lambda: process.namespaces(os.getpid()), flags)
    own = process.namespaces(os.getpid())
    assert {name for name in own if own[name] != seen[name]} == {"mnt", "uts", "ipc", "pid", "net"}


def test_many_children_leave_nothing(in_child: Run, either_clone: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _count in range(50):
        pid, pidfd = process.clone3(0, signal.SIGCHLD)
        if pid == 0:
            os._exit(0)
        os.close(pidfd)
        assert process.wait(pid) == (pid, 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_directory_that_is_not_below_the_root_is_not_entered(in_child: Run, tmp_path: Path) -> None:
    def enter() -> str:
        fd = mount.open_tree(str(tmp_path), clone=True)  # of no mount namespace, as one of the host's is seen from a container
        with pytest.raises(FileNotFoundError):
            process.enter_directory(f"/proc/self/fd/{fd}")
        process.enter_directory(str(tmp_path).encode())
        return os.getcwd()

    assert in_child(enter) == str(tmp_path)
