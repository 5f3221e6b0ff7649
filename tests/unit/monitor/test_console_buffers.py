# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console's sizes, ring and log file, on a pty of this host."""

from __future__ import annotations

import gc
import os
import pty
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import console as consoles
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.console import Console, size
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor.loop import Loop

AUTO = 131072


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", 0), ("auto", AUTO), ("AUTO", AUTO), ("4096", 4096), ("1", 4096), ("8KB", 8192), ("8 kb", 8192), ("2MB", 2 << 20),
        ("1gb", 1 << 30), ("5000B", 5000), ("lots", 0), ("-1", 0), ("KB", 0), ("²", 0), ("1.5MB", 0),
    ],
)  # fmt: skip
def test_sizes(value: str, wanted: int) -> None:
    assert size(value, AUTO) == wanted


def make(loop: Loop, log: str = "", ring: int = 0, limit: int = 0, rotate: bool = False) -> tuple[Console, int]:
    try:
        master, slave = pty.openpty()
    except OSError:
        pytest.skip("no pty here")
    return Console(loop, master, ring, log, limit, rotate), slave


def turn_until(loop: Loop, holds) -> None:  # type: ignore[no-untyped-def]
    for _number in range(500):
        loop.later(0.01, lambda: None)
        loop.turn()
        if holds():
            return
    raise AssertionError


def test_the_ring_keeps_the_last(loop: Loop) -> None:
    console, slave = make(loop, ring=4096)
    for number in range(800):
        os.write(slave, b"line %03d\n" % number)
        loop.later(0, lambda: None)
        loop.turn()
    turn_until(loop, lambda: console.ring.endswith(b"line 799\r\n"))
    assert len(console.ring) == 4096
    console.close()
    assert console.master_fd == -1


def test_what_one_console_says_is_paid_for_by_a_pause(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as so many bytes may cost; until then its master is not looked at, so that the others have their turn."""
    console, slave = make(loop, ring=4096)
    pauses: list[float] = []
    monkeypatch.setattr(loop, "later", lambda seconds, act: pauses.append(seconds))
    os.write(slave, b"x" * 1000)
    loop.turn()
    os.write(slave, b"more")
    monkeypatch.undo()
    loop.later(0, lambda: None)
    loop.turn()
    assert pauses == [1000 / (1 << 20)] and bytes(console.ring) == b"x" * 1000
    console.close()


def test_what_was_written_last_is_read_before_the_end(loop: Loop, tmp_path: Path) -> None:
    console, slave = make(loop, str(tmp_path / "log"), ring=4096)
    os.write(slave, b"last words\n")
    console.close()
    assert b"last words" in bytes(console.ring) and (tmp_path / "log").read_bytes() == b"last words\r\n"


@pytest.mark.parametrize("rotate", [False, True])
def test_the_log_file_does_not_outgrow_its_size(loop: Loop, tmp_path: Path, rotate: bool) -> None:
    console, _slave = make(loop, str(tmp_path / "log"), limit=4096, rotate=rotate)
    for number in range(10):
        console._keep(b"%d" % number * 1000)
    assert (tmp_path / "log").read_bytes() == b"8" * 1000 + b"9" * 1000
    assert (tmp_path / "log.1").exists() == rotate
    console.close()


def test_a_log_file_that_is_a_link_or_cannot_be_made_is_done_without(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    for path in (tmp_path / "log", tmp_path / "no/such/directory/log"):
        console, slave = make(loop, str(path))
        os.write(slave, b"text\n")
        console.close()
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_client_that_left_does_not_take_the_next_along(loop: Loop) -> None:
    console, _slave = make(loop)
    first_fd, first = console.attach()
    os.close(first_fd)
    turn_until(loop, lambda: console.proxy_fd < 0)
    second_fd, second = console.attach()
    console.detach(first)
    assert console.proxy_fd >= 0
    console.detach(second)
    assert console.proxy_fd < 0
    os.close(second_fd)
    console.close()


def test_an_attach_that_fails_leaks_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    console, _slave = make(loop)
    gc.collect()  # what earlier tests have left must not go meanwhile
    before = len(os.listdir("/proc/self/fd"))

    def fail(_fd: int) -> None:
        raise OSError(5, "no terminal")

    monkeypatch.setattr(consoles.tty, "make_raw", fail)
    with pytest.raises(OSError, match="no terminal"):
        console.attach()
    assert len(os.listdir("/proc/self/fd")) == before and console.proxy_fd == -1
    console.close()
