# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of containers whose files lie, or are spelled, elsewhere than where LXC puts them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, NotFound, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mount_old
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy, restore
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from snapshots import check, everything, make, state, task, tree, write


@pytest.fixture
def lxc_path(tmp_path: Path) -> Path:
    (tmp_path / "lxc").mkdir()
    return tmp_path / "lxc"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """Another file system."""
    (tmp_path / "other").mkdir()
    mount_old.mount("none", str(tmp_path / "other"), "tmpfs", 0, "")
    yield tmp_path / "other"
    mount.umount(str(tmp_path / "other"), libc.MNT_DETACH)


def put_root(one: Container, place: Path) -> None:
    text = Path(one.config).read_text()
    Path(one.config).write_text(text.replace(f"dir:{one.rootfs}\n", f"dir:{place}\n"))


def test_a_hook_gets_the_config_as_its_argument(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    with open(one.config, "a", encoding="utf-8") as config:
        config.write(f"lxc.hook.pre-start = /bin/true {one.config}\n")
    text = Path(one.config).read_text()
    task(one)
    task(one, snapshot="snap0", state="restored")
    assert Path(one.config).read_text() == text


def test_what_lies_beside_a_hook_stays(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    hooks = Path(one.directory, "hooks")
    (hooks / "lib").mkdir(parents=True)
    for path in (hooks / "start", hooks / "helper", hooks / "lib/more"):
        path.write_text("#!/bin/sh\n")
    with open(one.config, "a", encoding="utf-8") as config:
        config.write(f"lxc.hook.pre-start = {hooks}/start\n")
    task(one)
    (hooks / "start").write_text("changed")
    task(one, snapshot="snap0", state="restored")
    assert (hooks / "start").read_text() == (hooks / "helper").read_text() == (hooks / "lib/more").read_text() == "#!/bin/sh\n"
    assert not (hooks / "lib").is_symlink() and os.listdir(lxc_path) == ["web"]


def test_what_lies_beside_a_root_stays(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    data = Path(one.directory, "data")
    (data / "more").mkdir(parents=True)
    Path(one.rootfs).rename(data / "root")
    put_root(one, data / "root")
    (data / "more/mine").write_text("mine")
    task(one)
    task(one, snapshot="snap0", state="restored")
    assert (data / "more/mine").read_text() == "mine" and sorted(os.listdir(data)) == ["more"]
    assert "usr/bin/one" in tree(one) and os.listdir(lxc_path) == ["web"]


@pytest.mark.parametrize("made_through", ["link", "directory"])
def test_a_config_that_spells_the_lxcpath_through_a_link(lxc_path: Path, tmp_path: Path, made_through: str) -> None:
    """The root of the old one, by that spelling, is where the new one is by then."""
    (tmp_path / "link").symlink_to(lxc_path)
    one = make(lxc_path, "web")
    put_root(one, tmp_path / "link/web/rootfs")
    write(one, "first")
    task(Container(str(tmp_path / "link"), "web") if made_through == "link" else one)
    write(one, "second")
    task(one, snapshot="snap0", state="restored")
    assert state(one) == "first" and os.listdir(lxc_path) == ["web"]
    task(one, all=True, state="absent")
    assert state(one) == "first"


def test_a_directory_on_another_file_system(lxc_path: Path, other: Path) -> None:
    """It cannot be exchanged with one of the lxcpath, nor what stays be moved."""
    one = make(lxc_path, "web")
    subprocess.run(["cp", "-a", one.directory, other], check=True)
    shutil.rmtree(one.directory)
    Path(one.directory).symlink_to(other / "web")
    task(one)
    before = everything(str(other))
    for act in (check, task):
        with pytest.raises(Unsupported, match="is a symbolic link to") as caught:
            act(one, snapshot="snap0", state="restored")
        assert "restore_as" in caught.value.hint
    assert everything(str(other)) == before and os.listdir(lxc_path) == ["web"]
    task(one, snapshot="snap0", state="restored", restore_as="two")
    assert "usr/bin/one" in tree(Container(str(lxc_path), "two"))


def test_a_root_that_is_a_mount_point(lxc_path: Path, other: Path) -> None:
    """It could not be removed, and that would be seen too late."""
    one = make(lxc_path, "web")
    put_root(one, other)
    (other / "file").touch()
    task(one)
    for act in (check, task):
        with pytest.raises(InUse, match=f"{other} is mounted"):
            act(one, snapshot="snap0", state="restored")
    assert os.listdir(lxc_path) == ["web"] and os.listdir(other) == ["file"]


def test_a_user_whose_disk_is_not_there(lxc_path: Path) -> None:
    """Check mode says what happens."""
    one = make(lxc_path, "web")
    task(one)
    Path(one.directory, "lxc_snapshots").write_text(f"{lxc_path}/away\ngone\n")
    for act in (check, task):
        with pytest.raises(NotFound, match="gone does not exist"):
            act(one, snapshot="snap0", state="restored", force=True)


def test_a_container_that_is_removed_while_it_is_restored(lxc_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make(lxc_path, "web")
    task(one)
    monkeypatch.setattr(restore, "_again", lambda _found, _now: destroy.destroy(one, delete_snapshots=True))
    with pytest.raises(NotFound, match="web does not exist"):
        task(one, snapshot="snap0", state="restored")
    assert os.listdir(lxc_path) == []


def test_a_container_that_was_copied_by_hand_does_not_take_the_snapshots_of_the_first_along(lxc_path: Path) -> None:
    one = make(lxc_path, "web")
    task(one)
    two = Container(str(lxc_path), "two")
    subprocess.run(["cp", "-a", one.directory, two.directory], check=True)
    Path(two.config).write_text(Path(one.config).read_text().replace("web", "two"))
    before = everything(one.directory)
    destroy.destroy(two, delete_snapshots=True)
    assert everything(one.directory) == before and os.listdir(lxc_path) == ["web"]
