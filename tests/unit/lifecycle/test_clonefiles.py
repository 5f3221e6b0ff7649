# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files beside a config that go with a clone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clonefiles


@pytest.fixture
def two(tmp_path: Path) -> tuple[paths.Container, paths.Container]:
    source, target = (paths.container(name, str(tmp_path)) for name in ("p1", "p2"))
    os.makedirs(f"{source.rootfs}/hooks")
    os.mkdir(target.directory)
    return source, target


def test_what_is_named_is_copied_and_nothing_else(two: tuple[paths.Container, paths.Container], tmp_path: Path) -> None:
    source, target = two
    here, there = Path(source.directory), Path(target.directory)
    (tmp_path / "public.sh").write_text("public")
    (here / "hooks/deep").mkdir(parents=True)
    for name in ("hooks/deep/a.sh", "b.sh", "secret", "policy", "p1.log", "rootfs/hooks/in.sh", "up"):
        (here / name).write_text(name)
    (here / "hooks/deep/a.sh").chmod(0o755)
    (here / "b.sh").chmod(0o4710)
    (here / "link").symlink_to(tmp_path / "public.sh")
    (here / "fstab").write_text(f"{here}/share srv none bind 0 0\n{here}0/x y none bind 0 0\n")
    text = f"""lxc.mount.fstab = {here}//fstab
lxc.seccomp.profile = {here}/policy
lxc.hook.pre-start = /bin/sh {here}/hooks/deep/a.sh {here}/hooks
lxc.hook.stop = {here}/b.sh {here}/b.sh {here}/gone
lxc.hook.clone = {here}/link
lxc.hook.mount = {here}/rootfs/hooks/in.sh
lxc.hook.destroy = {tmp_path}/public.sh {here}/../p1/secret
lxc.net.0.type = veth
lxc.net.0.script.up = {here}/up
lxc.log.file = {here}/p1.log
"""
    clonefiles.copy(text, source, source.rootfs, [(source.directory, target.directory)])
    found = sorted(str(path.relative_to(there)) for path in there.rglob("*") if not path.is_dir())
    assert found == ["b.sh", "fstab", "hooks/deep/a.sh", "link", "policy", "up"]
    assert (there / "fstab").read_text() == f"{there}/share srv none bind 0 0\n{here}0/x y none bind 0 0\n"
    assert stat.S_IMODE(os.stat(there / "hooks/deep/a.sh").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(there / "b.sh").st_mode) == 0o4710
    assert (there / "link").read_text() == "public" and not (there / "link").is_symlink()


def test_an_fstab_elsewhere_is_shared(two: tuple[paths.Container, paths.Container], tmp_path: Path) -> None:
    (tmp_path / "fstab").write_text("")
    clonefiles.copy(f"lxc.mount.fstab = {tmp_path}/fstab\n", two[0], two[0].rootfs, [(two[0].directory, two[1].directory)])
    assert os.listdir(two[1].directory) == []


def test_what_is_made_already_stays(two: tuple[paths.Container, paths.Container]) -> None:
    source, target = two
    Path(source.config).write_text("source")
    Path(target.config).write_text("target")
    clonefiles.copy(f"lxc.hook.stop = /bin/a {source.config}\n", source, "", [(source.directory, target.directory)])
    assert Path(target.config).read_text() == "target"


def test_what_cannot_be_copied_is_named(two: tuple[paths.Container, paths.Container]) -> None:
    source, target = two
    Path(source.directory, "a.sh").write_text("")
    Path(target.directory, "a.sh").mkdir()
    with pytest.raises(StepError, match=r"Copy .*/p[12]/a.sh"):
        clonefiles.copy(f"lxc.hook.stop = {source.directory}/a.sh\n", source, "", [(source.directory, target.directory)])


def test_mounts_that_would_fail(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    rows = ["/old/a x none bind", f"{tmp_path}/gone x none bind", f"{tmp_path}/there x none bind", f"{tmp_path}/opt x none bind,optional"]
    text = "".join(f"lxc.mount.entry = {row}\n" for row in rows)
    found = clonefiles.missing(text, "lxc.mount.entry = /old/a x none bind\n", "config")
    assert len(found) == 1 and f"{tmp_path}/gone does not exist" in found[0]
