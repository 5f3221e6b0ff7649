# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full file system: what was begun fails with the kernel's own words, and is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mount_old
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import busybox, cache, debian, debianroot

NO_SPACE = "No space left on device"


def quiet(line: str) -> None:
    pass


def full(lxc_path: Path, template: str, **more: Any) -> tuple[str, list[str], int, int]:
    """In a mount namespace, on a small tmpfs: the error, what is there afterwards, and its blocks before and after."""
    mount_old.mount("tmpfs", str(lxc_path), "tmpfs", 0, f"size={more.pop('size', '8m')}")
    options = more.pop("options", {})
    before = os.statvfs(lxc_path).f_bfree
    try:
        create.create(create.CreateRequest(paths.container("gfull", str(lxc_path)), template, options, **more), quiet)
    except StepError as error:
        return "\n".join([error.message, *error.log]), os.listdir(lxc_path), before, os.statvfs(lxc_path).f_bfree
    return "made", [], 0, 0


def refused(said: tuple[str, list[str], int, int]) -> None:
    message, left, before, after = said
    assert NO_SPACE in message and left == [] and before == after, said


@pytest.fixture
def tarball(host: Path) -> Path:
    """Small files, then one that does not fit."""
    (host / "tree/etc").mkdir(parents=True)
    for number in range(20):
        (host / f"tree/etc/{number}").write_text("x" * 1000)
    (host / "tree/zbig").write_bytes(os.urandom(12 << 20))
    with tarfile.open(host / "fs.tar", "w") as tar:
        tar.add(host / "tree", ".")
    return host / "fs.tar"


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_a_tarball_that_does_not_fit(host: Path, tarball: Path, in_child: Callable[..., Any], store: str) -> None:
    refused(in_child(lambda: full(host / "lxc", "local", options={"fstree": str(tarball)}, backing_store=store)))


def test_a_zst_that_does_not_fit(host: Path, tarball: Path, in_child: Callable[..., Any]) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not on this host")
    subprocess.run(["zstd", "-q", tarball, "-o", f"{tarball}.zst"], check=True)
    refused(in_child(lambda: full(host / "lxc", "local", options={"fstree": f"{tarball}.zst"})))


def test_a_busybox_that_does_not_fit(host: Path, in_child: Callable[..., Any]) -> None:
    busybox.check({})
    refused(in_child(lambda: full(host / "lxc", "busybox", size="1m")))


def test_a_script_that_fills_it(host: Path, in_child: Callable[..., Any]) -> None:
    script = host / "lxc-fill"
    script.write_text('#!/bin/sh\nexec dd if=/dev/zero of="${3#--rootfs=}/big" bs=1M count=20\n')
    script.chmod(0o755)
    refused(in_child(lambda: full(host / "lxc", str(script))))


@pytest.fixture
def ready_made(host: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's template with another way to a root file system: this is about what comes after."""
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))
    monkeypatch.setattr(debian, "check", lambda options: None)
    monkeypatch.setattr(debian, "bootstrap", lambda wanted, rootfs, log: cache.tree.copy(str(host / "tree"), rootfs))
    monkeypatch.setattr(debianroot, "finish", lambda *args: None)
    (host / "cache").mkdir()
    return host / "cache"


def test_a_copy_from_the_cache_that_does_not_fit(host: Path, ready_made: Path, in_child: Callable[..., Any]) -> None:
    refused(in_child(lambda: full(host / "lxc", "debian")))
    assert not any(".new-" in path.name for path in (ready_made / "hostkit").iterdir())


def test_a_cache_that_is_full(host: Path, ready_made: Path, in_child: Callable[..., Any]) -> None:
    def act() -> tuple[tuple[str, list[str], int, int], list[str]]:
        mount_old.mount("tmpfs", str(ready_made), "tmpfs", 0, "size=8m")
        said = full(host / "lxc", "debian", size="64m")
        return said, [name for name in os.listdir(ready_made / "hostkit") if not name.endswith(".lock")]

    said, kept = in_child(act)
    refused(said)
    assert kept == []
