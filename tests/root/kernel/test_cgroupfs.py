# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cgroups of this kernel, below a directory of the test's own in each hierarchy."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, libc, mount, process

Run = Callable[..., Any]


def by_version(version: int) -> cgroupfs.Hierarchy:
    if not any(line.split()[2] == ("cgroup", "cgroup2")[version - 1] for line in Path("/proc/self/mounts").read_text().splitlines()):
        pytest.skip(f"no cgroup hierarchy of version {version} here")
    for hierarchy in cgroupfs.hierarchies():
        if hierarchy.version == version and "cpuset" not in hierarchy.controllers and os.access(hierarchy.mount_point, os.W_OK):
            return hierarchy
    pytest.fail(f"the hierarchy of version {version} is not found")


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def hierarchy(request: pytest.FixtureRequest) -> cgroupfs.Hierarchy:
    return by_version(request.param)


@pytest.fixture
def directory(hierarchy: cgroupfs.Hierarchy) -> Iterator[str]:
    path = f"{hierarchy.mount_point}/k-test-{os.getpid()}"
    os.mkdir(path)
    yield path
    if os.path.isdir(path):
        cgroupfs.kill(path)
        cgroupfs.remove_tree(path)


@pytest.fixture
def sleeper() -> Iterator[Callable[[], tuple[int, int]]]:
    started = []

    def start() -> tuple[int, int]:
        pid, pidfd = process.clone3(0, signal.SIGCHLD)
        if pid == 0:
            signal.pause()
            os._exit(0)
        started.append((pid, pidfd))
        return pid, pidfd

    yield start
    for pid, pidfd in started:
        try:
            process.pidfd_send_signal(pidfd, signal.SIGKILL)
            process.wait(pid)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(pidfd)


def test_join_and_see(directory: str, hierarchy: cgroupfs.Hierarchy, sleeper: Callable[[], tuple[int, int]]) -> None:
    pid, pidfd = sleeper()
    assert not cgroupfs.populated(directory)
    cgroupfs.attach(directory, pid)
    assert cgroupfs.procs(directory) == [pid]
    assert cgroupfs.populated(directory)
    controller = (*hierarchy.controllers, "")[0]
    assert cgroupfs.directory(hierarchy, cgroupfs.own_path(pid)[controller]) == directory
    process.pidfd_send_signal(pidfd, signal.SIGKILL)


def test_one_joins_by_itself(directory: str, hierarchy: cgroupfs.Hierarchy) -> None:
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    pid = os.fork()
    if pid == 0:
        cgroupfs.join(directory_fd)
        os._exit(0 if cgroupfs.procs(directory) == [os.getpid()] else 1)
    os.close(directory_fd)
    assert os.waitpid(pid, 0)[1] == 0


def test_kill_reaches_everyone_below(directory: str, sleeper: Callable[[], tuple[int, int]]) -> None:
    os.makedirs(f"{directory}/a/b")
    children = [sleeper() for _count in range(3)]
    for (pid, _pidfd), place in zip(children, ("", "/a", "/a/b")):
        cgroupfs.attach(directory + place, pid)
    assert cgroupfs.all_procs(directory) == {pid for pid, _pidfd in children}
    cgroupfs.kill(directory)
    assert all(process.pidfd_wait(pidfd, 30) for _pid, pidfd in children)
    assert [os.WTERMSIG(process.wait(pid)[1]) for pid, _pidfd in children] == [signal.SIGKILL] * 3
    cgroupfs.remove_tree(directory)
    assert not os.path.exists(directory)


def test_another_signal(directory: str, sleeper: Callable[[], tuple[int, int]]) -> None:
    pid, pidfd = sleeper()
    cgroupfs.attach(directory, pid)
    cgroupfs.kill(directory, signal.SIGUSR1)
    assert process.pidfd_wait(pidfd, 30)
    assert os.WTERMSIG(process.wait(pid)[1]) == signal.SIGUSR1


def test_removing_waits_for_the_last_to_leave(directory: str, sleeper: Callable[[], tuple[int, int]]) -> None:
    """It ends while we wait: what is killed is not gone at once."""
    os.mkdir(f"{directory}/a")
    pid, pidfd = sleeper()
    cgroupfs.attach(f"{directory}/a", pid)
    helper = os.fork()
    if helper == 0:
        signal.sigtimedwait([signal.SIGUSR2], 0.2)
        process.pidfd_send_signal(pidfd, signal.SIGKILL)
        os._exit(0)
    cgroupfs.remove_tree(directory, timeout=30)
    assert not os.path.exists(directory)
    os.waitpid(helper, 0)


def test_removing_kills_nobody(directory: str, sleeper: Callable[[], tuple[int, int]]) -> None:
    os.mkdir(f"{directory}/a")
    os.mkdir(f"{directory}/empty")
    pid, _pidfd = sleeper()
    cgroupfs.attach(f"{directory}/a", pid)
    with pytest.raises(OSError) as caught:
        cgroupfs.remove_tree(directory, timeout=0.1)
    assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, f"{directory}/a")
    assert process.alive(pid)
    assert not os.path.exists(f"{directory}/empty")


def test_a_hierarchys_root_is_refused(hierarchy: cgroupfs.Hierarchy) -> None:
    with pytest.raises(OSError) as caught:
        cgroupfs.remove_tree(hierarchy.mount_point)
    assert caught.value.errno == errno.EBUSY


def test_a_value_that_the_kernel_refuses(directory: str) -> None:
    with pytest.raises(OSError) as caught:
        cgroupfs.write(directory, "cgroup.procs", "nonsense")
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, f"{directory}/cgroup.procs")


@pytest.mark.parametrize("have_clone3", [True, False], ids=["clone3", "clone"])
def test_a_process_is_born_in_its_cgroup(monkeypatch: pytest.MonkeyPatch, have_clone3: bool) -> None:
    monkeypatch.setattr(process, "have_clone3", have_clone3)
    directory = f"{by_version(2).mount_point}/k-born-{os.getpid()}"
    os.mkdir(directory)
    try:
        cgroup_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        pid, pidfd = process.clone3(0, signal.SIGCHLD, cgroup_fd)
        if pid == 0:
            os._exit(0 if cgroupfs.own_path()[""].endswith(os.path.basename(directory)) else 1)
        os.close(cgroup_fd)
        os.close(pidfd)
        assert process.wait(pid) == (pid, 0)
    finally:
        cgroupfs.remove_tree(directory)


def test_a_covered_hierarchy_and_a_bind_of_a_part(in_child: Run, tmp_path: Path, directory: str, hierarchy: cgroupfs.Hierarchy) -> None:
    """As a container sees it that was given only its own part."""
    (tmp_path / "a b").mkdir()

    def work() -> list[cgroupfs.Hierarchy]:
        part = os.open(directory, os.O_PATH)
        mount.bind(part, os.open(tmp_path / "a b", os.O_PATH))
        assert hierarchy in cgroupfs.hierarchies(), "the whole one is preferred"
        mount.attach(mount.new_fs("tmpfs", {}), os.open(hierarchy.mount_point, os.O_PATH))
        return [
            found for found in cgroupfs.hierarchies() if (found.controllers, found.version) == (hierarchy.controllers, hierarchy.version)
        ]

    name = os.path.basename(directory)
    assert in_child(work, libc.CLONE_NEWNS) == [hierarchy._replace(mount_point=f"{tmp_path}/a b", root=f"/{name}")]
