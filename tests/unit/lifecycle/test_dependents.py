# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_rdepends and lxc_snapshots, in LXC's forms."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import dependents
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


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
