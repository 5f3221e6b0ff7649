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
