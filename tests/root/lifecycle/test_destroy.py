# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a removal, as LXC's own tools leave it on the disk; and the hook that has its say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, dependents, destroy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet


def quiet(line: str) -> None:
    pass


def stock(program: str, *arguments: str, ok: bool = True) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this host")
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


@pytest.fixture
def one(tmp_path: Path) -> paths.Container:
    """A busybox container of ours."""
    (tmp_path / "lxc").mkdir()
    container = paths.container("gone", str(tmp_path / "lxc"))
    create.create(create.CreateRequest(container, "busybox", config={"lxc.net.0.type": "empty"}), quiet)
    return container


def clone(container: paths.Container, name: str) -> paths.Container:
    """By stock LXC: an overlay over the container's root."""
    stock("lxc-copy", "-P", container.lxc_path, "-n", container.name, "-N", name, "-s", "-B", "overlayfs")
    return paths.container(name, container.lxc_path)


def snapshot(container: paths.Container) -> None:
    stock("lxc-snapshot", "-P", container.lxc_path, "-n", container.name)


def users(container: paths.Container) -> Path:
    return Path(container.directory, "lxc_snapshots")


def refused(container: paths.Container, *words: str, **how: bool) -> None:
    """By us with these words, by stock LXC too, and nothing is touched."""
    before = sorted(str(path) for path in Path(container.directory).rglob("*"))
    with pytest.raises(InUse) as caught:
        destroy.destroy(container, **how)
    for word in words:
        assert word in caught.value.message
    stock("lxc-destroy", "-P", container.lxc_path, "-n", container.name, *(["-s"] if how else []), ok=False)
    assert sorted(str(path) for path in Path(container.directory).rglob("*")) == before


def test_a_link_is_not_followed_to_another_container(one: paths.Container) -> None:
    """Nor foreseen in check mode."""
    alias = paths.Container(one.lxc_path, "alias")
    os.symlink(one.directory, alias.directory)
    job = fleet.job({"name": ["alias"], "lxc_path": one.lxc_path, "state": "absent"})
    for report in (job.predict(), job.apply()):
        assert "alias is a symbolic link to" in report.failed and not report.changed
    with pytest.raises(InUse, match="symbolic link"):
        destroy.destroy(alias)
    assert os.path.exists(one.config) and os.path.exists(one.rootfs) and os.path.islink(alias.directory)
    os.unlink(alias.directory)


def test_snapshots_that_stock_lxc_made(one: paths.Container) -> None:
    snapshot(one)
    snapshot(one)
    assert dependents.snapshots(one) == ["snap0", "snap1"]
    refused(one, "snap0, snap1")
    destroy.destroy(one, delete_snapshots=True)
    assert os.listdir(one.lxc_path) == []


def test_clones_that_stock_lxc_made_in_pairs(one: paths.Container) -> None:
    first, second = clone(one, "gfirst"), clone(one, "gsecond")
    assert users(one).read_text() == f"{one.lxc_path}\ngfirst\n{one.lxc_path}\ngsecond\n"
    refused(one, "gfirst, gsecond", delete_snapshots=True)
    destroy.destroy(first)
    refused(one, "gsecond")
    assert users(one).read_text() == f"{one.lxc_path}\ngsecond\n"
    stock("lxc-destroy", "-P", one.lxc_path, "-n", second.name)
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []


def test_clones_that_stock_lxc_only_counts(one: paths.Container) -> None:
    """It goes on with a number that LXC 1.0 left: one user that is nowhere to be found any more, and two of its own."""
    users(one).write_text("1\n")
    first, second = clone(one, "gfirst"), clone(one, "gsecond")
    assert users(one).read_text().strip() == "3"
    refused(one, "gfirst, gsecond")
    destroy.destroy(first)
    assert users(one).read_text().strip() == "2"
    stock("lxc-destroy", "-P", one.lxc_path, "-n", second.name)
    assert users(one).read_text().strip() == "1"
    refused(one, f"1 that are not in {one.lxc_path}")
    users(one).write_text("0\n")
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []


def test_a_snapshot_of_a_clone_uses_the_files_of_the_first(one: paths.Container) -> None:
    """It stands in the list of the container below, and is struck out when it goes together with its clone."""
    second = clone(one, "gsecond")
    snapshot(second)
    assert users(one).read_text().splitlines()[2:] == [f"{second.directory}/snaps", "snap0"]
    refused(one, "gsecond", f"{second.directory}/snaps/snap0", delete_snapshots=True)
    refused(second, "snap0")
    destroy.destroy(second, delete_snapshots=True)
    assert not users(one).exists() and (Path(one.rootfs) / "bin/busybox").exists()
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []


def test_a_clone_outlives_a_source_that_was_removed_by_hand(one: paths.Container) -> None:
    second = clone(one, "gsecond")
    shutil.rmtree(one.directory)
    destroy.destroy(second)
    assert os.listdir(one.lxc_path) == []


def test_a_clone_that_was_removed_by_hand_is_no_user_any_more(one: paths.Container) -> None:
    """LXC goes on to refuse."""
    second, third = clone(one, "gsecond"), clone(one, "gthird")
    shutil.rmtree(second.directory)
    refused(one, "used by its clones: gthird")
    fourth = clone(one, "gfourth")
    shutil.rmtree(third.directory)
    destroy.destroy(fourth)
    assert fleet.job({"name": ["gone"], "lxc_path": one.lxc_path, "state": "absent"}).predict().changed
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []


def copied_by_hand(container: paths.Container, name: str) -> paths.Container:
    copy = paths.Container(container.lxc_path, name)
    subprocess.run(["cp", "-a", container.directory, copy.directory], check=True)
    return copy


def test_a_copy_by_hand_does_not_take_the_root_of_the_first_along(one: paths.Container) -> None:
    """Nor is that foreseen. LXC removes it."""
    copy = copied_by_hand(one, "gcopy")
    job = fleet.job({"name": ["gcopy"], "lxc_path": one.lxc_path, "state": "absent"})
    before = sorted(str(path) for path in Path(one.lxc_path).rglob("*"))
    for report in (job.predict(), job.apply()):
        assert f"gcopy cannot be removed: its root {one.rootfs} is that of gone" in report.failed and not report.changed
    with pytest.raises(InUse, match="is that of gone"):
        destroy.destroy(copy)
    assert sorted(str(path) for path in Path(one.lxc_path).rglob("*")) == before
    Path(copy.config).write_text(Path(copy.config).read_text().replace(one.rootfs, copy.rootfs))
    destroy.destroy(copy)
    assert os.path.exists(f"{one.rootfs}/bin")
    unmanaged = copied_by_hand(one, "gother")
    with open(unmanaged.config, "a", encoding="utf-8") as file:
        file.write("lxc.rootfs.managed = 0\n")
    destroy.destroy(unmanaged)
    assert os.path.exists(f"{one.rootfs}/bin")
    destroy.destroy(one)


@pytest.mark.parametrize("what", ["overlayfs", "a root elsewhere", "another lxcpath"])
def test_whose_root_it_is_is_found(tmp_path: Path, what: str) -> None:
    (tmp_path / "lxc").mkdir()
    first = paths.container("first", str(tmp_path / "lxc"))
    elsewhere = {"directory": str(tmp_path / "roots")} if what == "a root elsewhere" else {}
    store = "overlayfs" if what == "overlayfs" else "dir"
    create.create(create.CreateRequest(first, "busybox", {}, store, elsewhere, {"lxc.net.0.type": "empty"}), quiet)
    copy = copied_by_hand(first, "copy")
    if what == "another lxcpath":
        (tmp_path / "other").mkdir()
        os.rename(copy.directory, tmp_path / "other/copy")
        copy = paths.container("copy", str(tmp_path / "other"))
    with pytest.raises(InUse, match=r"is that of .*first"):
        destroy.destroy(copy)
    shutil.rmtree(copy.directory)
    destroy.destroy(first)
    assert os.listdir(first.lxc_path) == [] and not os.path.exists(tmp_path / "roots")


def test_a_container_that_was_moved_by_hand_goes(one: paths.Container) -> None:
    """Its root is spelled as where it was, and nobody else is there."""
    moved = paths.Container(one.lxc_path, "gmoved")
    os.rename(one.directory, moved.directory)
    destroy.destroy(moved)
    assert os.listdir(one.lxc_path) == []


def hooked(container: paths.Container, hook: str) -> None:
    with open(container.config, "a", encoding="utf-8") as file:
        file.write(f"lxc.hook.destroy = {hook}\n")


def test_the_destroy_hook_runs_first_as_lxc_calls_it(one: paths.Container, tmp_path: Path) -> None:
    script = tmp_path / "hook"
    said = '{ echo "$@"; echo $LXC_NAME $LXC_CONFIG_FILE $LXC_ROOTFS_PATH; ls ${LXC_ROOTFS_PATH#dir:}/bin/busybox; }'
    script.write_text(f"#!/bin/sh\n{said} >{tmp_path}/said\n")
    script.chmod(0o755)
    hooked(one, str(script))
    second = paths.container("gsecond", one.lxc_path)
    stock("lxc-copy", "-P", one.lxc_path, "-n", one.name, "-N", second.name)
    destroy.destroy(one)
    ours = (tmp_path / "said").read_text().splitlines()
    assert ours == ["gone lxc destroy", f"gone {one.config} {one.rootfs}", f"{one.rootfs}/bin/busybox"]
    stock("lxc-destroy", "-P", second.lxc_path, "-n", second.name)
    theirs = (tmp_path / "said").read_text().splitlines()
    assert [line.replace("gsecond", "gone") for line in theirs] == ours and os.listdir(one.lxc_path) == []


def test_a_destroy_hook_that_fails_keeps_the_container(one: paths.Container, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("#!/bin/sh\necho not yet\nexit 3\n")
    (tmp_path / "hook").chmod(0o755)
    hooked(one, str(tmp_path / "hook"))
    with pytest.raises(StepError, match=r"lxc\.hook\.destroy.*status 3") as caught:
        destroy.destroy(one)
    assert caught.value.log == ["not yet"]
    assert (Path(one.rootfs) / "bin/busybox").exists() and not os.path.exists(one.partial)
    (tmp_path / "hook").write_text("#!/bin/sh\n")
    destroy.destroy(one)
    assert os.listdir(one.lxc_path) == []
