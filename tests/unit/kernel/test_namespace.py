# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, namespace, process


def test_flags_and_names() -> None:
    assert namespace.flags(["net", "mnt"]) == libc.CLONE_NEWNET | libc.CLONE_NEWNS
    assert namespace.names(libc.CLONE_NEWNS | libc.CLONE_NEWUSER | libc.CLONE_NEWPID | libc.CLONE_PARENT) == ["user", "pid", "mnt"]
    assert set(namespace.FLAGS) == set(process.NAMESPACES)
    with pytest.raises(KeyError):
        namespace.flags(["network"])


def test_open_all_leaves_nothing_open_when_one_is_missing() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        namespace.open_all(os.getpid(), ["net", "nonsense"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_open_all_with_the_pidfd_of_an_ended_process() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    pidfd = process.pidfd_open(pid)
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        namespace.open_all(os.getpid(), ["net"], pidfd)
    os.close(pidfd)
