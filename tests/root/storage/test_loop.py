# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots in image files, on real loop devices."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command, libc, loop, mount, mountinfo
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.copy import copy
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.dir import Dir
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.loop import Loop
from storage_images import apply, fill, need, predict, run, same, wait_for_no_device

Task = Callable[..., dict[str, Any]]
SIZES = {"ext4": "32M", "ext3": "32M", "ext2": "32M", "xfs": "300M", "btrfs": "110M"}
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def no_device_stays(tmp_path: Path) -> Iterator[None]:
    need("mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
    yield
    for image in tmp_path.rglob("rootdev"):
        wait_for_no_device(str(image))


def container(tmp_path: Path, name: str = "one") -> paths.Container:
    one = paths.container(name, str(tmp_path))
    os.makedirs(one.directory, exist_ok=True)
    return one


def made(tmp_path: Path, name: str = "one", **options: object) -> Loop:
    return Loop(Loop.create(container(tmp_path, name), {"size": "32M", **options}))


def test_a_new_one_is_sparse_and_closed_to_others(tmp_path: Path) -> None:
    store = Loop(Loop.create(container(tmp_path), {}))
    assert store.rootfs_path == f"loop:{tmp_path}/one/rootdev"
    image = os.stat(tmp_path / "one/rootdev")
    assert image.st_size == 1 << 30 == store.size() and image.st_blocks * 512 < 64 << 20 and image.st_mode & 0o7777 == 0o600
    assert run("blkid", "-o", "value", "-s", "TYPE", f"{tmp_path}/one/rootdev").stdout == "ext4\n"
    store.destroy()
    assert os.listdir(tmp_path / "one") == []
    store.destroy()


@pytest.mark.parametrize("fs_type", SIZES)
def test_it_is_filled_and_copied(tmp_path: Path, fs_type: str) -> None:
    store = made(tmp_path, fs_type=fs_type, size=SIZES[fs_type])
    one, target = container(tmp_path), container(tmp_path, "two")
    root = store.mount_host(one.rootfs)
    assert root == one.rootfs and os.listdir(root) == []
    fill(Path(root))
    store.umount(root)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    content = Path(f"{tmp_path}/one/rootdev").read_bytes()
    copy(store, Dir(Dir.create(target, {})), target.rootfs)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    assert Path(f"{tmp_path}/one/rootdev").read_bytes() == content
    with mounted(store, root, "ro,noatime"):
        assert same(Path(root), Path(target.rootfs)) == "" and os.statvfs(root).f_flag & os.ST_RDONLY


@contextmanager
def mounted(store: Loop, place: str, options: str = "") -> Iterator[None]:
    store.mount(place, options)
    try:
        yield
    finally:
        mount.umount(place, 0)


def has(place: str) -> int:
    found = os.statvfs(place)
    return found.f_blocks * found.f_frsize


@pytest.mark.parametrize("fs_type", SIZES)
def test_it_grows_while_nobody_uses_it(tmp_path: Path, fs_type: str) -> None:
    store, root = made(tmp_path, fs_type=fs_type, size=SIZES[fs_type]), tmp_path / "mount"
    root.mkdir()
    with mounted(store, str(root)):
        (root / "file").write_text("x")
        before = has(str(root))
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    size = store.size() + (200 << 20)
    store.resize(size)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    assert store.size() == size
    with mounted(store, str(root)):
        assert has(str(root)) > before + (180 << 20) and (root / "file").read_text() == "x"


@pytest.mark.parametrize("fs_type", SIZES)
def test_it_grows_while_it_is_mounted(tmp_path: Path, fs_type: str) -> None:
    store, root = made(tmp_path, fs_type=fs_type, size=SIZES[fs_type]), tmp_path / "mount"
    root.mkdir()
    with mounted(store, str(root)):
        before, held = has(str(root)), loop.attached(f"{tmp_path}/one/rootdev")
        if fs_type.startswith("ext") and not may_resize():
            with pytest.raises(StepError, match="Operation not permitted") as caught:
                store.resize(store.size() + (200 << 20))
            assert "Stop the container" in caught.value.hint
            assert store.size() == 32 << 20 and has(str(root)) == before
            return
        store.resize(store.size() + (200 << 20))
        assert has(str(root)) > before + (180 << 20) and loop.attached(f"{tmp_path}/one/rootdev") == held


def may_resize() -> bool:
    """CAP_SYS_RESOURCE, which some sandboxes take from their root."""
    effective = next(line for line in open("/proc/self/status", encoding="ascii") if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> 24 & 1)


def test_what_a_btrfs_cannot_be_resized_to(tmp_path: Path) -> None:
    store = made(tmp_path, fs_type="btrfs", size="110M")
    with pytest.raises(BadValue, match="at least 256M"):
        store.resize(200 << 20)
    assert store.size() == 110 << 20


def test_it_does_not_shrink(tmp_path: Path) -> None:
    store = made(tmp_path)
    with pytest.raises(BadValue, match=r"at least 32M, which .*/one/rootdev has"):
        store.resize(16 << 20)
    assert store.size() == 32 << 20


def test_it_makes_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="loop makes no snapshots"):
        made(tmp_path).snapshot(container(tmp_path, "two"))


@pytest.mark.parametrize("fs_type", ["ext4 -O x", "-x", "", "../ext4", "vfat", "ext4\n"])
def test_a_type_that_is_none(tmp_path: Path, fs_type: str) -> None:
    with pytest.raises(BadValue, match="fs_type"):
        Loop.create(container(tmp_path), {"fs_type": fs_type})
    assert os.listdir(tmp_path / "one") == []


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_PATH", "/nowhere")
    for act in (Loop.place, Loop.create):
        with pytest.raises(Unsupported, match=r"no mkfs\.xfs") as caught:
            act(container(tmp_path), {"fs_type": "xfs", "size": "1G"})
        assert "xfsprogs" in caught.value.hint
    assert os.listdir(tmp_path / "one") == []


def test_a_program_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mkfs.ext4").write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    (tmp_path / "mkfs.ext4").chmod(0o755)
    monkeypatch.setattr(command, "_PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(StepError, match="no such luck"):
        made(tmp_path)
    assert os.listdir(tmp_path / "one") == []


def test_a_link_in_the_image_s_place_is_not_followed(tmp_path: Path) -> None:
    made(tmp_path, "victim")
    one = container(tmp_path)
    os.symlink(tmp_path / "victim/rootdev", tmp_path / "one/rootdev")
    with pytest.raises(FileExistsError):
        Loop.create(one, {"size": "32M"})
    with pytest.raises(OSError, match="Too many levels"):
        Loop(f"loop:{tmp_path}/one/rootdev").open_root()
    Loop(f"loop:{tmp_path}/one/rootdev").destroy()
    assert os.path.exists(tmp_path / "victim/rootdev") and not os.path.lexists(tmp_path / "one/rootdev")


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    one = container(tmp_path)
    Path(one.directory, "rootdev").write_bytes(b"\0" * (1 << 20))
    with pytest.raises(StepError, match="there is no ext2, ext3, ext4, xfs or btrfs in it"):
        Loop(f"loop:{one.directory}/rootdev").open_root()
    os.unlink(f"{one.directory}/rootdev")
    os.mkfifo(f"{one.directory}/rootdev")
    with pytest.raises(OSError, match="not a regular file"):
        Loop(f"loop:{one.directory}/rootdev").open_root()
    os.unlink(f"{one.directory}/rootdev")


def test_texts_without_a_prefix(tmp_path: Path) -> None:
    made(tmp_path)
    assert backends.kind_of(f"{tmp_path}/one/rootdev") == "loop" == backends.for_rootfs(f"{tmp_path}/one/rootdev").kind
    assert backends.kind_of("/dev/loop0") == "lvm"


def test_the_device_lives_as_long_as_the_mount_in_its_namespace(tmp_path: Path, in_child: Callable[..., Any]) -> None:
    store = made(tmp_path)
    place = tmp_path / "place"
    place.mkdir()

    def inside() -> str:
        mount.set_attr("/", propagation=libc.MS_PRIVATE, recursive=True)
        store.mount(str(place), "nosuid,data=ordered")
        (place / "file").write_text("x")
        [device] = loop.attached(f"{tmp_path}/one/rootdev")
        return device

    assert in_child(inside).startswith("/dev/loop")
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    assert os.listdir(place) == []


def test_its_mount_imports_nothing(tmp_path: Path, in_child: Callable[..., Any]) -> None:
    """Who mounts it is about to enter the container."""
    store = made(tmp_path)
    place = tmp_path / "place"
    place.mkdir()

    def inside() -> list[str]:
        mount.set_attr("/", propagation=libc.MS_PRIVATE, recursive=True)
        backends.preload(store.rootfs_path)
        before = set(sys.modules)
        backends.for_rootfs(store.rootfs_path).mount(str(place), "noatime")
        return sorted(set(sys.modules) - before)

    assert in_child(inside) == []


def test_a_journal_that_a_crash_left_is_played_back(tmp_path: Path) -> None:
    store, one, target = made(tmp_path), container(tmp_path), container(tmp_path, "two")
    root = store.mount_host(one.rootfs)
    Path(root, "file").write_text("written")
    os.sync()
    crashed = Path(f"{tmp_path}/one/rootdev").read_bytes()
    store.umount(root)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    Path(f"{tmp_path}/one/rootdev").write_bytes(crashed)
    copy(store, Dir(Dir.create(target, {})), target.rootfs)
    assert Path(target.rootfs, "file").read_text() == "written"


def test_an_image_has_one_device_however_many_ask_at_once(tmp_path: Path) -> None:
    image = made(tmp_path).rootfs_path[5:]
    devices: list[loop.Device] = []
    threads = [threading.Thread(target=lambda: devices.append(loop.attach(image))) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(devices) == 8 and len({device.path for device in devices}) == 1
    for device in devices:
        os.close(device.fd)


def test_an_image_of_which_a_part_is_in_use(tmp_path: Path) -> None:
    image = made(tmp_path).rootfs_path[5:]
    device = run("losetup", "--find", "--show", "--offset", "1048576", image).stdout.strip()
    try:
        with pytest.raises(OSError, match=f"{device} is a part of it"):
            loop.attach(image)
    finally:
        run("losetup", "--detach", device)
    wait_for_no_device(image)


def _attach_and_wait(image: str, start: Any, pipe: Any) -> None:
    start.wait(30)
    device = loop.attach(image)
    pipe.send(device.path)
    pipe.recv()


def test_a_free_device_is_raced_for(tmp_path: Path) -> None:
    images = [made(tmp_path, f"c{number}").rootfs_path[5:] for number in range(12)]
    barrier = FORK.Barrier(len(images))
    pipes, processes = [], []
    for image in images:
        ours, theirs = FORK.Pipe()
        processes.append(FORK.Process(target=_attach_and_wait, args=(image, barrier, theirs)))
        processes[-1].start()
        pipes.append(ours)
    devices = [pipe.recv() for pipe in pipes]
    assert len(set(devices)) == len(images)
    for pipe, process in zip(pipes, processes):
        pipe.send("end")
        process.join(30)


def test_before_linux_5_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOOP_CONFIGURE", 0x4CFF)
    image = made(tmp_path).rootfs_path[5:]
    device = loop.attach(image)
    assert not loop.have_configure and loop.attached(image) == [device.path]
    os.close(device.fd)
    wait_for_no_device(image)
    device = loop.attach(image, read_only=True)
    assert device.read_only
    with pytest.raises(OSError, match="reads it"):
        monkeypatch.setattr(loop, "_PATIENCE", 0.1)
        loop.attach(image)
    os.close(device.fd)
    monkeypatch.setattr(loop, "have_configure", True)


def test_without_the_new_mount_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.12."""
    monkeypatch.setattr(mount, "new_api", False)
    store, one, target = made(tmp_path, fs_type="xfs", size="300M"), container(tmp_path), container(tmp_path, "two")
    root = store.mount_host(one.rootfs)
    fill(Path(root))
    store.umount(root)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    copy(store, Dir(Dir.create(target, {})), target.rootfs)
    wait_for_no_device(f"{tmp_path}/one/rootdev")
    store.resize(400 << 20)
    with mounted(store, root, "ro"):
        assert same(Path(root), Path(target.rootfs)) == "" and has(root) > 330 << 20
    assert not [found for found in mountinfo.read() if found.target.startswith(("/run/mount-", str(tmp_path)))]


def test_many_start_at_once_each_from_its_image(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(5)]
    said = {"name": names, "lxc_path": str(tmp_path), "template": "busybox", "network": [], "backing_store": "loop", "size": "24M"}
    try:
        for state in ("started", "restarted"):
            report = fleet.job({**said, "state": state, "stop_timeout": 5}).apply()
            assert not report.failed, report.failed
            assert [entry["state"] for entry in report.result["containers"]] == ["RUNNING"] * len(names)
            devices = [loop.attached(f"{tmp_path}/{name}/rootdev") for name in names]
            assert len({device for found in devices for device in found}) == len(names)
    finally:
        report = fleet.job({"name": names, "lxc_path": str(tmp_path), "state": "absent", "stop_timeout": 0}).apply()
    assert not report.failed and os.listdir(tmp_path) == []


def test_a_full_host_is_heard_of(tmp_path: Path) -> None:
    """The image is sparse: all that is written fits into its own file system, and not into the one around it."""
    (tmp_path / "small").mkdir()
    mount.mount("tmpfs", str(tmp_path / "small"), "tmpfs", 0, "size=16m")
    try:
        source = container(tmp_path, "source")
        (tmp_path / "source/rootfs").mkdir()
        (tmp_path / "source/rootfs/big").write_bytes(os.urandom(24 << 20))
        store = made(tmp_path / "small", size="64M")
        with pytest.raises(OSError) as caught:
            copy(Dir(f"dir:{source.rootfs}"), store, f"{tmp_path}/small/one/rootfs")
        assert caught.value.errno == errno.ENOSPC
        assert not os.path.ismount(f"{tmp_path}/small/one/rootfs")
        store.destroy()
    finally:
        run("umount", "--lazy", str(tmp_path / "small"))


def test_a_task_makes_starts_grows_and_removes(tmp_path: Path, task: Task) -> None:
    said = {"name": "l1", "lxc_path": str(tmp_path), "template": "busybox", "network": [], "backing_store": "loop", "size": "64M"}
    assert predict(**said).changed and os.listdir(tmp_path) == []
    entry = task(**said)
    image = f"{tmp_path}/l1/rootdev"
    assert entry["state"] == "RUNNING" and entry["rootfs"] == f"loop:{image}"
    assert not task(**said)["changed"] and len(loop.attached(image)) == 1
    assert image not in Path("/proc/self/mountinfo").read_text()
    larger = {**said, "size": "128M"}
    assert predict(**larger).changed
    if not may_resize():
        assert task(**{**said, "state": "stopped"})["state"] == "STOPPED"
        wait_for_no_device(image)
    assert task(**larger)["actions"][0] == "resize l1 to 128M" and not task(**larger)["changed"]
    assert has(f"/proc/{apply(**larger)['init_pid']}/root") > 100 << 20
    with pytest.raises((AssertionError, BadValue), match="at least 128M"):
        task(**said)
    assert task(**{**larger, "state": "stopped"})["state"] == "STOPPED"
    wait_for_no_device(image)
    again = task(**{**larger, "state": "restarted"})
    assert again["state"] == "RUNNING"
    apply(name="l1", lxc_path=str(tmp_path), state="absent")
    assert not os.path.lexists(tmp_path / "l1")


def test_a_creation_that_is_killed_is_cleaned_up_by_the_next(tmp_path: Path, task: Task) -> None:
    """While the template is at work, the image is mounted on the host."""
    script = tmp_path / "lxc-slow"
    script.write_text(f"#!/bin/sh\n[ -e {tmp_path}/again ] && exit 0\ntouch {tmp_path}/here\nsleep 600\n")
    script.chmod(0o755)
    said = {
        "name": "k1",
        "lxc_path": str(tmp_path / "c"),
        "template": str(script),
        "backing_store": "loop",
        "size": "32M",
        "state": "present",
    }
    first = FORK.Process(target=apply, kwargs=said)
    first.start()
    while not (tmp_path / "here").exists():
        first.join(0.05)
        assert first.exitcode is None
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join(30)
    run("pkill", "-f", str(script), check=False)
    assert os.path.ismount(tmp_path / "c/k1/rootfs")
    (tmp_path / "again").touch()
    assert task(**said)["changed"]
    assert not os.path.ismount(tmp_path / "c/k1/rootfs") and len([m for m in mountinfo.read() if str(tmp_path) in m.target]) == 0
    assert not task(**said)["changed"]
