# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers in logical volumes, thick and thin: every part of their life, what LXC has made and what it makes of ours, and kills.

Where there is no device mapper it is a skip; in the virtual machine it is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import lvm
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends, named
from snapshots import check as snapshot_check
from snapshots import stock
from snapshots import task as snapshot_task
from storage_images import apply, run
from volume_hosts import Host, pid_root

GROUP = "hostkit.test"
KINDS = {"thick": {}, "thin": {"thinpool": "pool"}}
BIG = '#!/bin/sh\nfor a in "$@"; do case $a in --rootfs=*) root=${a#--rootfs=};; esac; done\nhead -c 40M /dev/urandom >$root/big\n'


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A volume group with a thin pool, on a loop device."""
    if lvm.missing():
        pytest.skip(f"no logical volumes here: {lvm.missing()}")
    image = tmp_path_factory.mktemp("lvm") / "disk"
    run("truncate", "-s", "2G", str(image))
    device = run("losetup", "--find", "--show", str(image)).stdout.strip()
    try:
        run("vgcreate", "-q", GROUP, device)
        run("lvcreate", "-q", "-L", "500M", "--thinpool", "pool", GROUP)
        yield GROUP
    finally:
        run("vgremove", "-q", "-f", "-y", GROUP, check=False)
        run("pvremove", "-q", "-f", "-y", device, check=False)
        run("losetup", "-d", device)


@pytest.fixture(params=sorted(KINDS))
def host(request: pytest.FixtureRequest, group: str, tmp_path: Path) -> Iterator[Host]:
    yield from _host(group, tmp_path, request.param)


@pytest.fixture
def thick(group: str, tmp_path: Path) -> Iterator[Host]:
    yield from _host(group, tmp_path, "thick")


def _host(group: str, tmp_path: Path, kind: str) -> Iterator[Host]:
    lxc_path = tmp_path / "lxc"
    lxc_path.mkdir()
    options = {"backing_store": "lvm", "vg_name": group, "size": "30M", **KINDS[kind]}
    made = Host(lxc_path, options, lambda: [one.name for one in lvm.volumes(group) if not one.is_pool])
    made.kind = kind  # type: ignore[attr-defined]
    yield made
    for name in os.listdir(lxc_path):
        if os.path.exists(lxc_path / name / "config"):
            made.state(name, "absent", stop_timeout=0, delete_snapshots=True)
    assert made.left() == []


def is_thin(host: Host) -> bool:
    return bool(host.kind == "thin")  # type: ignore[attr-defined]


def test_made_started_grown_and_cloned(host: Host) -> None:
    entry = host.made("web", state="started")
    assert host.root("web") == f"lvm:/dev/{GROUP}/web" and entry["state"] == "RUNNING"
    [volume] = [one for one in lvm.volumes(GROUP) if one.name == "web"]
    assert (volume.size, volume.pool) == (32 << 20, "pool" if is_thin(host) else "")  # whole extents
    assert not host.made("web", state="started", lv_name="web")["changed"]
    (pid_root(entry) / "etc/state").write_text("running")
    assert host.made("web", state="started", size="60M")["actions"] == ["resize web to 60M"]
    fs = os.statvfs(pid_root(entry))
    assert fs.f_blocks * fs.f_frsize > 48 << 20
    assert "at least 60M" in host.refused("web", size="40M")
    assert "web is RUNNING" in host.refused("full", clone_from="web")
    host.cloned("web", "shared", clone_snapshot=True)  # one moment of what runs
    assert host.read(host.one("shared")) == "running"
    again = host.state("shared", "started")
    assert (pid_root(again) / "etc/state").read_text() == "running"
    for name in ("web", "shared"):
        host.state(name, "stopped", stop_timeout=0)
    host.cloned("web", "full")
    assert host.root("full") == f"lvm:/dev/{GROUP}/full" and host.read(host.one("full")) == "running"
    assert backends.for_rootfs(host.root("full")).size() == 60 << 20
    kinds = {one.name: one for one in lvm.volumes(GROUP)}
    assert kinds["full"].pool == volume.pool and kinds["shared"].needs_origin != is_thin(host)
    if is_thin(host):
        host.state("web", "absent")
        assert host.read(host.one("shared")) == "running"
        return
    assert "shared" in host.refused("web", state="absent")
    assert f"snapshot of {volume.name} itself" in host.refused("third", clone_from="shared", clone_snapshot=True)
    assert "snapshot of web, and as large" in str(_raised(host, "shared", "70M")) and "are snapshots of it" in str(
        _raised(host, "web", "70M")
    )
    for name in ("shared", "web"):
        host.state(name, "absent")


def _raised(host: Host, name: str, size: str) -> BaseException:
    with pytest.raises(BaseException, match="Logical volume") as caught:
        host.state(name, "present", size=size)
    return caught.value


def test_to_and_from_other_stores(thick: Host) -> None:
    thick.made("web", backing_store="dir", **dict.fromkeys(("vg_name", "size")))
    thick.write(thick.one("web"), "a directory's")
    thick.cloned("web", "one", backing_store="lvm", vg_name=GROUP, lv_name="other", size="40M", fs_type="ext3")
    assert thick.root("one") == f"lvm:/dev/{GROUP}/other" and thick.read(thick.one("one")) == "a directory's"
    thick.cloned("one", "two", backing_store="overlayfs")
    thick.cloned("two", "three", backing_store="lvm", vg_name=GROUP, thinpool="pool", size="30M")
    assert thick.read(thick.one("three")) == "a directory's"
    thick.cloned("three", "four", backing_store="dir")
    assert thick.read(thick.one("four")) == "a directory's"


def test_snapshots(host: Host) -> None:
    host.made("web")
    web = host.one("web")
    host.write(web, "first")
    assert snapshot_check(web).changed
    snapshot_task(web, comment="kept")
    host.write(web, "second")
    snapshot_task(web)
    assert set(host.left()) == {"web", "web_snap0", "web_snap1"}
    snapshot_task(web, state="restored", snapshot="snap0", restore_as="other")
    assert host.root("other") == f"lvm:/dev/{GROUP}/other" and host.read(host.one("other")) == "first"
    if not is_thin(host):
        for act in (snapshot_check, snapshot_task):
            with pytest.raises(
                Exception, match=r"Container web cannot be restored: its files are used by snap0, snap1|by .*/snap0, .*/snap1"
            ):
                act(web, state="restored", snapshot="snap0")
        assert host.read(web) == "second" and set(host.left()) == {"web", "web_snap0", "web_snap1", "other"}
    force = {} if is_thin(host) else {"force": True}
    snapshot_task(web, state="restored", snapshot="snap0", **force)
    assert host.read(web) == "first" and host.root("web") == f"lvm:/dev/{GROUP}/web.1"
    assert not host.made("web", lv_name="web")["changed"]
    snapshot_task(web, state="restored", snapshot="snap1")
    assert host.read(web) == "second" and host.root("web") == f"lvm:/dev/{GROUP}/web"
    entry = host.state("web", "started")
    assert (pid_root(entry) / "etc/state").read_text() == "second"
    host.state("web", "stopped", stop_timeout=0)
    assert "has the snapshots snap0, snap1" in host.refused("web", state="absent")
    snapshot_task(web, state="absent", snapshot="snap0")
    assert host.read(web) == "second"
    snapshot_task(web, state="absent", all=True)
    assert sorted(host.left()) == ["other", "web"]


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


def test_a_volume_that_is_too_small_leaves_nothing(host: Host, tmp_path: Path) -> None:
    template = tmp_path / "lxc-big"
    template.write_text(BIG)
    template.chmod(0o755)
    with pytest.raises(BaseException, match="ended with status 1"):
        host.made("big", template=str(template))
    assert host.left() == []
    host.check_gone()
    host.made("web", size="60M")
    host.inside(host.one("web"), lambda place: (place / "big").write_bytes(os.urandom(40 << 20)))
    with pytest.raises(BaseException, match=r"No space left|cp:"):
        host.cloned("web", "small", size="20M")
    assert host.left() == ["web"]
    host.check_gone("web")


def test_killed_while_it_is_made_and_cloned(host: Host) -> None:
    said = host.said("one", template="busybox", network=[], state="present", **host.options)
    host.kill_rounds(said, "one")
    host.made("src")
    host.write(host.one("src"), "kept")
    host.kill_rounds(host.said("one", clone_from="src", state="present"), "one")
    host.kill_rounds(host.said("one", clone_from="src", state="present", clone_snapshot=True), "one")
    assert host.read(host.one("src")) == "kept"


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
        assert f"used by lvm:/dev/{GROUP}/mine" in thick.refused("web", state="absent")
        assert sorted(thick.left()) == ["mine", "web"]
    finally:
        run("lvremove", "-q", "-y", "-f", f"{GROUP}/mine")


def test_stock_on_ours_and_ours_on_stock(host: Host, tmp_path: Path) -> None:
    """LXC 5.0 makes no snapshot of a volume (lxc-snapshot), and of a thin one no copy that shares it: it finds no device."""
    host.made("web")
    host.write(host.one("web"), "ours")
    stock("lxc-copy", host.one("web"), "-N", "theirs")
    assert host.read(host.one("theirs")) == "ours" and host.root("theirs") == f"lvm:/dev/{GROUP}/theirs"
    if not is_thin(host):
        stock("lxc-copy", host.one("web"), "-s", "-N", "shared")
        assert "its volume is used by shared" in host.refused("web", state="absent")
        entry = host.state("shared", "started")
        assert (pid_root(entry) / "etc/state").read_text() == "ours"
        host.state("shared", "absent", stop_timeout=0)
    stock("lxc-start", host.one("web"))
    stock("lxc-stop", host.one("web"), "-k")
    stock("lxc-destroy", host.one("web"))
    config = tmp_path / "config"
    config.write_text("lxc.net.0.type = empty\n")
    words = ["--thinpool", "pool"] if is_thin(host) else []
    stock("lxc-create", host.one("old"), "-f", str(config), "-B", "lvm", "--vgname", GROUP, "--fssize", "32M", *words, "-t", "busybox")
    text = Path(host.one("old").config).read_text()
    Path(host.one("old").config).write_text(text.replace("lxc.rootfs.path = lvm:", "lxc.rootfs = "))  # as LXC 1.0
    assert host.state("old", "started", backing_store="lvm", vg_name=GROUP)["state"] == "RUNNING"
    host.state("old", "stopped", stop_timeout=0, size="40M")
    snapshot_task(host.one("old"))
    host.cloned("old", "new", clone_snapshot=True)
    for name in ("new", "old"):
        host.state(name, "absent", delete_snapshots=True)
    assert host.left() == ["theirs"]


def test_xfs_with_its_snapshot(thick: Host) -> None:
    """Both have one UUID, and both run."""
    thick.made("web", fs_type="xfs", size="300M", state="started")
    thick.cloned("web", "two", clone_snapshot=True)
    assert thick.state("two", "started", size="300M")["state"] == "RUNNING"
    assert thick.state("two", "absent", stop_timeout=0)["state"] == "ABSENT"
    entry = thick.state("web", "started", size="400M")
    fs = os.statvfs(pid_root(entry))
    assert fs.f_blocks * fs.f_frsize > 360 << 20


def test_a_device_that_a_boot_has_left_out(thick: Host) -> None:
    thick.made("web")
    run("lvchange", "-an", f"{GROUP}/web")
    assert thick.state("web", "started")["state"] == "RUNNING"
    thick.state("web", "stopped", stop_timeout=0)
    run("lvremove", "-q", "-f", "-y", f"{GROUP}/web")
    thick.state("web", "absent")


def test_names(thick: Host) -> None:
    said: dict[str, Any] = {**thick.options, "template": "busybox", "network": []}
    assert "for lv_name" in thick.refused("a@b", **said)
    apply(**{**thick.said("a@b"), **said, "lv_name": "a-b", "state": "present"})
    assert thick.left() == ["a-b"] and os.path.exists(f"/dev/mapper/{GROUP}-a--b")
    for text in (f"/dev/mapper/{GROUP}-a--b", os.path.realpath(f"/dev/{GROUP}/a-b")):
        store = named.of(f"lvm:{text}")
        assert store is not None and store.place_options() == {"vg_name": GROUP, "lv_name": "a-b"}
