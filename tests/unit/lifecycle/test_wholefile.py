# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import wholefile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    return tmp_path / "d" / "file"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_one(path: Path) -> None:
    wholefile.write(str(path), "a\r\n\udcff\n")
    assert path.read_bytes() == b"a\r\n\xff\n" and mode(path) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_the_mode_that_it_had_or_the_one_that_is_said(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o4751)
    wholefile.write(str(path), "new")
    assert path.read_text() == "new" and mode(path) == 0o4751
    wholefile.write(str(path), "newer", 0o604)
    assert path.read_text() == "newer" and mode(path) == 0o604


@pytest.mark.parametrize("suffix", ["", wholefile.SUFFIX])
def test_a_link_is_replaced_and_not_followed(path: Path, suffix: str) -> None:
    victim = path.parent.parent / "victim"
    victim.write_text("untouched")
    Path(f"{path}{suffix}").symlink_to(victim)
    wholefile.write(str(path), "new")
    assert mode(path) == 0o600
    assert victim.read_text() == "untouched" and path.read_text() == "new" and not path.is_symlink()


def test_what_a_kill_left_goes(path: Path) -> None:
    Path(f"{path}{wholefile.SUFFIX}").mkdir()
    wholefile.write(str(path), "new")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "rename", "fchmod"])
def test_what_fails_changes_nothing_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path.write_text("old")

    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"):
        wholefile.write(str(path), "new")
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]
