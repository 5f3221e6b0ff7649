# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, mountinfo

Hierarchy = cgroupfs.Hierarchy


def find(text: str) -> list[cgroupfs.Hierarchy]:
    return cgroupfs.find(mountinfo.parse(text.encode().splitlines()))


LEGACY = """
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd
34 31 0:31 / /sys/fs/cgroup/net_cls\\040x rw - cgroup cgroup rw,net_cls,clone_children,noprefix
"""


def test_version_1_co_mounted_and_named() -> None:
    assert find(LEGACY) == [
        Hierarchy(("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", 1),
        Hierarchy(("name=systemd",), "/sys/fs/cgroup/systemd", 1),
        Hierarchy(("net_cls",), "/sys/fs/cgroup/net_cls x", 1),
    ]


def test_version_2_alone() -> None:
    assert find("30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot") == [
        Hierarchy((), "/sys/fs/cgroup", 2)
    ]


def test_hybrid_keeps_both() -> None:
    found = find(LEGACY + "35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
    assert [hierarchy.version for hierarchy in found] == [1, 1, 1, 2]


def test_of_several_mounts_the_whole_one_is_taken() -> None:
    found = find(
        """
40 31 0:40 /lxc/a /mnt/part rw - cgroup cgroup rw,memory
41 31 0:40 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
42 31 0:40 / /mnt/again rw - cgroup cgroup rw,memory
"""
    )
    assert found == [Hierarchy(("memory",), "/sys/fs/cgroup/memory", 1)]


def test_a_part_is_better_than_nothing() -> None:
    (found,) = find("40 31 0:40 /lxc/a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory")
    assert found == Hierarchy(("memory",), "/sys/fs/cgroup/memory", 1, "/lxc/a")
    assert cgroupfs.directory(found, "/lxc/a/b") == "/sys/fs/cgroup/memory/b"
    assert cgroupfs.directory(found, "/lxc/a") == "/sys/fs/cgroup/memory"
    for other in ("/lxc/ab", "/", "/lxc"):
        with pytest.raises(FileNotFoundError):
            cgroupfs.directory(found, other)


def test_directory_of_a_whole_hierarchy() -> None:
    whole = Hierarchy((), "/sys/fs/cgroup", 2)
    assert [cgroupfs.directory(whole, path) for path in ("/", "/a/b")] == ["/sys/fs/cgroup", "/sys/fs/cgroup/a/b"]


def test_own_path_by_controller() -> None:
    text = "9:name=systemd:/user.slice\n4:cpu,cpuacct:/a:b\n0::/init.scope (deleted)\n"
    assert cgroupfs.paths(text) == {"name=systemd": "/user.slice", "cpu": "/a:b", "cpuacct": "/a:b", "": "/init.scope (deleted)"}


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a\0b"])
def test_a_value_files_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError) as caught:
        cgroupfs.write(str(tmp_path), name, "1")
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(OSError):
        cgroupfs.read(str(tmp_path), name)


def test_write_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        cgroupfs.write(str(tmp_path), "memory.max", "1")
    assert caught.value.filename == f"{tmp_path}/memory.max"
    assert os.listdir(tmp_path) == []


def test_remove_tree_goes_bottom_up_and_twice(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/d").mkdir()
    cgroupfs.remove_tree(str(tmp_path / "a"))
    cgroupfs.remove_tree(str(tmp_path / "a"))
    assert os.listdir(tmp_path) == []


def test_remove_tree_tries_again_while_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    answers = [errno.EBUSY, errno.EBUSY]
    real = os.rmdir

    def rmdir(path: str) -> None:
        if answers:
            raise OSError(answers.pop(), "busy", path)
        real(path)

    monkeypatch.setattr(os, "rmdir", rmdir)
    cgroupfs.remove_tree(str(tmp_path / "a"))
    assert os.listdir(tmp_path) == []


def test_remove_tree_gives_up_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    with pytest.raises(OSError) as caught:
        cgroupfs.remove_tree(str(tmp_path / "a"), timeout=0.05)
    assert caught.value.filename == f"{tmp_path}/a/b"


def test_the_file_that_waits_for_nobody_is_written_to(tmp_path: Path) -> None:
    """Version 1 has both; version 2 has only the other."""
    (tmp_path / "cgroup.procs").write_text("")
    directory_fd = os.open(tmp_path, os.O_RDONLY)
    try:
        cgroupfs.join(directory_fd)
        assert (tmp_path / "cgroup.procs").read_text() == "0"
        (tmp_path / "cgroup.procs").write_text("")
        (tmp_path / "tasks").write_text("")
        cgroupfs.join(directory_fd)
    finally:
        os.close(directory_fd)
    assert ((tmp_path / "tasks").read_text(), (tmp_path / "cgroup.procs").read_text()) == ("0", "")
