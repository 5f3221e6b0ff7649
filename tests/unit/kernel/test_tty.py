# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, tty


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    if not os.path.exists("/dev/ptmx"):
        pytest.skip("no pty here")
    master_fd = tty.open_master()
    peer_fd = tty.open_peer(master_fd)
    yield master_fd, peer_fd
    os.close(peer_fd)
    os.close(master_fd)


def test_a_pty_is_unlocked_and_closes_on_exec(pty: tuple[int, int]) -> None:
    assert [os.isatty(fd) for fd in pty] == [True, True]
    assert not any(map(os.get_inheritable, pty))
    assert libc.describe(pty[1]).endswith(f"/{tty.number(pty[0])}")


def test_size(pty: tuple[int, int]) -> None:
    tty.set_size(pty[0], 33, 133)
    assert tty.get_size(pty[1]) == (33, 133)


def test_raw_and_back(pty: tuple[int, int]) -> None:
    before = termios.tcgetattr(pty[1])
    old = tty.make_raw(pty[1])
    assert old == before
    os.write(pty[0], b"\x03\r\n\x00")
    assert os.read(pty[1], 10) == b"\x03\r\n\x00"
    os.write(pty[1], b"\n")
    assert os.read(pty[0], 10) == b"\n", "neither echoed nor made \\r\\n"
    tty.restore(pty[1], old)
    assert termios.tcgetattr(pty[1]) == before


def test_controlling(pty: tuple[int, int]) -> None:
    """The one who leads a session gets SIGHUP when his terminal's master goes."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        tty.make_controlling(pty[1])
        os.write(pty[1], b"!")
        signal.pause()
        os._exit(1)
    assert os.read(pty[0], 1) == b"!"
    os.write(pty[0], b"\x03")
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGINT


def test_no_terminal() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        tty.set_size(fd, 1, 1)
    assert caught.value.filename == "/dev/null"
    os.close(fd)
