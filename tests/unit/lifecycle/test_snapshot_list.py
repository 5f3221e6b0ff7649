# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies among the snapshots of a container, and what it is taken for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import partial, snapshot_list
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


@pytest.fixture
def one(tmp_path: Path) -> Container:
    (tmp_path / "lxc/web").mkdir(parents=True)
    return Container(str(tmp_path / "lxc"), "web")


def make(place: Path, name: str, ts: str = "2026:11:29 02:09:52", comment: str = "") -> Container:
    (place / name).mkdir(parents=True)
    (place / name / "config").write_text(f"lxc.rootfs.path = dir:{place}/{name}/rootfs\n")
    (place / name / "ts").write_text(ts)
    if comment:
        (place / name / "comment").write_text(comment)
    return Container(str(place), name)


def new(one: Container) -> Path:
    return Path(one.directory, "snaps")


def old(one: Container) -> Path:
    return Path(f"{one.lxc_path}snaps", one.name)


def names(one: Container) -> list[str]:
    return [found.name for found in snapshot_list.snapshots(one)]


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", ["snap0", "before-upgrade", "v1.2", "_x", "a" * 64, "all"])
def test_names(name: str) -> None:
    assert snapshot_list.check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "-x", "a/b", "a b", "a\nb", "a\0b", "ä", "a" * 65, "ALL", None, 3, "snap0\n"])
def test_hostile_names(name: object) -> None:
    with pytest.raises(BadValue) as caught:
        snapshot_list.check_name(name)
    assert caught.value.option == "snapshot"


def test_the_new_place_unless_the_old_one_is_there(one: Container) -> None:
    assert snapshot_list.directory(one) == str(new(one))
    old(one).parent.mkdir()
    assert snapshot_list.directory(one) == str(old(one))


def test_both_places_are_read_and_the_one_where_a_new_one_would_go_is_first(one: Container) -> None:
    make(new(one), "snap0", comment="new")
    make(new(one), "snap1")
    assert names(one) == ["snap0", "snap1"]
    make(old(one), "snap0", comment="old")
    make(old(one), "snap2")
    assert names(one) == ["snap0", "snap1", "snap2"]
    found = snapshot_list.find(one, "snap0")
    assert found is not None and found.comment == "old"
    assert snapshot_list.next_name(one) == "snap3"


def test_the_oldest_first_by_time_then_by_number(one: Container) -> None:
    for name in ("snap10", "snap9", "zz"):
        make(new(one), name)
    make(new(one), "snap11", ts="2026:11:29 02:09:51")
    make(new(one), "older", ts="2025:12:31 23:59:59")
    assert names(one) == ["older", "snap11", "zz", "snap9", "snap10"]


@pytest.mark.parametrize(("keep", "gone"), [(5, 0), (6, 0), (4, 1), (1, 4), (0, 5)])
def test_retention(one: Container, keep: int, gone: int) -> None:
    for number, minute in enumerate((3, 1, 2, 5, 4)):
        make(new(one), f"snap{number}", ts=f"2026:11:29 02:{minute:02}:00")
    oldest = ["snap1", "snap2", "snap0", "snap4", "snap3"]
    assert [found.name for found in snapshot_list.superfluous(snapshot_list.snapshots(one), keep)] == oldest[:gone]


def test_what_is_no_snapshot(one: Container) -> None:
    make(new(one), "snap0")
    (new(one) / "stray/below").mkdir(parents=True)
    (new(one) / "snap3").mkdir()  # what a kill leaves before there is a marker
    (new(one) / "file").write_text("")
    (new(one) / "link").symlink_to(new(one) / "snap0")
    make(new(one), ".hidden")
    half, busy = make(new(one), "snap1"), make(new(one), "snap2")
    Path(half.partial).write_text("")
    (new(one) / "config-link").mkdir()
    (new(one) / "config-link/config").symlink_to(new(one) / "snap0/config")
    fd = partial.mark(busy, "test it")
    problems = {entry.name: entry.problem for entry in snapshot_list.entries(one)}
    assert names(one) == ["snap0"]
    assert problems == {
        "snap0": "",
        "stray": "without a config",
        "file": "no directory",
        "link": "no directory",
        ".hidden": "its name is not that of a snapshot",
        "snap1": "half-made",
        "snap2": "being made or removed",
        "snap3": "without a config",
        "config-link": "without a config",
    }
    assert [snapshot_list.is_free(one, name) for name in ("snap0", "snap1", "snap2", "snap3", "snap4", "link")] == [
        *(False, True, False, True, True, False)
    ]
    assert snapshot_list.next_name(one) == "snap1"
    os.close(fd)


def test_a_name_is_the_first_that_is_free(one: Container) -> None:
    assert snapshot_list.next_name(one) == "snap0"
    for name in ("snap0", "snap2", "mine"):
        make(new(one), name)
    assert snapshot_list.next_name(one) == "snap1"


def test_what_stands_beside_it(one: Container) -> None:
    make(new(one), "snap0", ts="2026:11:29 02:09:52\n", comment="one\n\ntwo\n")
    found = snapshot_list.find(one, "snap0")
    assert found is not None and (found.timestamp, found.comment) == ("2026:11:29 02:09:52", "one\n\ntwo")


def test_a_hostile_comment_is_not_waited_for_nor_followed(one: Container, tmp_path: Path) -> None:
    for name, make_it in {"fifo": os.mkfifo, "link": lambda path: os.symlink("/etc/passwd", path), "directory": os.mkdir}.items():
        make_it(f"{make(new(one), name).directory}/comment")
    (new(one) / "fifo/ts").unlink()
    os.mkfifo(new(one) / "fifo/ts")
    assert {found.comment for found in snapshot_list.snapshots(one)} == {""}
    big = make(new(one), "big", comment="x" * 1_000_000)
    assert len(snapshot_list.read(big).comment) == 65536


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026:11:29 02:09:52", "2026-11-29T02:09:52+01:00"),
        ("2026:07:01 00:00:00", "2026-07-01T00:00:00+02:00"),
        ("2026:11:29 02:09", None),
        ("2026:13:29 02:09:52", None),
        ("9999:12:31 23:59:59", None),  # which Python cannot tell the offset of
        ("yesterday", None),
        ("", None),
    ],
)
@pytest.mark.usefixtures("in_berlin")
def test_times(text: str, expected: str | None) -> None:
    assert snapshot_list.time_of(text) == expected


def test_now_is_a_time() -> None:
    assert snapshot_list.time_of(snapshot_list.now())


@pytest.mark.parametrize("comment", ["", "one", "two\nlxc.hook.start = /evil\n", "ünï"])
def test_comments(comment: str) -> None:
    assert snapshot_list.check_comment(comment) == comment


@pytest.mark.parametrize("comment", ["a\0b", "x" * 65536, None, 3])
def test_bad_comments(comment: object) -> None:
    with pytest.raises(BadValue):
        snapshot_list.check_comment(comment)
