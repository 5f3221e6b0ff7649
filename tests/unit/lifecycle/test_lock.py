# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's lock file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import lock, partial

# What liblxc does: F_OFD_SETLKW (38) on the whole file.
LIBLXC = """
import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.fcntl(fd, 38, struct.pack("@hhqqi0q", fcntl.F_WRLCK, 0, 0, 0, 0))
print(1, flush=True)
sys.stdin.read()
"""


def test_held_by_another_program_it_names_that(container: paths.Container) -> None:
    os.makedirs(os.path.dirname(container.lock))
    with subprocess.Popen([sys.executable, "-c", LIBLXC, container.lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        with pytest.raises(InUse, match=f"tone is locked by process {other.pid} "), lock.hold(container, "stop it", 0.05):
            pass
        other.stdin.close()
    with lock.hold(container, "stop it", 5):
        pass


def test_two_threads_take_turns(container: paths.Container) -> None:
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with lock.hold(container, "change the config"):
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(20)
    with pytest.raises(InUse, match="this process, to change the config"), lock.hold(container, "stop it", 0.05):
        pass
    leave.set()
    thread.join()
    with lock.hold(container, "stop it", 5):
        assert Path(container.lock).read_text() == f"{os.getpid()} stop it\n"
    assert Path(container.lock).read_text() == ""


def test_a_lock_file_that_was_forgotten_meanwhile_is_opened_anew(container: paths.Container) -> None:
    entered, got = threading.Event(), threading.Event()

    def waiter() -> None:
        entered.set()
        with lock.hold(container, "create it", 20):
            assert os.path.exists(container.lock)
            got.set()

    with lock.hold(container, "destroy it"):
        thread = threading.Thread(target=waiter)
        thread.start()
        entered.wait(20)
        lock.forget(container)
    thread.join()
    assert got.is_set() and os.path.exists(container.lock)


def test_it_is_not_taken_through_a_link(container: paths.Container, host: Path) -> None:
    os.makedirs(os.path.dirname(container.lock))
    os.symlink(host / "victim", container.lock)
    with pytest.raises(OSError), lock.hold(container, "stop it", 0.05):
        pass
    assert not (host / "victim").exists()


def test_the_descriptor_is_not_inherited(container: paths.Container) -> None:
    with lock.hold(container, "stop it"):
        code = "import os; p = '/proc/self/fd/'; print(*[os.readlink(p + n) for n in os.listdir(p) if os.path.exists(p + n)])"
        out = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, close_fds=False, check=True).stdout
    assert container.lock not in out


def test_partial_marker_states(container: paths.Container) -> None:
    os.mkdir(container.directory)
    assert partial.state(container) == "whole"
    fd = partial.mark(container, "create it")
    assert partial.state(container) == "busy"
    with pytest.raises(InUse, match="being made or removed"):
        partial.mark(container, "destroy it")
    partial.remember_storage(fd, "dir:/long/path")
    partial.remember_storage(fd, "dir:/x")
    os.close(fd)
    assert partial.state(container) == "abandoned"
    fd = partial.mark(container, "create it")
    assert partial.storage(fd) == "dir:/x"
    os.close(fd)
