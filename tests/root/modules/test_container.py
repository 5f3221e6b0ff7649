# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of lxc_container goes through check, apply, apply again and check again."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import rituals
from module import Module, ritual

BUSYBOX = {"template": "busybox", "network": []}


def test_what_is_said_of_a_stopped_container(container: Module, lxc_path: Path) -> None:
    container.done(name="m-options", state="stopped", **BUSYBOX)
    config = lxc_path / "m-options/config"
    with config.open("a") as stream:
        stream.write("# kept by hand\n")
    for option in rituals.ALREADY:
        ritual(container, {"name": "m-options", "state": "stopped", **option}, False)
    for option in rituals.CONTAINER:
        ritual(container, {"name": "m-options", "state": "stopped", **option})
    lines = config.read_text().splitlines()
    assert [line for line in lines if line.startswith(("lxc.tty.max", "lxc.start.auto"))] == ["lxc.tty.max = 2"]
    assert sum(line.startswith("lxc.cap.drop") for line in lines) == 1
    assert "# kept by hand" in lines


def test_what_cannot_go_with_what_is_there(container: Module) -> None:
    container.done(name="m-keep", state="stopped", **BUSYBOX)
    ritual(container, {"name": "m-keep", "state": "stopped", **rituals.KEEP})


def test_a_restart_if_needed(container: Module) -> None:
    container.done(name="m-config", **BUSYBOX)
    pending, again = (container.done(name="m-config", hostname="another") for _round in range(2))
    assert (pending["changed"], again["changed"]) == (True, False)
    assert pending["container"]["pending_restart"] == again["container"]["pending_restart"] == ["lxc.uts.name"]
    _checked, applied = ritual(container, {"name": "m-config", **rituals.RESTART})
    assert applied["container"]["pending_restart"] == []
    assert applied["container"]["init_pid"] != pending["container"]["init_pid"]


@pytest.fixture
def tarball(container: Module, lxc_path: Path) -> tuple[Path, str, str]:
    """A container's directory, a tarball of its root, and that one's checksum."""
    container.done(name="m-source", state="stopped", **BUSYBOX)
    made = lxc_path / "root.tar.gz"
    subprocess.run(["tar", "-C", lxc_path / "m-source/rootfs", "-czf", made, "."], check=True)
    (lxc_path / "roots").mkdir(mode=0o700)
    return lxc_path / "m-source", str(made), "sha256:" + hashlib.sha256(made.read_bytes()).hexdigest()


@pytest.mark.parametrize("way", rituals.creations(Path(), Path(), "", ""))
def test_what_only_a_new_container_takes(container: Module, info: Module, lxc_path: Path, tarball: tuple[Path, str, str], way: str) -> None:
    creation = rituals.creations(lxc_path, *tarball)[way]
    _checked, applied = ritual(container, {"name": "m-made", "network": [], **creation.options})
    (made,) = info.done(name="m-made")["containers"]
    assert applied["container"]["state"] == "RUNNING"
    assert (applied["container"]["rootfs"], made["backing_store"]) == (creation.rootfs, creation.backing_store)


def test_a_tarball_with_another_checksum_is_refused(container: Module, lxc_path: Path, tarball: tuple[Path, str, str]) -> None:
    _source, made, checksum = tarball
    wrong = "sha256:" + hashlib.sha256(b"x").hexdigest()
    refused = container.refused(name="m-made", template="local", template_options={"fstree": made, "checksum": wrong})
    assert refused["step"] == "template" and checksum[7:] in refused["msg"]
    assert not list(lxc_path.glob("m-made*"))


def test_what_was_there_before_stays(container: Module, lxc_path: Path, tarball: tuple[Path, str, str]) -> None:
    creation = rituals.creations(lxc_path, *tarball)["none"]
    container.done(name="m-made", state="stopped", network=[], **creation.options)
    container.done(name="m-made", state="absent")
    assert (lxc_path / "m-source/rootfs/bin/busybox").exists()


def test_clones(container: Module, info: Module, lxc_path: Path) -> None:
    container.done(name="m-origin", state="stopped", hooks={"clone": f"{lxc_path}/m-origin/clone.sh"}, **BUSYBOX)
    hook = lxc_path / "m-origin/clone.sh"
    hook.write_text('#!/bin/sh\necho "$LXC_SRC_NAME $*" >"$LXC_ROOTFS_MOUNT/etc/cloned"\n')
    hook.chmod(0o755)
    for name, options in rituals.clones(lxc_path).items():
        ritual(container, {"name": name, **options})
    found = info.done(name=["m-origin", "m-full", "m-over", "m-layers", "m-there"])["containers"]
    assert [one["state"] for one in found] == ["STOPPED", "RUNNING", "RUNNING", "STOPPED", "STOPPED"]
    assert [one["backing_store"] for one in found] == ["dir", "dir", "overlayfs", "overlayfs", "dir"]
    assert found[4]["rootfs"] == f"{lxc_path}/there-m-there"
    for name in ("m-full", "m-there"):
        root = lxc_path / (f"{name}/rootfs" if name == "m-full" else f"there-{name}")
        source = "m-layers" if name == "m-there" else "m-origin"
        assert (root / "etc/cloned").read_text() == f"{source} {name} lxc clone\n"
    (lxc_path / "m-again/overlay").mkdir(parents=True)
    (lxc_path / "m-again/partial").touch()
    checked, _applied = ritual(container, {"name": "m-again", "state": "present", "clone_from": "m-origin"})
    assert checked["actions"] == ["make m-again as a clone of m-origin anew, what was half-made is removed"]


def test_values_of_the_environment_stay_out_of_the_result(container: Module) -> None:
    container.done(name="m-config", state="stopped", **BUSYBOX)
    secret = container.done(name="m-config", state="present", environment={"SECRET": "do-not-show"})
    del secret["invocation"]  # which only verbose output has
    assert secret["changed"] and "SECRET" in str(secret["diff"])
    assert "do-not-show" not in str(secret)


def test_limits_for_either_version_of_cgroups(container: Module) -> None:
    limits = {"memory.max": "64M", "memory.limit_in_bytes": "64M", "pids.max": 100}
    limited = container.done(name="m-limits", cgroup=limits, **BUSYBOX)
    assert limited["container"]["state"] == "RUNNING"
    assert len([warning for warning in limited["warnings"] if "has no effect" in warning]) == 2


def test_snapshots_go_along_only_when_that_is_said(container: Module, lxc_path: Path) -> None:
    container.done(name="m-snap", **BUSYBOX)
    (lxc_path / "m-snap/snaps/snap0/rootfs/etc").mkdir(parents=True)
    (lxc_path / "m-snap/snaps/snap0/config").write_text(
        f"lxc.uts.name = m-snap\nlxc.rootfs.path = dir:{lxc_path}/m-snap/snaps/snap0/rootfs\n"
    )
    refused = container.refused(name="m-snap", state="absent", stop_timeout=0)
    assert refused["error"] == "InUse" and "snap0" in refused["msg"] and "delete_snapshots" in refused["hint"]
    assert not refused["changed"] and refused["container"]["state"] == "RUNNING"
    ritual(container, {"name": "m-snap", **rituals.REMOVAL})
    assert not (lxc_path / "m-snap").exists()


def test_what_few_tasks_do(container: Module, lxc_path: Path) -> None:
    container.done(name="m-old", state="stopped", **BUSYBOX)
    for options in rituals.motions(lxc_path):
        ritual(container, options)
