# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that belong to the open file."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import filelock


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def test_two_descriptors_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "f"), opened(tmp_path / "f")
    assert filelock.try_lock(first) and filelock.try_lock(first)
    assert not filelock.try_lock(second)
    assert filelock.is_locked(second) and not filelock.is_locked(first)
    filelock.unlock(first)
    assert not filelock.is_locked(second) and filelock.try_lock(second)


def test_readers_share(tmp_path: Path) -> None:
    first, second, writer = (opened(tmp_path / "f") for _number in range(3))
    assert filelock.try_lock(first, shared=True) and filelock.try_lock(second, shared=True)
    assert not filelock.try_lock(writer)


def test_a_classic_lock_of_another_process_counts_and_its_holder_is_named(tmp_path: Path) -> None:
    code = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB); print(1,flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(tmp_path / "f")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        fd = opened(tmp_path / "f")
        assert not filelock.try_lock(fd) and filelock.is_locked(fd)
        assert f"process {other.pid} (" in filelock.holder(str(tmp_path / "f")) and "import fcntl" in filelock.holder(str(tmp_path / "f"))
        other.stdin.close()
    assert filelock.try_lock(fd)


def test_the_note_says_what_for(tmp_path: Path) -> None:
    fd = opened(tmp_path / "f")
    assert filelock.try_lock(fd)
    filelock.note(fd, "create it")
    assert filelock.holder(str(tmp_path / "f")) == "this process, to create it"
    code = "import os,sys,time; os.open(sys.argv[1],os.O_RDWR); print(1,flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "f")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        os.pwrite(fd, f"{other.pid} destroy it\n".encode(), 0)
        assert filelock.holder(str(tmp_path / "f")).endswith(", to destroy it")
        other.stdin.close()


def test_an_end_without_unlocking_frees_it(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "f"), opened(tmp_path / "f")
    assert filelock.try_lock(first)
    os.close(first)
    assert filelock.try_lock(second)
    fcntl.lockf(second, fcntl.LOCK_UN)
