# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted is what the kernel counts: at the number that is told it refuses the next one."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import inotify, libc, usage
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
        (told,) = [one for one in usage.read() if one.sysctl == "user.max_inotify_instances"]
        assert told == ("user.max_inotify_instances", limit, made, "uid 0")
        return made, early, error.errno or 0, shortage.close_to(usage.read())


@pytest.mark.parametrize("limit", [10, 23])
def test_a_limit_that_is_met_is_told_by_its_name(in_child, limit: int) -> None:
    made, early, code, said = in_child(lambda: refused_at(limit), libc.CLONE_NEWUSER)
    assert (made, early, code) == (limit, [], errno.EMFILE)
    assert [sentence for sentence in said if f"user.max_inotify_instances is {limit}, of which uid 0 uses {limit}" in sentence]
