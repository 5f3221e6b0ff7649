# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_rdepends and lxc_snapshots, in LXC's forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, NotFound
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import dependents, lock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container

pytestmark = pytest.mark.usefixtures("host")


def make(lxc_path: Path, name: str, sources: str = "", users: str = "") -> Container:
    (lxc_path / name).mkdir(parents=True)
    if sources:
        (lxc_path / name / "lxc_rdepends").write_text(sources)
    if users:
        (lxc_path / name / "lxc_snapshots").write_text(users)
    return Container(str(lxc_path), name)


def test_pairs_of_lines(tmp_path: Path) -> None:
    base = make(tmp_path, "base", users=f"{tmp_path}\none\n{tmp_path}\ntwo\n")
    one = make(tmp_path, "one", sources=f"{tmp_path}\nbase\n")
    two = make(tmp_path, "two", sources=f"{tmp_path}/\nbase\n")
    assert dependents.of(base) == ["one", "two"] and dependents.sources(two) == [base]
    dependents.release(one)
    assert dependents.of(base) == ["two"] and (tmp_path / "base/lxc_snapshots").read_text() == f"{tmp_path}\ntwo\n"
    dependents.release(two)
    assert dependents.of(base) == [] and not (tmp_path / "base/lxc_snapshots").exists()


def test_the_old_counter_goes_on_as_a_counter_and_the_names_are_looked_for(tmp_path: Path) -> None:
    base = make(tmp_path, "base", users="2")
    one = make(tmp_path, "one", sources=f"{tmp_path}\nbase\n")
    assert dependents.of(base) == ["one"]
    dependents.release(one)
    assert (tmp_path / "base/lxc_snapshots").read_text().strip() == "1"
    dependents.release(one)  # its removal was cut off, and is begun anew
    assert (tmp_path / "base/lxc_snapshots").read_text().strip() == "1"


def test_an_old_counter_of_containers_elsewhere(tmp_path: Path) -> None:
    base = make(tmp_path, "base", users="1\n")
    assert dependents.of(base) == [f"1 that are not in {tmp_path}"]
    assert dependents.of(make(tmp_path, "free", users="0")) == []


def test_a_source_that_is_gone(tmp_path: Path) -> None:
    dependents.release(make(tmp_path, "one", sources=f"{tmp_path}\ngone\n/gone/path\nx\n"))


def test_snapshots_in_both_places(tmp_path: Path) -> None:
    one = make(tmp_path / "lxc", "one")
    (tmp_path / "lxc/one/snaps/snap1").mkdir(parents=True)
    (tmp_path / "lxcsnaps/one/snap0").mkdir(parents=True)
    assert dependents.snapshots(one) == ["snap0", "snap1"]


def test_a_new_user_is_noted_on_both_sides(tmp_path: Path) -> None:
    base, one = make(tmp_path, "base"), make(tmp_path, "one")
    (tmp_path / "base/config").touch()
    assert dependents.inherited(base, True) == [base] and dependents.inherited(base, False) == []
    for _twice in range(2):
        dependents.add(one, [base])
        assert (tmp_path / "one/lxc_rdepends").read_text() == f"{tmp_path}\nbase\n"
        assert (tmp_path / "base/lxc_snapshots").read_text() == f"{tmp_path}\none\n"
    two = make(tmp_path, "two")
    dependents.add(two, dependents.inherited(one, False))
    assert dependents.of(base) == ["one", "two"] and dependents.of(one) == []
    dependents.release(one)
    dependents.release(two)
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == ["config"]


def test_who_depends_on_a_snapshot_of_it_depends_on_both_as_lxc_has_it(tmp_path: Path) -> None:
    base, one, two = (make(tmp_path, name) for name in ("base", "one", "two"))
    for name in ("base", "one"):
        (tmp_path / name / "config").touch()
    dependents.add(one, [base])
    dependents.add(two, dependents.inherited(one, True))
    assert dependents.sources(two) == [base, one] and dependents.of(base) == ["one", "two"] and dependents.of(one) == ["two"]


@pytest.mark.parametrize(("before", "after"), [("3\n", "4"), ("3", "4"), ("0\n", "PATH\none"), ("-1", "PATH\none")])
def test_an_old_counter_is_continued_unless_it_is_none(tmp_path: Path, before: str, after: str) -> None:
    base, one = make(tmp_path, "base", users=before), make(tmp_path, "one")
    (tmp_path / "base/config").touch()
    dependents.add(one, [base])
    assert (tmp_path / "base/lxc_snapshots").read_text().strip() == after.replace("PATH", str(tmp_path))


def test_a_source_that_goes_away_meanwhile_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    base, gone, one = make(tmp_path, "base", users="2\n"), make(tmp_path, "gone"), make(tmp_path, "one")
    (tmp_path / "base/config").touch()
    with pytest.raises(NotFound, match="gone has been removed"):
        dependents.add(one, [base, gone])
    assert (tmp_path / "base/lxc_snapshots").read_text() == "2\n" and not (tmp_path / "one/lxc_rdepends").exists()


def test_a_source_that_was_removed_by_hand_is_passed_over(tmp_path: Path) -> None:
    one = make(tmp_path, "one")
    dependents.add(one, [Container(str(tmp_path), "gone")])
    assert not (tmp_path / "gone").exists() and dependents.sources(one) == [Container(str(tmp_path), "gone")]


def test_a_list_is_changed_only_under_its_lock(tmp_path: Path) -> None:
    base, one = make(tmp_path, "base"), make(tmp_path, "one")
    (tmp_path / "base/config").touch()
    with lock.hold(base, "look"):
        with pytest.raises(InUse, match="Container base is locked by"):
            dependents.add(one, [base], timeout=0.1)
        assert dependents.of(base) == []
        (tmp_path / "base/lxc_snapshots").write_text(f"{tmp_path}\none\n")
        (tmp_path / "one/lxc_rdepends").write_text(f"{tmp_path}\nbase\n")
        dependents.release(one, held=base)
        assert dependents.of(base) == []


def test_who_was_removed_by_hand_is_no_user(tmp_path: Path) -> None:
    """Nor is the snapshot of one, in either place. Of a disk that is not mounted nobody knows."""
    lxc_path = tmp_path / "lxc"
    (tmp_path / "disk").mkdir()
    gone = [f"{lxc_path}\ngone", f"{lxc_path}/gone/snaps\nsnap0", f"{lxc_path}snaps/gone\nsnap0"]
    base = make(lxc_path, "base", users="\n".join([*gone, f"{tmp_path}/disk\nhere", f"{tmp_path}/away/lxc\nthere"]) + "\n")
    assert dependents.of(base) == [f"{tmp_path}/disk/here", f"{tmp_path}/away/lxc/there"] and dependents.count(base) == 2
    one = make(lxc_path, "one")
    (lxc_path / "base/config").touch()
    dependents.add(one, [base])
    assert (lxc_path / "base/lxc_snapshots").read_text() == f"{tmp_path}/disk\nhere\n{tmp_path}/away/lxc\nthere\n{lxc_path}\none\n"


def test_what_a_killed_restore_has_left_is_no_clone(tmp_path: Path) -> None:
    base = make(tmp_path, "base", users=f"{tmp_path}/.hostkit-restore.base\nbase\n{tmp_path}/.hostkit-restore.other\nother\n")
    for name in ("base", "other"):
        (tmp_path / f".hostkit-restore.{name}/{name}").mkdir(parents=True)
    assert dependents.of(base) == [f"{tmp_path}/.hostkit-restore.other/other"]
