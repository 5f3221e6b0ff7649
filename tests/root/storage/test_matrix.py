# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy from each backend into each: equal, nothing stays mounted and no device is left. What a full disk leaves: nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.base import Backend
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.copy import copy
from storage_images import fill, predict, run, same, wait_for_no_device


class Kind(NamedTuple):
    store: str
    options: dict[str, object]


KINDS = {
    "dir": Kind("dir", {}),
    "overlayfs": Kind("overlayfs", {}),
    "btrfs": Kind("btrfs", {}),
    "loop ext4": Kind("loop", {"size": "48M"}),
    "loop xfs": Kind("loop", {"size": "300M", "fs_type": "xfs"}),
    "loop btrfs": Kind("loop", {"size": "110M", "fs_type": "btrfs"}),
}


@pytest.fixture
def make(btrfs_path: Path) -> Iterator[Callable[[str, str], tuple[paths.Container, Backend]]]:
    made: list[Backend] = []

    def act(name: str, kind: str) -> tuple[paths.Container, Backend]:
        one = paths.container(name, str(btrfs_path))
        os.mkdir(one.directory)
        backend = backends.by_name(KINDS[kind].store)
        made.append(backend(backend.create(one, KINDS[kind].options)))
        return one, made[-1]

    yield act
    for store in made:
        store.destroy()
        if store.kind == "loop":
            wait_for_no_device(store.rootfs_path[5:])


class Shown:
    """The root as the container sees it."""

    def __init__(self, store: Backend, place: Path) -> None:
        self._store, self._place = store, place

    def __enter__(self) -> Path:
        self._place.mkdir(exist_ok=True)
        self._store.mount(str(self._place), "ro")
        return self._place

    def __exit__(self, *_error: object) -> None:
        mount.umount(str(self._place), libc.MNT_DETACH)


@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("source_kind", KINDS)
def test_a_copy_is_equal(make: Any, tmp_path: Path, source_kind: str, target_kind: str) -> None:
    one, source = make("one", source_kind)
    root = source.mount_host(one.rootfs)
    fill(Path(root))
    source.umount(root)
    two, target = make("two", target_kind)
    copy(source, target, two.rootfs)
    with Shown(source, tmp_path / "a") as before, Shown(target, tmp_path / "b") as after:
        assert same(before, after) == ""
        assert (after / "holes").stat().st_blocks * 512 < 1 << 20
    assert not [found for found in mountinfo.read() if found.target.startswith((one.directory, two.directory))]


@pytest.mark.parametrize("kind", ["dir", "overlayfs", "btrfs", "loop"])
def test_a_full_disk_leaves_nothing(images: Any, tmp_path: Path, kind: str) -> None:
    """The one around the image, too: that is sparse, and full only in its own measure."""
    lxc_path = images.mounted("btrfs", "120M", "small") / "c"
    template = tmp_path / "lxc-large"
    template.write_text(
        '#!/bin/sh\nfor a in "$@"; do case $a in --rootfs=*) root=${a#--rootfs=};; esac; done\nhead -c 200M /dev/urandom >$root/big\n'
    )
    template.chmod(0o755)
    said = {"name": "e1", "lxc_path": str(lxc_path), "template": str(template), "backing_store": kind, "state": "present"}
    if kind == "loop":
        said["size"] = "512M"
    assert predict(**said).changed
    with pytest.raises((StepError, AssertionError)) as caught:
        report = fleet.job({**said, "name": ["e1"]}).apply()
        assert not report.failed, report.failed
    assert ("No space left on device" if kind == "loop" else "it ended with status 1") in str(caught.value)
    assert os.listdir(lxc_path) == []
    assert not [found for found in mountinfo.read() if found.target.startswith(str(lxc_path))]
    assert run("btrfs", "subvolume", "list", str(lxc_path)).stdout == ""


def test_an_image_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    lxc_path = tmp_path / "c"
    template = tmp_path / "lxc-large"
    template.write_text(
        '#!/bin/sh\nfor a in "$@"; do case $a in --rootfs=*) root=${a#--rootfs=};; esac; done\nhead -c 40M /dev/urandom >$root/big\n'
    )
    template.chmod(0o755)
    said = {
        "name": ["e1"],
        "lxc_path": str(lxc_path),
        "template": str(template),
        "backing_store": "loop",
        "state": "present",
        "size": "32M",
    }
    with pytest.raises((StepError, AssertionError), match="it ended with status 1"):
        report = fleet.job(said).apply()
        assert not report.failed, report.failed
    assert os.listdir(lxc_path) == []
