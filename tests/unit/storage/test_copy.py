# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot will be kept in, before it is taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends, copy


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("dir:/lxc/one/rootfs", "overlay:/lxc/one/rootfs:/lxc/two/overlay/delta"),
        ("/srv/one", "overlay:/srv/one:/lxc/two/overlay/delta"),
        ("overlayfs:/lxc/base/rootfs:/lxc/one/delta0", "overlay:/lxc/base/rootfs:/lxc/two/overlay/delta"),
        ("overlay:/a:/b:/lxc/one/overlay/delta", "overlay:/a:/b:/lxc/two/overlay/delta"),
    ],
)
def test_over_a_directory_or_an_overlay(source: str, expected: str) -> None:
    assert copy.snapshot_place(backends.for_rootfs(source), paths.container("two", "/lxc")) == expected


def test_it_is_what_is_made(tmp_path: Path) -> None:
    """Over a directory: the upper layer of another overlay needs its owner's rights to be copied."""
    for name in ("one", "two"):
        os.makedirs(tmp_path / name / "rootfs")
    store, target = backends.for_rootfs(f"dir:{tmp_path}/one/rootfs"), paths.container("two", str(tmp_path))
    assert copy.snapshot_place(store, target) == store.snapshot(target).rootfs_path


def test_places_that_an_overlay_cannot_have() -> None:
    with pytest.raises(BadValue, match="without a colon"):
        copy.snapshot_place(backends.for_rootfs("dir:/lxc/a:b"), paths.container("two", "/lxc"))


@pytest.mark.parametrize("kind", ["loop", "nbd"])
def test_images_have_none(kind: str) -> None:
    store = backends.for_rootfs("dir:/lxc/one/rootfs")
    store.kind = kind
    with pytest.raises(Unsupported, match=f"{kind} makes no snapshots"):
        copy.snapshot_place(store, paths.container("two", "/lxc"))
