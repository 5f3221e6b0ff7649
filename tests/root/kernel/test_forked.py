# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The children that other root tests run in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import forked
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mountinfo, process

Run = Callable[..., Any]


class Odd(Exception):
    """Cannot be made again from its arguments, as pickle does it."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_values_come_back(in_child: Run) -> None:
    big = b"x" * 3_000_000
    assert in_child(lambda: {"big": big, "pid": os.getpid()})["big"] == big


def test_exceptions_come_back_with_their_place(in_child: Run) -> None:
    def fail() -> None:
        raise PermissionError(1, "no", "/x")

    with pytest.raises(PermissionError) as caught:
        in_child(fail)
    assert caught.value.filename == "/x"
    assert "in fail" in str(caught.value.__cause__)


def test_what_cannot_be_pickled_comes_as_text(in_child: Run) -> None:
    def fail() -> None:
        raise Odd(1, 2)

    with pytest.raises(forked.ChildFailed, match="Odd: 1 and 2"):
        in_child(fail)
    with pytest.raises(forked.ChildFailed, match="cannot be pickled"):
        in_child(lambda: lambda: None)


def test_a_skip_comes_back(in_child: Run) -> None:
    with pytest.raises(pytest.skip.Exception):
        in_child(lambda: pytest.skip("no"))


def test_a_child_that_dies_says_how(in_child: Run) -> None:
    with pytest.raises(forked.ChildFailed, match="wait status 0x9"):
        in_child(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(forked.ChildFailed, match="wait status 0x300"):
        in_child(lambda: os._exit(3))


def test_a_child_that_takes_too_long_is_killed_with_its_group(in_child: Run) -> None:
    read_fd, write_fd = os.pipe()

    def hang() -> None:
        if os.fork() == 0:
            os.write(write_fd, b"%d" % os.getpid())
        signal.pause()

    with pytest.raises(forked.ChildFailed, match="killed after"):
        in_child(hang, 0, 0.5)
    os.close(write_fd)
    assert process.alive(int(os.read(read_fd, 20))) is False or os.read(read_fd, 1) == b""
    os.close(read_fd)


def test_a_grandchild_that_lives_on_does_not_hold_us_up(in_child: Run) -> None:
    def leave() -> int:
        if os.fork() == 0:
            signal.pause()
        return 1

    assert in_child(leave, 0, 50) == 1, "or it would be ChildFailed, in the end"


def test_its_namespaces_are_its_own(in_child: Run) -> None:
    def look() -> tuple[int, dict[str, tuple[int, int]], list[str], int]:
        shared = [found.target for found in mountinfo.read() if any(tag.startswith("shared") for tag in found.tags)]
        return os.getpid(), process.namespaces(os.getpid()), shared, os.getsid(0)

    pid, namespaces, shared, session = in_child(look, libc.CLONE_NEWNS | libc.CLONE_NEWPID)
    own = process.namespaces(os.getpid())
    assert {name for name in own if own[name] != namespaces[name]} == {"mnt", "pid"}
    assert (pid, shared, session) == (1, [], 1)
