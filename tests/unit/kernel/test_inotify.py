# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that tells when something appears in it."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import inotify


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    (tmp_path / "place/old").write_text("")
    (tmp_path / "outside").write_text("")
    return tmp_path / "place"


@pytest.fixture
def watching(place: Path) -> Iterator[int]:
    directory_fd = os.open(place, os.O_PATH | os.O_DIRECTORY)
    inotify_fd = inotify.watch_directory(directory_fd)
    os.close(directory_fd)
    yield inotify_fd
    os.close(inotify_fd)


def told(inotify_fd: int) -> bool:
    return bool(select.select([inotify_fd], [], [], 0)[0])


APPEARS: dict[str, Callable[[Path], object]] = {
    "a file": lambda place: (place / "new").write_text(""),
    "a directory": lambda place: (place / "new").mkdir(),
    "a link": lambda place: (place / "new").symlink_to("x"),
    "what was elsewhere": lambda place: (place.parent / "outside").rename(place / "new"),
    "nothing any more": lambda place: place.rename(place.parent / "moved"),
}


@pytest.mark.parametrize("act", APPEARS.values(), ids=APPEARS)
def test_it_tells(watching: int, place: Path, act: Callable[[Path], object]) -> None:
    assert not told(watching)
    act(place)
    assert told(watching)


def test_what_only_changes_or_goes_is_not_told(watching: int, place: Path) -> None:
    (place / "old").write_text("changed")
    (place / "old").unlink()
    assert not told(watching)


def test_no_file_is_watched_and_nothing_is_left_open(place: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    file_fd = os.open(place / "old", os.O_PATH)
    with pytest.raises(NotADirectoryError, match="old"):
        inotify.watch_directory(file_fd)
    os.close(file_fd)
    assert len(os.listdir("/proc/self/fd")) == before
