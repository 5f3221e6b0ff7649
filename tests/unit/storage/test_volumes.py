# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and datasets by what LVM and ZFS say of them, on a host that has neither: texts, names, and every refusal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command, lvm, mount, zfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy, partial, volumes
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.paths import Container
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import backends, copy, named, naming, volume
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.lvm import Lvm
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage.zfs import Zfs

WEB = Container("/lxc", "web")
MIB = 1 << 20


class Tools:
    """What LVM and ZFS would say; who changes something is noted."""

    def __init__(self) -> None:
        self.groups = {"vg": lvm.Group("vg", 4 * MIB, 2048 * MIB)}
        self.volumes = [
            lvm.Volume("vg", "pool", 999 * MIB, "twi-a-tz--", "", ""),
            lvm.Volume("vg", "thick", 64 * MIB, "owi-a-s---", "", ""),
            lvm.Volume("vg", "shared", 64 * MIB, "swi-a-s---", "thick", ""),
            lvm.Volume("vg", "thin", 64 * MIB, "Vwi-a-tz--", "", "pool"),
            lvm.Volume("vg", "thinner", 64 * MIB, "Vwi-a-tz--", "thin", "pool"),
        ]
        self.snapshots = {"tank/web": {"tank/web@s1": [], "tank/web@s2": ["tank/two", "tank/three"]}}
        self.datasets = {"tank", "tank/web", "tank/two", "tank/three"}
        self.calls: list[tuple[object, ...]] = []

    def note(self, what: str) -> Any:
        return lambda *args: self.calls.append((what, *args))


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools()
    monkeypatch.setattr(lvm, "missing", lambda: "")
    monkeypatch.setattr(lvm, "group", made.groups.get)
    monkeypatch.setattr(lvm, "volumes", lambda group: [one for one in made.volumes if one.group == group])
    monkeypatch.setattr(lvm, "of_device", lambda path: None)
    for name in ("create", "snapshot", "remove", "extend", "activate"):
        monkeypatch.setattr(lvm, name, made.note(name))
    monkeypatch.setattr(zfs, "missing", lambda: "")
    monkeypatch.setattr(zfs, "exists", made.datasets.__contains__)
    monkeypatch.setattr(zfs, "snapshots", lambda name: made.snapshots.get(name, {}))
    monkeypatch.setattr(zfs, "value", lambda name, key: {"refquota": "0", "referenced": str(9 * MIB)}.get(key, "-"))
    monkeypatch.setattr(zfs, "taken_for", lambda parent, name: [])
    for name in ("create", "snapshot", "clone", "promote", "destroy", "set_value"):
        monkeypatch.setattr(zfs, name, made.note(name))
    monkeypatch.setattr(command, "which", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(mount, "knows_fs", lambda name: True)
    return made


@pytest.mark.parametrize(
    ("text", "kind"),
    [("lvm:/dev/vg/web", "lvm"), ("zfs:tank/web", "zfs"), ("/dev/loop0", "lvm"), ("lvm:/dev/mapper/v--g-w--eb", "lvm")],
)
def test_texts(text: str, kind: str) -> None:
    if not os.path.exists("/dev/loop0") and text == "/dev/loop0":
        text = "lvm:/dev/loop0"
    store = backends.for_rootfs(text)
    assert (store.kind, store.directory()) == (kind, "")
    if "mapper" in text:
        assert isinstance(store, Lvm) and (store.group, store.name) == ("v-g", "w-eb")


@pytest.mark.parametrize("text", ["lvm:web", "lvm:/srv/x", "zfs:", "zfs:/not/mounted", "zfs:tank/we b", "zfs:-x", "zfs:a//b"])
def test_texts_that_mean_nothing(text: str) -> None:
    with pytest.raises(BadValue, match=r"lxc.rootfs.path"):
        backends.for_rootfs(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"vg_name": "vg"}, "lvm:/dev/vg/web"),
        ({"vg_name": "vg", "lv_name": "x-1", "thinpool": "pool", "size": "9G"}, "lvm:/dev/vg/x-1"),
    ],
)
def test_a_place_for_a_volume(tools: Tools, options: dict[str, object], expected: str) -> None:
    assert Lvm.place(WEB, options) == expected and tools.calls == []


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, BadValue, "'lxc' for vg_name: expected a volume group of this host"),
        ({"vg_name": "no"}, BadValue, "for vg_name"),
        ({"vg_name": "a/b"}, BadValue, "for vg_name: expected 1 to 127"),
        ({"vg_name": "vg", "thinpool": "thick"}, BadValue, "a thin pool in vg, which has pool"),
        ({"vg_name": "vg", "lv_name": "thick"}, InUse, "Logical volume thick exists in vg already"),
        ({"vg_name": "vg", "lv_name": "snapshot1"}, BadValue, "for lv_name"),
        ({"vg_name": "vg", "lv_name": "a_tdata"}, BadValue, "for lv_name"),
        ({"vg_name": "vg", "size": "3G"}, StepError, "3G are needed, and the volume group has 2G free"),
        ({"vg_name": "vg", "size": "1M"}, BadValue, "at least 2M for ext4"),
        ({"vg_name": "vg", "fs_type": "zfs"}, BadValue, "for fs_type"),
        ({"zfs_root": "tank"}, BadValue, "a backing store that takes zfs_root"),
        ({"directory": "/x"}, BadValue, "a backing store that takes directory"),
    ],
)
def test_what_stands_against_a_volume(tools: Tools, options: dict[str, object], kind: type[Exception], words: str) -> None:
    for act in (Lvm.place, Lvm.create):
        with pytest.raises(kind, match=words):
            act(WEB, options)
    assert tools.calls == []


def test_the_pool_that_lxc_would_take(tools: Tools) -> None:
    tools.volumes.append(lvm.Volume("vg", "lxc", 64 * MIB, "twi-a-tz--", "", ""))
    for options, pool in (({}, "lxc"), ({"thinpool": ""}, ""), ({"thinpool": "pool"}, "pool")):
        assert Lvm._plan(WEB, {"vg_name": "vg", **options})[1] == pool


def test_a_name_that_lvm_cannot_have(tools: Tools) -> None:
    with pytest.raises(BadValue, match="'a@b' for lv_name"):
        Lvm.place(Container("/lxc", "a@b"), {"vg_name": "vg"})


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, BadValue, "'lxc' for zfs_root: expected a dataset of this host"),
        ({"zfs_root": "tank/no"}, BadValue, "for zfs_root"),
        ({"zfs_root": "tank@x"}, BadValue, "for zfs_root: expected the name of a dataset"),
        ({"zfs_root": "tank"}, InUse, "Dataset tank/web exists already"),
        ({"zfs_root": "tank", "size": "x"}, BadValue, "for size"),
        ({"vg_name": "vg"}, BadValue, "a backing store that takes vg_name"),
        ({"fs_type": "xfs"}, BadValue, "a backing store that takes fs_type"),
    ],
)
def test_what_stands_against_a_dataset(tools: Tools, options: dict[str, object], kind: type[Exception], words: str) -> None:
    for act in (Zfs.place, Zfs.create):
        with pytest.raises(kind, match=words):
            act(WEB, options)
    assert tools.calls == []
    with pytest.raises(BadValue, match="'tank/a@b' for name"):
        Zfs.place(Container("/lxc", "a@b"), {"zfs_root": "tank"})


@pytest.mark.parametrize("program", ["lvcreate", "lvs", "zfs"])
def test_a_host_without_a_program(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(command, "which", lambda name: None if name == program else f"/sbin/{name}")
    kind = Zfs if program == "zfs" else Lvm
    for act in (lambda: kind.place(WEB, {}), lambda: kind("zfs:t/x" if program == "zfs" else "lvm:/dev/v/x").destroy()):
        with pytest.raises(Unsupported, match=program) as caught:
            act()
        assert caught.value.hint.startswith("Install ")


def test_a_kernel_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "which", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(lvm, "_CONTROL", f"{tmp_path}/control")
    monkeypatch.setattr(mount, "knows_fs", lambda name: name != "zfs")
    for kind, words in ((Lvm, "its kernel has no device mapper"), (Zfs, "its kernel has no zfs")):
        with pytest.raises(Unsupported, match=words):
            kind.place(WEB, {})
    with pytest.raises(Unsupported, match="kernel has no zfs"):
        backends.preload("zfs:tank/web")


def test_a_snapshot_and_what_has_none(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    two = Container("/lxc", "two")
    monkeypatch.setattr(Lvm, "_check_fs", lambda self: None)
    for name, depends in (("thick", True), ("thin", False)):
        made = Lvm(f"lvm:/dev/vg/{name}").snapshot(two)
        assert made == ("lvm:/dev/vg/two", depends) == (copy.snapshot_place(backends.for_rootfs(f"lvm:/dev/vg/{name}"), two), depends)
    tools.calls.clear()
    with pytest.raises(Unsupported, match="/dev/vg/shared is a snapshot of thick itself"):
        copy.snapshot_place(backends.for_rootfs("lvm:/dev/vg/shared"), two)
    tools.groups["vg"] = lvm.Group("vg", 4 * MIB, 60 * MIB)
    with pytest.raises(StepError, match="64M are needed, and the volume group has 60M free"):
        Lvm("lvm:/dev/vg/thick").snapshot(two)
    with pytest.raises(Unsupported, match="whole pool"):
        copy.snapshot_place(backends.for_rootfs("zfs:tank"), two)
    with pytest.raises(InUse, match="tank/two exists already"):
        copy.snapshot_place(backends.for_rootfs("zfs:tank/web"), two)
    assert tools.calls == []


def test_a_volume_that_others_need_is_not_removed(tools: Tools) -> None:
    assert Lvm("lvm:/dev/vg/thick").users() == ["lvm:/dev/vg/shared"] and Lvm("lvm:/dev/vg/thin").users() == []
    with pytest.raises(InUse, match="lvm:/dev/vg/shared would go with it"):
        Lvm("lvm:/dev/vg/thick").destroy()
    Lvm("lvm:/dev/vg/gone").destroy()
    assert tools.calls == []
    Lvm("lvm:/dev/vg/thin").destroy()
    assert tools.calls == [("remove", "vg", "thin")]


def test_a_device_of_another_kind(tools: Tools) -> None:
    with pytest.raises(Unsupported, match="/dev/null is no logical volume"):
        Lvm("lvm:/dev/null").destroy()


def test_clones_of_a_dataset_stay(tools: Tools) -> None:
    assert Zfs("zfs:tank/web").users() == ["zfs:tank/two", "zfs:tank/three"]
    Zfs("zfs:tank/web").destroy()
    assert tools.calls == [("promote", "tank/two"), ("destroy", "tank/web", "-r")]
    Zfs("zfs:tank/gone").destroy()
    assert len(tools.calls) == 2


def test_sizes(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lvm, "size", lambda self: 64 * MIB)
    assert named.rounded("lvm:/dev/vg/thin", 61 * MIB) == 64 * MIB and named.rounded("zfs:tank/web", 5) == 5
    Lvm("lvm:/dev/vg/thin").resize(61 * MIB)
    for name, size, kind, words in (
        ("thin", 60, BadValue, "at least 64M"),
        ("thick", 80, InUse, "lvm:/dev/vg/shared are snapshots of it"),
        ("shared", 80, Unsupported, "snapshot of thick, and as large"),
    ):
        with pytest.raises(kind, match=words):
            Lvm(f"lvm:/dev/vg/{name}").resize(size * MIB)
    with pytest.raises(BadValue, match="for size"):
        Zfs("zfs:tank/web").resize(8 * MIB)
    assert tools.calls == [] and Zfs("zfs:tank/web").size() is None


def made(tmp_path: Path, name: str, root: str, above: str = "") -> Container:
    one = Container(f"{tmp_path}{above}", name)
    os.makedirs(one.directory)
    Path(one.config).write_text(f"lxc.rootfs.path = {root}\n")
    return one


def test_names(tmp_path: Path) -> None:
    web = made(tmp_path, "web", "lvm:/dev/vg/web")
    assert naming.of(web) == "web" == naming.of(Container("/srv/snaps", "web"))
    assert naming.of(Container(f"{web.directory}/snaps", "snap0")) == "web_snap0"
    assert naming.of(Container(f"{tmp_path}snaps/web", "snap0")) == "web_snap0"
    work = Container(f"{tmp_path}/.hostkit-restore.web", "web")
    assert naming.home(work) == web and naming.of(work) == "web"
    assert naming.free(work, "web", {"web"}.__contains__) == "web.1" and naming.free(work, "web.1", {"web.1"}.__contains__) == "web"
    assert naming.free(web, "web", {"web"}.__contains__) == "web"
    Path(web.config).write_text("lxc.rootfs.path = lvm:/dev/vg/mine.3\n")
    assert naming.of(work) == "mine.3" and naming.free(work, "mine.3", {"mine.3"}.__contains__) == "mine"
    assert naming.means("mine", "mine.3") and naming.means("mine.3", "mine.3") and not naming.means("min", "mine.3")


def test_who_is_in_the_way(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LXC_RUN", f"{tmp_path}/run")
    web = made(tmp_path, "web", "lvm:/dev/vg/thick")
    snap = made(tmp_path, "snap0", "/dev/vg/shared", "/web/snaps")
    assert volumes.in_the_way(web, [web]) == [snap] and volumes.in_the_way(web, [web, snap]) == []
    assert volumes.clones(web) == [] and not volumes.can_share(web)
    assert volumes.can_share(made(tmp_path, "thin", "lvm:/dev/vg/thin"))
    tools.volumes.append(lvm.Volume("vg", "foreign", 64 * MIB, "swi-a-s---", "thick", ""))
    with pytest.raises(InUse, match="used by lvm:/dev/vg/foreign"):
        volumes.in_the_way(web, [web])
    assert volumes.clones(web) == ["lvm:/dev/vg/foreign"]
    made(tmp_path, "other", "lvm:/dev/vg/foreign")
    assert volumes.clones(web) == ["other"]
    text = Path(web.config).read_text()
    Path(web.config).write_text(text + "lxc.rootfs.managed = 0\n")
    assert volumes.clones(web) == []
    Path(web.config).write_text(text)
    with pytest.raises(InUse, match="used by its clones: other"):
        destroy.destroy(web, delete_snapshots=True)
    assert tools.calls == [] and os.path.exists(web.config)


def test_a_family_of_datasets_is_not_in_its_own_way(tmp_path: Path, tools: Tools) -> None:
    web = made(tmp_path, "web", "zfs:tank/web")
    made(tmp_path, "snap0", "zfs:tank/two", "/web/snaps")
    assert volumes.clones(web) == ["zfs:tank/three"]
    tools.snapshots["tank/two"] = {"tank/two@s3": ["tank/web", "tank/four"]}
    assert volumes.clones(Container(f"{web.directory}/snaps", "snap0")) == ["zfs:tank/four"]
    three = made(tmp_path, "three", "zfs:tank/three")
    assert volumes.in_the_way(web, [web]) == [three]
    assert volumes.clones(web) == ["three", "zfs:tank/four"]


def test_a_snapshot_that_was_copied_by_hand_has_another_ones_volume(tmp_path: Path) -> None:
    made(tmp_path, "web", "lvm:/dev/vg/web")
    mine = made(tmp_path, "snap0", "lvm:/dev/vg/web_snap0.1", "/web/snaps")
    assert volumes.outside(mine, "lvm:/dev/vg/web_snap0.1") == ""
    made(tmp_path, "copy", "lvm:/dev/vg/copy")
    copied = made(tmp_path, "snap0", "/dev/vg/web_snap0.1", "/copy/snaps")
    assert volumes.outside(copied, "lvm:/dev/vg/web_snap0.1") == "/dev/vg/web_snap0.1"
    assert volumes.outside(mine, "lvm:/dev/vg/web_snap0.1") == ""
    assert volumes.outside(copied, "lvm:/dev/vg/renamed_snap0") == "" == volumes.outside(copied, "zfs:tank/renamed_snap0")


def test_what_was_only_intended_and_is_somebody_elses_stays(tmp_path: Path, tools: Tools) -> None:
    one = Container(str(tmp_path), "one")
    for text, made_for, gone in (
        ("intended lvm:/dev/vg/thin", False, False),
        ("intended lvm:/dev/vg/thin", True, True),
        ("lvm:/dev/vg/thin", False, True),
    ):
        os.mkdir(one.directory)
        Path(one.partial).write_text(text)
        tags = (Lvm.tag(one),) if made_for else ()
        tools.volumes[3] = tools.volumes[3]._replace(tags=tags)
        tools.calls.clear()
        marker_fd = partial.mark(one, "remove it")
        destroy.clean_up(one, marker_fd)
        os.close(marker_fd)
        assert tools.calls == ([("remove", "vg", "thin")] if gone else []), text
        assert not os.path.lexists(one.directory)


def test_what_a_killed_task_has_left_is_not_in_the_way(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Container(str(tmp_path), "thick")
    os.mkdir(one.directory)
    monkeypatch.setattr(zfs, "value", lambda name, key: one.directory if key == zfs.OWNER else "-")
    tools.datasets.add("tank/thick")
    tools.volumes[1] = tools.volumes[1]._replace(tags=(Lvm.tag(one),))
    places = {Lvm: {"vg_name": "vg", "size": "2100M"}, Zfs: {"zfs_root": "tank"}}
    for kind, options in places.items():
        with pytest.raises(InUse, match="exists"):
            kind.place(one, options)
    Path(one.partial).touch()
    assert [kind.place(one, options) for kind, options in places.items()] == ["lvm:/dev/vg/thick", "zfs:tank/thick"]
    monkeypatch.setattr(zfs, "value", lambda name, key: "/another")
    tools.volumes[1] = tools.volumes[1]._replace(tags=())
    for kind, options in places.items():
        with pytest.raises(InUse, match="exists"):
            kind.place(one, options)


def test_only_what_a_killed_creation_left_is_unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo

    one = paths.container("one", str(tmp_path))
    os.mkdir(one.directory)
    there = [
        mountinfo.Mount(1, 0, "8:1", "/", place, "rw", (), "ext4", "ours", "rw") for place in (one.rootfs, f"{tmp_path}/rootfs", "/mnt")
    ]
    monkeypatch.setattr(mountinfo, "read", lambda: there)
    unmounted: list[str] = []
    monkeypatch.setattr(mount, "umount", lambda place, flags: unmounted.append(place))
    volume.unmount_left(lambda source: source == "ours")
    assert unmounted == []
    Path(one.partial).touch()
    volume.unmount_left(lambda source: source == "theirs")
    assert unmounted == []
    volume.unmount_left(lambda source: source == "ours")
    assert unmounted == [one.rootfs]
