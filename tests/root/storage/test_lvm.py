# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers in logical volumes, thick and thin: what makes them, grows them, clones them, and what stands against it.

Where there is no device mapper it is a skip; in the virtual machine it is a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import lvm
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from lvm_hosts import GROUP, is_thin
from storage_images import run
from volume_hosts import Host, pid_root

BIG = '#!/bin/sh\nfor a in "$@"; do case $a in --rootfs=*) root=${a#--rootfs=};; esac; done\nhead -c 40M /dev/urandom >$root/big\n'


def test_made_started_grown_and_cloned(lvm_host: Host) -> None:
    entry = lvm_host.made("web", state="started")
    assert lvm_host.root("web") == f"lvm:/dev/{GROUP}/web" and entry["state"] == "RUNNING"
    [volume] = [one for one in lvm.volumes(GROUP) if one.name == "web"]
    assert (volume.size, volume.pool) == (32 << 20, "pool" if is_thin(lvm_host) else "")  # whole extents
    assert not lvm_host.made("web", state="started", lv_name="web")["changed"]
    (pid_root(entry) / "etc/state").write_text("running")
    assert lvm_host.made("web", state="started", size="60M")["actions"] == ["resize web to 60M"]
    fs = os.statvfs(pid_root(entry))
    assert fs.f_blocks * fs.f_frsize > 48 << 20
    assert "at least 60M" in lvm_host.refused("web", size="40M")
    assert "web is RUNNING" in lvm_host.refused("full", clone_from="web")
    lvm_host.cloned("web", "shared", clone_snapshot=True)  # one moment of what runs
    assert lvm_host.read(lvm_host.one("shared")) == "running"
    again = lvm_host.state("shared", "started")
    assert (pid_root(again) / "etc/state").read_text() == "running"
    for name in ("web", "shared"):
        lvm_host.state(name, "stopped", stop_timeout=0)
    lvm_host.cloned("web", "full")
    assert lvm_host.root("full") == f"lvm:/dev/{GROUP}/full" and lvm_host.read(lvm_host.one("full")) == "running"
    assert backends.for_rootfs(lvm_host.root("full")).size() == 60 << 20
    kinds = {one.name: one for one in lvm.volumes(GROUP)}
    assert kinds["full"].pool == volume.pool and kinds["shared"].needs_origin != is_thin(lvm_host)
    if is_thin(lvm_host):
        lvm_host.state("web", "absent")
        assert lvm_host.read(lvm_host.one("shared")) == "running"
        return
    assert "shared" in lvm_host.refused("web", state="absent")
    assert f"snapshot of {volume.name} itself" in lvm_host.refused("third", clone_from="shared", clone_snapshot=True)
    assert "snapshot of web, and as large" in str(_raised(lvm_host, "shared", "70M"))
    assert "are snapshots of it" in str(_raised(lvm_host, "web", "70M"))
    for name in ("shared", "web"):
        lvm_host.state(name, "absent")


def _raised(lvm_host: Host, name: str, size: str) -> BaseException:
    with pytest.raises(BaseException, match="Logical volume") as caught:
        lvm_host.state(name, "present", size=size)
    return caught.value


def test_what_stands_against_it(thick: Host) -> None:
    for more, words in (
        ({"vg_name": "nosuch"}, "'nosuch' for vg_name"),
        ({"thinpool": "nosuch"}, "a thin pool in hostkit.test, which has pool"),
        ({"size": "9G"}, "9G are needed"),
        ({"size": "1M"}, "at least 2M for ext4"),
        ({"lv_name": "pool"}, "Logical volume pool exists in hostkit.test already"),
        ({"lv_name": "-x"}, "for lv_name"),
        ({"vg_name": "a/b"}, "for vg_name"),
        ({"zfs_root": "x"}, "for zfs_root: expected backing_store zfs"),
        ({"directory": "/x"}, "for directory: expected backing_store dir"),
    ):
        said = {"template": "busybox", "network": [], **thick.options, **more}
        assert words in thick.refused("no", **said), more
    assert thick.left() == []
    thick.check_gone()


def test_a_volume_that_is_too_small_leaves_nothing(lvm_host: Host, tmp_path: Path) -> None:
    template = tmp_path / "lxc-big"
    template.write_text(BIG)
    template.chmod(0o755)
    with pytest.raises(BaseException, match="ended with status 1"):
        lvm_host.made("big", template=str(template))
    assert lvm_host.left() == []
    lvm_host.check_gone()
    lvm_host.made("web", size="60M")
    lvm_host.inside(lvm_host.one("web"), lambda place: (place / "big").write_bytes(os.urandom(40 << 20)))
    with pytest.raises(BaseException, match=r"No space left|cp:"):
        lvm_host.cloned("web", "small", size="20M")
    assert lvm_host.left() == ["web"]
    lvm_host.check_gone("web")


def test_a_volume_of_somebody_else_stays(thick: Host) -> None:
    run("lvcreate", "-q", "-y", "-L", "8M", "-n", "web", GROUP)
    try:
        assert "Logical volume web exists" in thick.refused("web", template="busybox", network=[], **thick.options)
        assert thick.left() == ["web"]
        # A killed task that only wanted to make one of this name:
        os.mkdir(thick.one("web").directory)
        Path(thick.one("web").partial).write_text(f"intended lvm:/dev/{GROUP}/web")
        thick.state("web", "absent")
        assert thick.left() == ["web"]
        thick.check_gone()
    finally:
        run("lvremove", "-q", "-y", "-f", f"{GROUP}/web")


def test_snapshots_that_nobody_has_listed(thick: Host) -> None:
    thick.made("web")
    run("lvcreate", "-q", "-y", "-s", "-L", "8M", "-n", "mine", f"{GROUP}/web")
    try:
        assert f"its clones: lvm:/dev/{GROUP}/mine" in thick.refused("web", state="absent")
        assert sorted(thick.left()) == ["mine", "web"]
    finally:
        run("lvremove", "-q", "-y", "-f", f"{GROUP}/mine")
