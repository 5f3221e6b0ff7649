# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cgroups in directories that stand for legacy, hybrid and unified hosts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup import layout, limits
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, cgroupfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.cgroupfs import Hierarchy

LEGACY = (("cpuset",), ("cpu", "cpuacct"), ("memory",), ("name=systemd",))
EMPTY = parser.loads("")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """host("legacy" | "hybrid" | "unified") -> the hierarchies; their files are plain ones."""

    def make(kind: str) -> list[Hierarchy]:
        found = [] if kind == "unified" else [Hierarchy(names, str(tmp_path / names[0]), 1) for names in LEGACY]
        if kind != "legacy":
            found.append(Hierarchy((), str(tmp_path / "unified"), 2))
        for one in found:
            Path(one.mount_point).mkdir(exist_ok=True)
        if kind != "unified":
            for file, value in (("cpuset.cpus", "0-1\n"), ("cpuset.mems", "0\n")):
                (tmp_path / "cpuset" / file).write_text(value)
        monkeypatch.setattr(cgroupfs, "hierarchies", lambda: found)
        return found

    real_mkdir = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        """As the kernel does: a new cgroup has its files."""
        real_mkdir(path, mode)
        for file in (
            "cpuset.cpus",
            "cpuset.mems",
            "cgroup.clone_children",
            "cgroup.freeze",
            "cgroup.procs",
            "memory.limit_in_bytes",
            "memory.max",
            "pids.max",
            "devices.deny",
        ):
            Path(path, file).touch()
        Path(path, "cgroup.controllers").write_text("memory pids\n")
        Path(path, "cgroup.subtree_control").touch()
        Path(path, "cgroup.events").write_text("populated 0\n")

    def remove(directory: str, timeout: float = 5.0) -> None:
        for base, _directories, files in os.walk(directory, topdown=False):
            for file in files:
                os.unlink(f"{base}/{file}")
            os.rmdir(base)

    monkeypatch.setattr(layout.os, "mkdir", mkdir)
    monkeypatch.setattr(cgroupfs, "remove_tree", remove)
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified/cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "unified/cgroup.subtree_control").touch()
    return make


@pytest.mark.parametrize(
    ("kind", "number", "count"), [("legacy", layout.LEGACY, 4), ("hybrid", layout.HYBRID, 5), ("unified", layout.UNIFIED, 1)]
)
def test_one_cgroup_in_every_hierarchy(host, kind: str, number: int, count: int) -> None:  # type: ignore[no-untyped-def]
    host(kind)
    made = layout.create(EMPTY, "u1")
    assert (layout.kind(made), len(made)) == (number, count)
    assert {one.path for one in made} == {"/lxc.payload.u1"}
    assert all(os.path.isdir(one.directory) for one in made)
    assert layout.remove(made) == [] and not any(os.path.exists(one.directory) for one in made)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("lxc.cgroup.dir = own/place\n", "/own/place/lxc.payload.u1"),
        ("lxc.cgroup.dir.container = all/of/it\n", "/all/of/it"),
        ("lxc.cgroup.dir = a\nlxc.cgroup.dir.container = b\nlxc.cgroup.dir.monitor = c\n", "/b"),
    ],
)
def test_where_the_config_wants_it(host, text: str, path: str) -> None:  # type: ignore[no-untyped-def]
    host("unified")
    assert {one.path for one in layout.create(parser.loads(text), "u1")} == {path}


def test_a_name_that_is_taken_gets_a_number(host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host("unified")
    first = layout.create(EMPTY, "u1")
    Path(first[0].directory, "cgroup.events").write_text("populated 1\n")
    os.utime(first[0].directory, (0, 0))
    assert layout.create(EMPTY, "u1")[0].path == "/lxc.payload.u1-1"
    with pytest.raises(StepError, match="taken"):
        fixed = parser.loads("lxc.cgroup.dir.container = lxc.payload.u1\n")
        layout.create(fixed, "u1")


def test_one_that_is_new_may_be_another_launcher_s(host, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """Both found the name free: the second to make it goes on to the next."""
    host("legacy")
    first = layout.create(EMPTY, "u1")
    assert layout.create(EMPTY, "u1")[0].path == "/lxc.payload.u1-1", "empty and new: left alone"
    monkeypatch.setattr(layout, "_free", lambda _directory: True)
    second = layout.create(EMPTY, "u1")
    assert {one.path for one in second} == {"/lxc.payload.u1-2"}
    assert all(os.path.isdir(one.directory) for one in (*first, *second))


def test_an_old_leftover_is_replaced(host, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    host("unified")
    layout.create(EMPTY, "u1")
    now = layout.time.time()
    monkeypatch.setattr(layout.time, "time", lambda: now + 3600)
    assert layout.create(EMPTY, "u1")[0].path == "/lxc.payload.u1"


def test_a_hierarchy_that_refuses_leaves_none_in_the_others(host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    found = host("legacy")
    real = layout._make_one

    def refuse(cgroup: layout.Cgroup, exclusive: bool = False) -> None:
        if "memory" in cgroup.controllers:
            raise OSError(30, "Read-only file system")
        real(cgroup, exclusive)

    monkeypatch.setattr(layout, "_make_one", refuse)
    with pytest.raises(StepError, match="memory"):
        layout.create(EMPTY, "u1")
    assert not any(os.path.exists(f"{one.mount_point}/lxc.payload.u1") for one in found)


def test_a_new_cpuset_gets_its_parent_s(host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host("legacy")
    layout.create(parser.loads("lxc.cgroup.dir = above\n"), "u1")
    below = tmp_path / "cpuset/above/lxc.payload.u1"
    assert (below / "cpuset.cpus").read_text().strip() == "0-1" and (below / "cpuset.mems").read_text().strip() == "0"


def test_controllers_are_handed_down(host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host("unified")
    layout.create(parser.loads("lxc.cgroup.dir = above\n"), "u1")
    for place in ("unified", "unified/above"):
        assert "+" in (tmp_path / place / "cgroup.subtree_control").read_text()
    assert (tmp_path / "unified/above/lxc.payload.u1/cgroup.subtree_control").read_text() == "", "init does that itself"


@pytest.mark.parametrize("born", [True, False])
def test_a_process_enters_by_tasks_and_v2_only_where_it_was_not_born_there(host, born: bool) -> None:  # type: ignore[no-untyped-def]
    """By tasks and with 0, or the kernel makes it wait."""
    host("hybrid")
    cgroups = layout.create(EMPTY, "c1")
    for cgroup in cgroups[:-1]:
        Path(cgroup.directory, "tasks").touch()
    layout.enter(cgroups, born)
    assert [Path(cgroup.directory, "tasks").read_text() for cgroup in cgroups[:-1]] == ["0"] * len(LEGACY)
    assert Path(cgroups[-1].directory, "cgroup.procs").read_text() == ("" if born else "0")
    Path(cgroups[1].directory, "tasks").unlink()
    with pytest.raises(StepError, match=f"Join cgroup {cgroups[1].directory}"):
        layout.enter(cgroups, born)


def test_find(host) -> None:  # type: ignore[no-untyped-def]
    host("hybrid")
    made = layout.create(EMPTY, "u1")

    def seen(controller: str) -> object:
        found = layout.find(made, controller)
        return found and (found.controllers, found.version)

    assert seen("cpuacct") == (("cpu", "cpuacct"), 1)
    assert seen("name=systemd") == (("name=systemd",), 1)
    assert seen("") == ((), 2)
    assert seen("pids") == ((), 2), "which the unified one has"
    assert seen("freezer") == ((), 2), "which every unified cgroup can do"
    assert seen("blkio") is None
    assert layout.find([one for one in made if one.version == 1], "").controllers == ("cpuset",)  # type: ignore[union-attr]
    assert layout.find([], "memory") is None
    assert layout.find(made, "devices") is None, "which has files of its own where there is version 1"
    unified = [one for one in made if one.version == 2]
    assert layout.find(unified, "devices") == unified[0] and layout.find([], "devices") is None


def test_back_from_a_message(host) -> None:  # type: ignore[no-untyped-def]
    host("hybrid")
    made = layout.create(EMPTY, "u1")
    assert [layout.from_fields([list(one.controllers), *one[1:]]) for one in made] == made


def test_limits_by_version(host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "lxc.cgroup.memory.limit_in_bytes = 64M\nlxc.cgroup2.memory.max = 32M\n"
    host("legacy")
    made = layout.create(EMPTY, "u1")
    assert limits.apply(parser.loads(text), made) == ["lxc.cgroup2.memory.max has no effect: this host has no cgroup v2 hierarchy"]
    assert (tmp_path / "memory/lxc.payload.u1/memory.limit_in_bytes").read_text() == "64M"


def test_limits_of_a_unified_host(host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    text = "lxc.cgroup.memory.limit_in_bytes = 64M\nlxc.cgroup2.memory.max = 32M\nlxc.cgroup2.devices.deny = a\n"
    host("unified")
    attached = []
    monkeypatch.setattr(cgroup_bpf, "attach", lambda directory, program: attached.append((directory, program)))
    warnings = limits.apply(parser.loads(text), layout.create(EMPTY, "u1"))
    assert attached == [(str(tmp_path / "unified/lxc.payload.u1"), cgroup_bpf.instructions(False, []))]
    assert (tmp_path / "unified/lxc.payload.u1/memory.max").read_text() == "32M"
    assert [warning.split(" has ")[0] for warning in warnings] == ["lxc.cgroup.memory.limit_in_bytes"]


def test_limits_of_a_hybrid_host_go_where_the_controller_is(host, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "lxc.cgroup.memory.limit_in_bytes = 64M\nlxc.cgroup2.memory.max = 32M\nlxc.cgroup.pids.max = 7\nlxc.cgroup2.pids.max = 7\n"
    host("hybrid")
    warnings = limits.apply(parser.loads(text), layout.create(EMPTY, "u1"))
    assert [warning.split(" has ")[0] for warning in warnings] == ["lxc.cgroup.pids.max", "lxc.cgroup2.memory.max"]
    assert (tmp_path / "memory/lxc.payload.u1/memory.limit_in_bytes").read_text() == "64M"
    assert (tmp_path / "unified/lxc.payload.u1/pids.max").read_text() == "7"


@pytest.mark.parametrize("kind", ["legacy", "hybrid"])
def test_where_there_is_version_1_its_controller_has_the_devices(host, tmp_path, monkeypatch, kind):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(cgroup_bpf, "attach", lambda *_arguments: pytest.fail("nothing is to be attached"))
    found = host(kind)
    found.append(Hierarchy(("devices",), str(tmp_path / "devices"), 1))
    (tmp_path / "devices").mkdir()
    limits.apply(parser.loads("lxc.cgroup.devices.deny = a\nlxc.cgroup2.devices.deny = b 8:0 rwm\n"), layout.create(EMPTY, "u1"))
    assert (tmp_path / "devices/lxc.payload.u1/devices.deny").read_text() == "a"


@pytest.mark.parametrize(
    ("line", "said"), [("lxc.cgroup.blkio.weight = 5", "no blkio controller"), ("lxc.cgroup.memory.nothing = 5", "memory.nothing")]
)
def test_a_limit_that_cannot_be_set_is_named(host, line: str, said: str) -> None:  # type: ignore[no-untyped-def]
    host("legacy")
    with pytest.raises(StepError, match=said):
        limits.apply(parser.loads(line + "\n"), layout.create(EMPTY, "u1"))


def test_a_controller_that_is_not_handed_down_is_missed_where_it_is_missing(host) -> None:  # type: ignore[no-untyped-def]
    host("unified")
    with pytest.raises(StepError, match=r"unified/lxc\.payload\.u1 has no cpu controller"):
        limits.apply(parser.loads("lxc.cgroup2.cpu.max = 1\n"), layout.create(EMPTY, "u1"))


def test_devices_come_last_and_in_their_order(host, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    host("legacy")
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(limits, "_write", lambda _cgroups, key, value, _name: written.append((key, value)))
    text = "lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rwm\nlxc.cgroup.memory.limit_in_bytes = 1G\nlxc.cgroup.dir = x\n"
    limits.apply(parser.loads(text), layout.create(EMPTY, "u1"))
    assert written == [("memory.limit_in_bytes", "1G"), ("devices.deny", "a"), ("devices.allow", "c 1:3 rwm")]
