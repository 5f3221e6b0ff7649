# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones from each backing store to each other: made as they were foreseen, with a name of their own inside, and gone without a trace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clone, create, destroy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

KINDS = ["dir", "overlayfs", "btrfs", "loop"]
SIZE = 120 << 20


def quiet(_line: str) -> None:
    return


def make(btrfs_path: Path, kind: str) -> paths.Container:
    one = paths.container("source", str(btrfs_path / "lxc"))
    options = {"size": str(SIZE)} if kind == "loop" else {}
    create.create(create.CreateRequest(one, "busybox", {}, kind, options, {"lxc.net.0.type": "empty"}), quiet)
    return one


def root_of(one: paths.Container) -> str:
    return parser.load(one.config).rootfs_path


def host_name(one: paths.Container, in_child: Callable[..., Any]) -> str:
    def look() -> str:
        mount.set_attr("/", propagation=libc.MS_PRIVATE, recursive=True)
        place = Path(one.lxc_path).with_name("mnt")
        place.mkdir(exist_ok=True)
        backends.for_rootfs(root_of(one)).mount(str(place), "")
        return (place / "etc/hostname").read_text()

    return str(in_child(look))


def cloned(request: clone.CloneRequest, in_child: Callable[..., Any]) -> str:
    """The clone, as it was foreseen: the text of its root."""
    foreseen = clone.foresee(request)
    clone.clone(request, quiet)
    assert Path(request.target.config).read_text() == foreseen
    assert host_name(request.target, in_child) == "target\n"
    return root_of(request.target)


def nothing_is_left(lxc_path: str) -> None:
    assert os.listdir(lxc_path) == []
    assert not [one.target for one in mountinfo.read() if one.target.startswith(lxc_path + "/")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to", ["", *KINDS, "best"])
def test_a_copy(btrfs_path: Path, in_child: Callable[..., Any], kind: str, to: str) -> None:
    one = make(btrfs_path, kind)
    target = paths.container("target", one.lxc_path)
    root = cloned(clone.CloneRequest(one, target, backing_store=to), in_child)
    assert backends.kind_of(root) == {"": kind, "best": "btrfs"}.get(to, to)
    if kind == "loop":
        assert backends.for_rootfs(root).size() == {"": SIZE, "loop": SIZE}.get(to), "as large as its source"
    for each in (target, one):
        destroy.destroy(each)
    nothing_is_left(one.lxc_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot(btrfs_path: Path, in_child: Callable[..., Any], kind: str) -> None:
    one = make(btrfs_path, kind)
    request = clone.CloneRequest(one, paths.container("target", one.lxc_path), snapshot=True)
    if kind == "loop":
        for act in (clone.foresee, lambda request: clone.clone(request, quiet)):
            with pytest.raises(Unsupported, match="loop makes no snapshots"):
                act(request)
        request = request._replace(maybe=True)
    cloned(request, in_child)
    for each in (request.target, one):
        destroy.destroy(each)
    nothing_is_left(one.lxc_path)


def test_of_a_running_container(btrfs_path: Path, in_child: Callable[..., Any]) -> None:
    """Where a snapshot is one moment of it, and not otherwise."""
    one = make(btrfs_path, "btrfs")
    request = clone.CloneRequest(one, paths.container("target", one.lxc_path))
    stock.start_ours(one)
    try:
        with pytest.raises(InUse, match="source"):
            clone.clone(request, quiet)
        cloned(request._replace(snapshot=True), in_child)
        assert client.init_pid(one) > 0
    finally:
        client.stop(one, 30)
    for each in (request.target, one):
        destroy.destroy(each)
