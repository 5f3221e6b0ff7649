# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing and copying trees, as any user."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import tree


def test_remove_does_not_follow_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("host")
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "a/link").symlink_to(victim)
    (top / "a/b/file").symlink_to(victim / "file")
    tree.remove(str(top))
    assert not top.exists() and (victim / "file").read_text() == "host"


def test_remove_of_a_link_removes_the_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("host")
    (tmp_path / "link").symlink_to("victim")
    tree.remove(str(tmp_path / "link"))
    tree.remove(str(tmp_path / "victim/file"))
    assert os.listdir(tmp_path) == ["victim"] and os.listdir(tmp_path / "victim") == []


def test_remove_of_what_is_not_there(tmp_path: Path) -> None:
    tree.remove(str(tmp_path / "none"))
    tree.remove(str(tmp_path / "none/deeper"))


def test_remove_deeper_than_descriptors_and_recursion_allow(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _number in range(3000):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    tree.remove(str(top))
    assert not top.exists()


def test_an_error_names_the_place(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root removes everything")
    (tmp_path / "top/locked/in").mkdir(parents=True)
    (tmp_path / "top/locked").chmod(0o500)
    with pytest.raises(OSError, match="top/locked"):
        tree.remove(str(tmp_path / "top"))
    (tmp_path / "top/locked").chmod(0o700)


def test_copy_keeps_links_holes_modes_and_times(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    target.mkdir()
    (source / "d/a").write_text("a")
    os.link(source / "d/a", source / "b")
    (source / "link").symlink_to("/nowhere")
    os.mkfifo(source / "pipe")
    with open(source / "holes", "wb") as file:
        file.truncate(10 << 20)
    (source / "su").write_text("x")
    (source / "su").chmod(0o4750)
    os.utime(source / "d", (10**9, 10**9))
    tree.copy(str(source), str(target))
    assert (target / "d/a").stat().st_ino == (target / "b").stat().st_ino
    assert os.readlink(target / "link") == "/nowhere" and stat.S_ISFIFO((target / "pipe").stat().st_mode)
    assert (target / "holes").stat().st_size == 10 << 20 and (target / "holes").stat().st_blocks == 0
    assert stat.S_IMODE((target / "su").stat().st_mode) == 0o4750 and (target / "d").stat().st_mtime == 10**9


def test_a_copy_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(OSError, match=r"cp: .*none"):
        tree.copy(str(tmp_path / "none"), str(tmp_path / "target"))
