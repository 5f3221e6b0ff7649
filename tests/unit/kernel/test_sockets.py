# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import sockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = sockets.seqpacket_pair()
    yield ends
    for end in ends:
        end.close()


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def give(end: socket.socket, count: int, data: bytes = b"x") -> None:
    fds = [os.open("/dev/null", os.O_RDONLY) for _count in range(count)]
    sockets.send_with_fds(end, data, fds)
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("count", [0, 1, 2, 5, sockets.MAX_FDS])
def test_there_and_back(pair: Pair, count: int) -> None:
    give(pair[0], count)
    data, fds = sockets.recv_with_fds(pair[1], 100, max(count, 1))
    assert (data, len(fds)) == (b"x", count)
    assert not any(map(os.get_inheritable, fds)), "they close on exec"
    for fd in fds:
        assert os.fstat(fd).st_rdev == os.stat("/dev/null").st_rdev
        os.close(fd)


def test_descriptors_that_cannot_be_opened_any_more_are_told_apart_from_those_that_were_not_expected(pair: Pair) -> None:
    """In a child: the limit is for the numbers of descriptors."""
    give(pair[0], 5)
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            lowest = os.dup(pair[1].fileno())
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, lowest + 2))
            sockets.recv_with_fds(pair[1], 100, 10)
        except OSError as error:
            code = error.errno or 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EMFILE


@pytest.mark.parametrize(("count", "expected"), [(2, 1), (60, 4), (1, 0)])
def test_more_descriptors_than_expected_are_closed(pair: Pair, count: int, expected: int) -> None:
    """Whether they fit into the buffer by its padding or were cut off it."""
    before = len(os.listdir("/proc/self/fd"))
    give(pair[0], count)
    with pytest.raises(OSError, match="descriptors") as caught:
        sockets.recv_with_fds(pair[1], 100, expected)
    assert caught.value.errno == errno.EMSGSIZE
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_packet_that_is_too_long(pair: Pair) -> None:
    give(pair[0], 1, b"x" * 200)
    with pytest.raises(OSError, match="longer"):
        sockets.recv_with_fds(pair[1], 100, 1)


def test_the_end(pair: Pair) -> None:
    pair[0].close()
    assert sockets.recv_with_fds(pair[1], 100, 1) == (b"", [])


def test_nothing_there_yet(pair: Pair) -> None:
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        sockets.recv_with_fds(pair[1], 100, 1)


def test_a_gone_reader_is_an_error_and_no_signal(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(BrokenPipeError):
        sockets.send_with_fds(pair[0], b"x", [])


def test_a_stream_takes_all_of_it() -> None:
    left, right = socket.socketpair()
    size = 2**20
    pid = os.fork()
    if pid == 0:
        got = 0
        while got < size:
            data, _fds = sockets.recv_with_fds(right, 65536, 1)
            got += len(data)
        os._exit(0 if got == size else 1)
    assert sockets.send_with_fds(left, b"x" * size, [0]) == size
    assert os.waitpid(pid, 0)[1] == 0
    left.close()
    right.close()


def test_who_is_there(pair: Pair) -> None:
    own = (os.getpid(), os.getuid(), os.getgid())
    assert sockets.peer_credentials(pair[0]) == own
    sockets.pass_credentials(pair[1])
    give(pair[0], 3)
    assert sockets.recv_with_credentials(pair[1], 100) == (b"x", own)


def test_credentials_do_not_take_the_descriptors_room(pair: Pair) -> None:
    sockets.pass_credentials(pair[1])
    give(pair[0], 3)
    data, fds = sockets.recv_with_fds(pair[1], 100, 3)
    assert (data, len(fds)) == (b"x", 3)
    for fd in fds:
        os.close(fd)
