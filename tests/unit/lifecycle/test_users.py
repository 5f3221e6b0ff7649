# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose layers lie where, by what the configs say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import dependents, replace, rootowner, users
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container


def make(place: Path, name: str, root: str) -> Container:
    (place / name).mkdir(parents=True)
    (place / name / "config").write_text(f"lxc.rootfs.path = {root}\n" if root else "lxc.uts.name = x\n")
    return Container(str(place), name)


def test_places_are_found_whatever_the_backend() -> None:
    assert users.places_of("/a") == ("/a",)
    assert users.places_of("dir:/a//b/") == ("/a/b",)
    assert users.places_of("overlayfs:/a:/b/../c:/d") == ("/a", "/c", "/d")
    assert users.places_of("zfs:pool/x") == () == users.places_of("")


def test_users_of_a_snapshot(tmp_path: Path) -> None:
    one = make(tmp_path, "web", f"dir:{tmp_path}/web/rootfs")
    snap = make(tmp_path / "web/snaps", "snap1", f"dir:{tmp_path}/web/snaps/snap1/rootfs")
    make(tmp_path / "web/snaps", "snap10", f"dir:{tmp_path}/web/snaps/snap10/rootfs")
    over = make(tmp_path, "over", f"overlay:{tmp_path}/web/snaps/snap1/rootfs:{tmp_path}/over/overlay/delta")
    deep = make(tmp_path / "over/snaps", "kept", f"overlay:{tmp_path}/web/snaps/snap1/rootfs:{tmp_path}/over/snaps/kept/overlay/delta")
    old = make(Path(f"{tmp_path}snaps/gone"), "snap0", f"overlay:/a:{tmp_path}/web/snaps/snap1/x")
    (tmp_path / "to").symlink_to(tmp_path / "web/snaps/snap1")
    by_link = make(tmp_path, "zlink", f"overlay:{tmp_path}/to/rootfs:{tmp_path}/zlink/overlay/delta")
    make(tmp_path, "none", "")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config").write_text("lxc.nonsense\n")
    everybody = users.scan(str(tmp_path))
    assert set(users.of_snapshot(snap, one, everybody)) == {over, deep, old, by_link}
    make(tmp_path, "listed", "")
    (Path(snap.directory) / "lxc_snapshots").write_text(f"{tmp_path}\nlisted\n{tmp_path}\nweb\n")
    assert users.of_snapshot(snap, one, everybody)[-1] == Container(str(tmp_path), "listed")
    assert one not in users.of_snapshot(snap, one, everybody)
    assert [users.name_of(user, one) for user in (over, deep)] == ["over", f"{tmp_path}/over/snaps/kept"]


def test_what_goes_when_another_root_comes(tmp_path: Path) -> None:
    one = make(tmp_path, "web", f"overlay:{tmp_path}/web/rootfs:{tmp_path}/web/overlay/delta")
    for name in ("rootfs", "overlay", "snaps", "mine"):
        (tmp_path / "web" / name).mkdir()
    (tmp_path / "web/web.log").write_text("")
    assert replace.going(one, ()) == [f"{one.directory}/{name}" for name in ("config", "overlay", "rootfs")]
    assert replace.going(one, (f"{tmp_path}/web/rootfs",)) == [f"{one.directory}/{name}" for name in ("config", "overlay")]
    elsewhere = make(tmp_path, "far", "dir:/srv/far")
    assert replace.going(elsewhere, ()) == [f"{elsewhere.directory}/config", "/srv/far"]
    over = make(tmp_path, "over", f"overlay:/srv/far:{tmp_path}/over/overlay/delta")
    assert "/srv/far" not in replace.going(over, ())


def test_lists_change_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LXC_RUN", str(tmp_path / "run"))
    base, one, other = (make(tmp_path, name, "") for name in ("base", "one", "other"))
    listed = Path(base.directory, "lxc_snapshots")
    listed.write_text(f"{tmp_path}\none\n")
    dependents.transfer(base, one, other)
    assert listed.read_text() == f"{tmp_path}\nother\n"
    listed.write_text(f"{tmp_path}\none\n{tmp_path}\nother\n")
    dependents.transfer(base, one, other)
    assert listed.read_text() == f"{tmp_path}\nother\n"
    dependents.strike(base, other)
    assert not listed.exists()
    listed.write_text("2\n")
    dependents.transfer(base, one, other)
    dependents.strike(base, one)
    assert listed.read_text() == "2\n"


def test_users_of_its_snapshots_are_users_of_a_container(tmp_path: Path) -> None:
    one, _other = make(tmp_path, "web", "dir:/x"), make(tmp_path, "other", "")
    snap = make(tmp_path / "web/snaps", "snap0", "dir:/y")
    Path(snap.directory, "lxc_snapshots").write_text(f"{tmp_path}\nother\n{tmp_path}\nweb\n{tmp_path}/web/snaps\nsnap1\n")
    assert dependents.of(one) == ["other"]
    Path(one.directory, "lxc_snapshots").write_text(f"{tmp_path}/web/snaps\nsnap0\n{tmp_path}snaps/web\nsnap3\n")
    Path(f"{tmp_path}snaps/web/snap3").mkdir(parents=True)
    assert dependents.of(one) == ["other"] and dependents.count(one) == 2


def test_who_lies_behind_a_link_is_looked_at_once(tmp_path: Path) -> None:
    one = make(tmp_path / "lxc", "web", f"dir:{tmp_path}/lxc/web/rootfs")
    make(tmp_path / "far", "over", f"overlay:{tmp_path}/lxc/web/rootfs:{tmp_path}/far/over/overlay/delta")
    for name in ("over", "over2"):
        (tmp_path / "lxc" / name).symlink_to(tmp_path / "far/over")
    (tmp_path / "lxc/alias").symlink_to("web")
    (tmp_path / "lxc/dangling").symlink_to("nowhere")
    (tmp_path / "lxc/loop").symlink_to("loop")
    assert [user.container.name for user in users.scan(str(tmp_path / "lxc"))] == ["web", "over"]
    assert users.of_places([f"{one.directory}/rootfs"], users.scan(one.lxc_path))[1:] == [Container(one.lxc_path, "over")]


def test_a_root_that_is_anothers(tmp_path: Path) -> None:
    first = make(tmp_path, "first", "zfs:pool/first")
    rootowner.refuse_foreign_root(first)
    with pytest.raises(InUse, match="copy cannot be removed: its root zfs:pool/first is that of first"):
        rootowner.refuse_foreign_root(make(tmp_path, "copy", "zfs:pool/first"))
    rootowner.refuse_foreign_root(make(tmp_path, "odd", "lvm:/dev/vg/of-another-name"))
    rootowner.refuse_foreign_root(make(tmp_path, "none", ""))
    rootowner.refuse_foreign_root(Container(str(tmp_path), "gone"))
    inner = make(tmp_path / "first/snaps", "snap0", f"dir:{tmp_path}/first/snaps/snap0/rootfs")
    with pytest.raises(InUse, match=f"is that of {inner.directory}"):
        rootowner.refuse_foreign_root(make(tmp_path, "of-a-snapshot", f"dir:{tmp_path}/first/snaps/snap0/rootfs"))
