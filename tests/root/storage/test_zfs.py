# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers in datasets: every part of their life, what LXC has made and what it makes of ours, and kills.

Where there is no ZFS it is a skip; in the virtual machine whose image has it, it is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import zfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from snapshots import check as snapshot_check
from snapshots import stock
from snapshots import task as snapshot_task
from storage_images import fill, run, same
from volume_hosts import Host, pid_root

POOL = "hostkit-test"
ROOT = f"{POOL}/lxc"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if zfs.missing():
        pytest.skip(f"no ZFS here: {zfs.missing()}")
    image = tmp_path_factory.mktemp("zfs") / "disk"
    run("truncate", "-s", "1G", str(image))
    run("zpool", "create", "-O", "mountpoint=none", POOL, str(image))
    try:
        run("zfs", "create", ROOT)
        yield POOL
    finally:
        run("zpool", "destroy", "-f", POOL)


@pytest.fixture
def host(pool: str, tmp_path: Path) -> Iterator[Host]:
    lxc_path = tmp_path / "lxc"
    lxc_path.mkdir()

    def left() -> list[str]:
        names = run("zfs", "list", "-H", "-o", "name", "-t", "filesystem,snapshot", "-r", ROOT).stdout.split()
        return [name[len(ROOT) + 1 :] for name in names if name != ROOT]

    made = Host(lxc_path, {"backing_store": "zfs", "zfs_root": ROOT}, left)
    yield made
    made.clean()


def test_made_started_limited_and_cloned(host: Host) -> None:
    entry = host.made("web", state="started", size="60M")
    assert host.root("web") == f"zfs:{ROOT}/web" and entry["state"] == "RUNNING"
    assert not host.made("web", state="started", size="60M")["changed"]
    (pid_root(entry) / "etc/state").write_text("running")
    with pytest.raises(OSError, match="quota"):
        (pid_root(entry) / "big").write_bytes(os.urandom(80 << 20))
    (pid_root(entry) / "big").unlink()
    assert host.state("web", "started", size="90M")["actions"] == ["resize web to 90M"]
    assert host.state("web", "started", size="70M")["actions"] == ["resize web to 70M"]
    assert "web is RUNNING" in host.refused("full", clone_from="web")
    host.cloned("web", "shared", clone_snapshot=True)
    assert host.read(host.one("shared")) == "running" and backends.for_rootfs(host.root("shared")).size() == 70 << 20
    again = host.state("shared", "started")
    assert (pid_root(again) / "etc/state").read_text() == "running"
    for name in ("web", "shared"):
        host.state(name, "stopped", stop_timeout=0)
    assert "shared" in host.refused("web", state="absent")
    host.cloned("shared", "third", clone_snapshot=True)
    host.cloned("web", "full")
    assert host.root("full") == f"zfs:{ROOT}/full" and host.read(host.one("full")) == "running"
    assert sorted(host.left()) == ["full", "shared", "shared@third", "third", "web", "web@shared"]
    for name in ("third", "shared", "web"):
        host.state(name, "absent")
    assert host.left() == ["full"]  # the snapshots went with their clones


def test_to_and_from_other_stores(host: Host) -> None:
    """With everything that a file can carry."""
    host.made("web", backing_store="dir", zfs_root=None)
    one = host.one("web")
    Path(one.rootfs, "all").mkdir()
    fill(Path(one.rootfs, "all"))
    host.write(one, "a directory's")
    host.cloned("web", "set", backing_store="zfs", zfs_root=ROOT)
    host.cloned("set", "layers", backing_store="overlayfs")
    host.cloned("layers", "plain", backing_store="dir")
    assert host.read(host.one("plain")) == "a directory's"
    found = host.inside(host.one("set"), lambda place: same(Path(one.rootfs, "all"), place / "all"))
    assert found == "" and same(Path(one.rootfs, "all"), Path(host.one("plain").rootfs, "all")) == ""


def test_snapshots(host: Host) -> None:
    host.made("web")
    web = host.one("web")
    host.write(web, "first")
    assert snapshot_check(web).changed
    snapshot_task(web, comment="kept")
    host.write(web, "second")
    snapshot_task(web)
    assert sorted(host.left()) == ["web", "web@web_snap0", "web@web_snap1", "web_snap0", "web_snap1"]
    snapshot_task(web, state="restored", snapshot="snap0", restore_as="other")
    assert host.root("other") == f"zfs:{ROOT}/other" and host.read(host.one("other")) == "first"
    snapshot_task(web, state="restored", snapshot="snap0")
    assert host.read(web) == "first" and host.root("web") == f"zfs:{ROOT}/web.1"
    snapshot_task(web, state="restored", snapshot="snap1")
    assert host.read(web) == "second" and host.root("web") == f"zfs:{ROOT}/web"
    entry = host.state("web", "started")
    assert (pid_root(entry) / "etc/state").read_text() == "second"
    host.state("web", "stopped", stop_timeout=0)
    for act in (snapshot_check, snapshot_task):
        with pytest.raises(Exception, match=r"Snapshot snap0 of web cannot be removed: its files are used by other"):
            act(web, state="absent", snapshot="snap0")
    snapshot_task(web, state="absent", snapshot="snap1")  # which the container was restored to
    assert host.read(web) == "second"
    snapshot_task(web, state="absent", snapshot="snap0", force=True)
    assert host.read(host.one("other")) == "first" and host.root("other") == f"zfs:{ROOT}/other.1"
    host.state("web", "absent")
    assert host.left() == ["other.1"]


def test_what_stands_against_it(host: Host) -> None:
    for more, words in (
        ({"zfs_root": f"{POOL}/nosuch"}, "nosuch' for zfs_root"),
        ({"zfs_root": "a@b"}, "for zfs_root"),
        ({"vg_name": "x"}, "for vg_name: expected backing_store lvm"),
        ({"fs_type": "ext4"}, "for fs_type"),
    ):
        said = {"template": "busybox", "network": [], **host.options, **more}
        assert words in host.refused("no", **said), more
    assert "for name" in host.refused("a@b", template="busybox", network=[], **host.options)
    run("zfs", "create", f"{ROOT}/web")
    assert "Dataset hostkit-test/lxc/web exists already" in host.refused("web", template="busybox", network=[], **host.options)
    run("zfs", "destroy", f"{ROOT}/web")
    host.check_gone()


def test_a_limit_that_is_too_low_leaves_nothing(host: Host) -> None:
    host.made("web")
    host.inside(host.one("web"), lambda place: (place / "big").write_bytes(os.urandom(40 << 20)))
    with pytest.raises(Exception, match=r"cp:|quota"):
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


def test_clones_that_nobody_has_listed(host: Host) -> None:
    host.made("web")
    run("zfs", "snapshot", f"{ROOT}/web@mine")
    run("zfs", "clone", f"{ROOT}/web@mine", f"{ROOT}/mine")
    assert f"its clones: zfs:{ROOT}/mine" in host.refused("web", state="absent")
    run("zfs", "destroy", f"{ROOT}/mine")
    host.state("web", "absent")
    assert host.left() == []


def test_stock_on_ours_and_ours_on_stock(host: Host, tmp_path: Path) -> None:
    host.made("web")
    host.write(host.one("web"), "ours")
    stock("lxc-start", host.one("web"))
    stock("lxc-stop", host.one("web"), "-k")
    stock("lxc-copy", host.one("web"), "-s", "-N", "shared")
    assert host.root("shared") == f"zfs:{ROOT}/shared" and host.read(host.one("shared")) == "ours"
    assert "shared" in host.refused("web", state="absent")
    entry = host.state("shared", "started")
    assert (pid_root(entry) / "etc/state").read_text() == "ours"
    host.state("shared", "absent", stop_timeout=0)
    assert host.left() == ["web"]
    snapshot_task(host.one("web"))
    assert "snap0" in stock("lxc-snapshot", host.one("web"), "-L")
    snapshot_task(host.one("web"), state="absent", all=True)
    stock("lxc-destroy", host.one("web"))
    assert host.left() == []
    config = tmp_path / "config"
    config.write_text("lxc.net.0.type = empty\n")
    stock("lxc-create", host.one("old"), "-f", str(config), "-B", "zfs", "--zfsroot", ROOT, "-t", "busybox")
    assert host.state("old", "started", backing_store="zfs", zfs_root=ROOT)["state"] == "RUNNING"
    host.state("old", "stopped", stop_timeout=0, size="80M")
    snapshot_task(host.one("old"))
    snapshot_task(host.one("old"), state="restored", snapshot="snap0")
    host.cloned("old", "new", clone_snapshot=True)
    for name in ("new", "old"):
        host.state(name, "absent", delete_snapshots=True)


def test_a_text_as_lxc_1_0_has_it(host: Host) -> None:
    """The directory that the dataset is mounted on."""
    host.made("web")
    one = host.one("web")
    run("zfs", "mount", f"{ROOT}/web")
    text = Path(one.config).read_text()
    Path(one.config).write_text(text.replace(f"lxc.rootfs.path = zfs:{ROOT}/web", f"lxc.rootfs = {one.rootfs}"))
    assert backends.kind_of(host.root("web")) == "zfs"
    assert host.state("web", "started", backing_store="zfs", zfs_root=ROOT)["state"] == "RUNNING"
    host.state("web", "absent", stop_timeout=0)
    assert host.left() == []
    host.check_gone()
