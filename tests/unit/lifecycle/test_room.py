# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a new container is said by the option's name, and nothing is made to find it out."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import room


def refused(lxc_path, **options):
    with pytest.raises(BadValue) as caught:
        room.check(paths.container("one", str(lxc_path)), options)
    return caught.value.option, caught.value.expected


@pytest.fixture
def place(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full/one").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    return tmp_path


def test_where_there_is_room_nothing_is_said_and_nothing_made(place):
    before = sorted(os.listdir(place))
    for lxc_path in (place, place / "new/below"):
        for options in ({}, {"directory": f"{place}/empty"}, {"directory": f"{place}/new"}):
            room.check(paths.container("one", str(lxc_path)), options)
    assert sorted(os.listdir(place)) == before


def test_an_lxc_path_that_is_a_file_or_below_one(place):
    assert refused(place / "file") == ("lxc_path", "a directory")
    option, expected = refused(place / "file/below/it")
    assert option == "lxc_path" and f"{place}/file is none" in expected


def test_an_lxc_path_that_cannot_be_written_to(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(place))
    assert refused(place / "new") == ("lxc_path", f"a directory that can be written to, and {place} cannot")


@pytest.mark.parametrize(
    ("directory", "problem"),
    [
        ("full", "it is not empty"),
        ("file", "it is no directory"),
        ("link", "it is no directory"),
        ("none/below", "none does not exist"),
    ],
)
def test_a_directory_that_cannot_be_a_root(place, directory, problem):
    option, expected = refused(place, directory=f"{place}/{directory}")
    assert option == "directory" and problem in expected


def test_the_root_of_what_was_half_made_goes_with_it(place):
    (place / "one").mkdir()
    (place / "one/partial").write_text("")
    room.check(paths.container("one", str(place)), {"directory": f"{place}/full"})


def test_an_image_as_large_as_a_file_can_be(place, monkeypatch):
    one = paths.container("one", str(place))
    room.check_image(one, "1G")

    def too_large(_fd, _size):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(os, "ftruncate", too_large)
    with pytest.raises(BadValue, match="'99999T' for size"):
        room.check_image(one, "99999T")
    assert "one" not in os.listdir(place)


def test_a_size_is_shown_as_the_task_says_it():
    shown = room.in_words_of_the_task(BadValue("size", "4K", "at least 2M"), {"size": "1k"})
    assert shown.message == "Bad value '1k' for size: expected at least 2M"
    for other in (InUse("held"), BadValue("fs_type", "x", "y")):
        assert room.in_words_of_the_task(other, {"size": "1k"}) is other


@pytest.mark.parametrize(
    ("root", "is_refused"), [("dir:/r", True), ("/nowhere/r", True), ("overlay:/a:/b", False), ("loop:/a", False), ("", False)]
)
def test_options_of_a_root_that_is_a_directory(root, is_refused):
    config = f"lxc.rootfs.path = {root}\nlxc.rootfs.options = ro,index=off\n"
    room.check_root_options(config.replace(",index=off", ",noatime"))
    if not is_refused:
        room.check_root_options(config)
        return
    with pytest.raises(BadValue, match="index=off is none"):
        room.check_root_options(config)
