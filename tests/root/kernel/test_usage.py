# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted is what the kernel counts: at the number that is told it refuses the next one."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import (
    cgroupfs,
    inotify,
    libc,
    mount_old,
    namespace,
    process,
    processusage,
    tty,
    usage,
)
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import shortage


def by_name() -> dict[str, usage.Usage]:
    return {one.sysctl: one for one in usage.read()}


def watch(path: str) -> int:
    directory_fd = os.open(path, os.O_PATH)
    try:
        return inotify.watch_directory(directory_fd)
    finally:
        os.close(directory_fd)


def test_this_host_tells_all_of_them() -> None:
    found = by_name()
    assert {"kernel.pid_max", "kernel.threads-max", "fs.file-max"} <= set(found)
    assert {"kernel.keys.maxkeys", "kernel.keys.root_maxkeys"} & set(found) and {"kernel.keys.maxbytes", "kernel.keys.root_maxbytes"} & set(
        found
    )
    assert len([name for name in found if "inotify" in name]) == 2 and all(one.value > 0 for one in found.values())


def test_instances_and_watches_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    uid = os.getuid()
    before = [counted[uid] for counted in usage.count_inotify()]
    fds = [watch(str(tmp_path)), watch(str(tmp_path / "a"))]
    libc.call("a watch", "inotify_add_watch", fds[0], os.fsencode(tmp_path / "a"), 0x100)
    after = [counted[uid] for counted in usage.count_inotify()]
    for fd in fds:
        os.close(fd)
    assert [now - then for now, then in zip(after, before)] == [2, 3]


def test_threads_are_counted() -> None:
    before = by_name()["kernel.pid_max"].used
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _number in range(200)]
    for thread in threads:
        thread.start()
    during = by_name()["kernel.pid_max"].used
    over.set()
    for thread in threads:
        thread.join()
    assert during >= before + 150


def refused_at(limit: int) -> tuple[int, list[str], int, list[str]]:
    """In a user namespace with that limit of its own: how many were made before the kernel refused, and what is said then and at half."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("0 0 1")
    Path("/proc/sys/user/max_inotify_instances").write_text(str(limit))
    half = [watch("/") for _number in range(limit // 2)]
    early = shortage.close_to(usage.read())
    made = len(half)
    try:
        while True:
            watch("/")
            made += 1
    except OSError as error:
        assert by_name()["user.max_inotify_instances"] == usage.Usage("user.max_inotify_instances", limit, made, "uid 0")
        return made, early, error.errno or 0, shortage.close_to(usage.read())


@pytest.mark.parametrize("limit", [10, 23])
def test_a_limit_that_is_met_is_told_by_its_name(in_child, limit: int) -> None:
    made, early, code, said = in_child(lambda: refused_at(limit), libc.CLONE_NEWUSER)
    assert (made, early, code) == (limit, [], errno.EMFILE)
    assert [sentence for sentence in said if f"user.max_inotify_instances is {limit}, of which uid 0 uses {limit}" in sentence]


def namespaces_until_refused(kind: str, limit: int) -> tuple[int, int, list[str]]:
    """In a user namespace of its own; each is kept by a descriptor when the next is made."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("0 0 1")
    sysctl = f"user.max_{kind}_namespaces"
    Path(f"/proc/sys/user/max_{kind}_namespaces").write_text(str(limit))
    kept: list[int] = []
    try:
        while True:
            libc.unshare(namespace.FLAGS[kind])
            kept.append(os.open(f"/proc/self/ns/{kind}", os.O_RDONLY))
    except OSError as error:
        assert by_name()[sysctl] == usage.Usage(sysctl, limit, len(kept))
        return len(kept), error.errno or 0, shortage.close_to(usage.read())


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mnt", "net", "uts"])
def test_namespaces_are_counted_up_to_the_limit(in_child, kind: str) -> None:
    made, code, said = in_child(lambda: namespaces_until_refused(kind, 6), libc.CLONE_NEWUSER)
    assert (made, code) == (6, errno.ENOSPC)
    assert [sentence for sentence in said if sentence.startswith(f"user.max_{kind}_namespaces is 6, of which 6 are used")]


def ptys_until_refused(tmp_path: Path, most: int) -> tuple[int, int, list[usage.Usage]]:
    mount_old.mount("devpts", str(tmp_path), "devpts", 0, f"newinstance,max={most}")
    directory_fd = os.open(tmp_path, os.O_RDONLY)
    before, made = by_name()["kernel.pty.max"].used, 0
    try:
        while True:
            tty.open_master(directory_fd)
            made += 1
    except OSError as error:
        assert by_name()["kernel.pty.max"].used >= before + made
        return made, error.errno or 0, [one for one in usage.read() if one.sysctl == f"max of {tmp_path}"]


def test_the_ptys_of_a_devpts_are_counted_up_to_its_max(in_child, tmp_path: Path) -> None:
    made, code, told = in_child(lambda: ptys_until_refused(tmp_path, 20))
    assert (made, code) == (20, errno.ENOSPC)
    assert told == [usage.Usage(f"max of {tmp_path}", 20, 20, "", f"mount -o remount,max={{}} {tmp_path}")]


def forks_until_refused() -> tuple[int, int, list[usage.Usage]]:
    """The children sleep until this process group is killed at the end."""
    made = 0
    try:
        while True:
            if os.fork() == 0:
                signal.pause()
            made += 1
    except OSError as error:
        return made, error.errno or 0, processusage.read([os.getpid()])


def as_a_user_with(limit: int) -> tuple[int, int, list[usage.Usage]]:
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    os.setresuid(54321, 54321, 54321)
    return forks_until_refused()


def test_the_processes_of_a_user_are_counted_up_to_his_limit(in_child) -> None:
    made, code, told = in_child(lambda: as_a_user_with(8), 0)
    assert (made, code) == (7, errno.EAGAIN)
    (one,) = [one for one in told if one.sysctl.startswith("RLIMIT_NPROC")]
    assert (one.value, one.used) == (8, 8)


@pytest.fixture
def small_cgroup() -> Iterator[str]:
    """One for 5 tasks, below our own, in whichever hierarchy counts tasks here."""
    if "pids" not in hierarchies.controllers():
        pytest.skip("this host has neither version's pids controller")
    version = hierarchies.controllers()["pids"]
    (hierarchy,) = [one for one in cgroupfs.hierarchies() if one.version == version and (version == 2 or "pids" in one.controllers)]
    directory = f"{hierarchy.mount_point}/hostkit-test-{os.getpid()}"
    os.mkdir(directory)
    try:
        cgroupfs.write(directory, "pids.max", "5")
        yield directory
    finally:
        cgroupfs.kill(directory)
        cgroupfs.remove_tree(directory)


def test_the_tasks_of_a_cgroup_are_counted_up_to_its_limit(in_child, small_cgroup: str) -> None:
    def inside() -> tuple[int, int, list[usage.Usage]]:
        cgroupfs.attach(small_cgroup, os.getpid())
        return forks_until_refused()

    made, code, told = in_child(inside, 0)
    assert (made, code) == (4, errno.EAGAIN)
    file = f"{small_cgroup}/pids.max"
    assert usage.Usage(file, 5, 5, "", f"echo {{}} > {file}", 4) in told


def test_the_open_files_of_a_process_are_counted_up_to_its_limit(in_child) -> None:
    """Looked at from outside: who looks at himself needs descriptors for it."""

    def full() -> None:
        process.close_range(40)  # the limit is for the numbers, which may have holes
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        try:
            while True:
                os.open("/dev/null", os.O_RDONLY)
        except OSError as error:
            os.write(write_fd, bytes([error.errno or 0]))
        signal.pause()

    def looked_at() -> tuple[int, list[usage.Usage]]:
        pid = os.fork()
        if pid == 0:
            full()
        return os.read(read_fd, 1)[0], processusage.read([pid])

    read_fd, write_fd = os.pipe()
    code, told = in_child(looked_at, 0)
    os.close(read_fd)
    os.close(write_fd)
    (one,) = [one for one in told if one.sysctl.startswith("RLIMIT_NOFILE")]
    assert (code, one.value, one.used) == (errno.EMFILE, 40, 40)


def test_mounts_are_counted(in_child, tmp_path: Path) -> None:
    def mounts() -> tuple[int, int]:
        before = processusage.read([os.getpid()])
        for _number in range(5):
            mount_old.mount("none", str(tmp_path), "tmpfs")
        found = [[one for one in usages if one.sysctl == "fs.mount-max"] for usages in (before, processusage.read([os.getpid()]))]
        return found[0][0].used, found[1][0].used

    before, after = in_child(mounts)
    assert after == before + 5
