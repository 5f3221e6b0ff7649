# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities, ids, keyrings and namespaces: what needs rights to be given up or entered."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import credentials, libc, mount, namespace, process, tty

Run = Callable[..., Any]


def test_dropped_capabilities_are_gone_for_good(in_child: Run) -> None:
    def work() -> tuple[int, int]:
        credentials.drop_bounding([credentials.CAPABILITIES["mknod"], credentials.CAPABILITIES["sys_time"]])
        return credentials.bounding(), int(process.status(os.getpid())["CapBnd"], 16)

    before = credentials.bounding()
    left = before & ~(1 << 27 | 1 << 25)
    assert in_child(work) == (left, left)
    assert credentials.bounding() == before


def test_the_bounding_set_is_limited_to_a_mask(in_child: Run) -> None:
    mask = credentials.bounding() & ~(1 << 27 | 1 << 25)

    def work() -> int:
        credentials.limit_bounding(mask)
        return credentials.bounding()

    assert in_child(work) == mask


def test_inheritable_and_ambient_are_cleared(in_child: Run) -> None:
    def work() -> list[str]:
        now = credentials.capget()
        bit = 1 << credentials.CAPABILITIES["net_admin"]
        credentials.capset(now.effective, now.permitted, bit)
        libc.prctl(libc.PR_CAP_AMBIENT, 2, credentials.CAPABILITIES["net_admin"])
        before = process.status(os.getpid())
        credentials.clear_ambient()
        between = process.status(os.getpid())
        credentials.clear_inheritable()
        after = process.status(os.getpid())
        return [str(int(shown[key], 16)) for shown in (before, between, after) for key in ("CapAmb", "CapInh")]

    bit = str(1 << 12)
    assert in_child(work) == [bit, bit, "0", bit, "0", "0"]


def test_high_capabilities_are_in_the_second_word(in_child: Run) -> None:
    def work() -> credentials.Capabilities:
        credentials.capset(1 << 40, 1 << 40 | 1 << 21, 1 << 21)
        return credentials.capget()

    if not credentials.capget().permitted >> 40 & 1:
        pytest.skip("CAP_CHECKPOINT_RESTORE is not ours")
    assert in_child(work) == (1 << 40, 1 << 40 | 1 << 21, 1 << 21)


def test_ids_with_all_three_and_the_groups(in_child: Run) -> None:
    def work() -> tuple[Any, ...]:
        credentials.set_ids(1234, 5678, [7, 8])
        return os.getresuid(), os.getresgid(), os.getgroups()

    assert in_child(work) == ((1234,) * 3, (5678,) * 3, [7, 8])


def test_no_groups_are_kept(in_child: Run) -> None:
    def work() -> list[int]:
        os.setgroups([1, 2, 3])
        credentials.set_ids(1234, 1234)
        return os.getgroups()

    assert in_child(work) == []


def test_without_the_right_ids_are_an_error(in_child: Run) -> None:
    def work() -> None:
        credentials.set_ids(1234, 1234)
        credentials.set_ids(0, 0)

    with pytest.raises(PermissionError, match="uid 0"):
        in_child(work)


@pytest.mark.skipif(not os.path.exists("/proc/keys"), reason="no keyrings here")
def test_a_new_keyring(in_child: Run) -> None:
    def work() -> bool:
        ids = []
        for _count in range(2):
            assert credentials.new_session_keyring()
            ids.append(libc.syscall("keyring", "keyctl", 0, -3, 0))
        return ids[0] != ids[1]

    assert in_child(work)


def test_there_and_back_again(in_child: Run) -> None:
    """Also when what is done there fails; a socket made there stays there."""
    read_fd, write_fd = os.pipe()
    pid, pidfd = process.clone3(libc.CLONE_NEWNET)
    if pid == 0:
        os.close(write_fd)
        os.read(read_fd, 1)
        os._exit(0)
    netns_fd = process.open_namespace(pid, "net")
    own = process.namespaces(os.getpid())["net"]
    with pytest.raises(ZeroDivisionError), namespace.in_network_namespace(netns_fd):
        there = process.namespaces(os.getpid())["net"]
        assert [name for _index, name in socket.if_nameindex()] == ["lo"] or there != own
        raise ZeroDivisionError
    assert there == process.namespaces(pid)["net"] != own
    assert process.namespaces(os.getpid())["net"] == own
    os.close(write_fd)
    for fd in (read_fd, netns_fd, pidfd):
        os.close(fd)
    process.wait(pid)


def test_joining_several(in_child: Run) -> None:
    wanted = ["uts", "ipc", "net", "mnt", "cgroup"]
    read_fd, write_fd = os.pipe()
    pid, pidfd = process.clone3(namespace.flags(wanted))
    if pid == 0:
        os.close(write_fd)
        os.read(read_fd, 1)
        os._exit(0)
    opened = namespace.open_all(pid, wanted, pidfd)

    def work() -> dict[str, tuple[int, int]]:
        namespace.join(opened)
        return process.namespaces(os.getpid())

    theirs = process.namespaces(pid)
    joined = in_child(work, 0)
    assert {name: joined[name] for name in wanted} == {name: theirs[name] for name in wanted}
    os.close(write_fd)
    os.close(read_fd)
    os.close(pidfd)
    namespace.close_all(opened)
    process.wait(pid)


def test_a_pty_of_another_devpts(in_child: Run, tmp_path: Path) -> None:
    """Its slave is opened through the master, whatever a name says meanwhile (CVE-2025-52565)."""

    def work() -> None:
        options = {"newinstance": None, "ptmxmode": "0666", "mode": "0620", "max": "10"}
        mount.attach(mount.new_fs("devpts", options, 0, "devpts"), os.open(tmp_path, os.O_PATH))
        devpts_fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        first_fd, master_fd = tty.open_master(devpts_fd), tty.open_master(devpts_fd)
        assert (tty.number(first_fd), tty.number(master_fd)) == (0, 1)
        mount.bind(os.open("/dev/null", os.O_PATH), os.open(tmp_path / "1", os.O_PATH))
        peer_fd = tty.open_peer(master_fd)
        assert os.isatty(peer_fd)
        assert os.fstat(peer_fd).st_dev == os.fstat(devpts_fd).st_dev
        assert os.major(os.fstat(peer_fd).st_rdev) == 136

    in_child(work)
