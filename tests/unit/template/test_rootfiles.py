# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a root that is being made: what is below it, and nothing that a link in it leads to."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import rootfiles

PACKAGE = Path(rootfiles.__file__).parents[1]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a link to the directory beside it."""
    for name in ("root/etc", "root/usr/bin", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "outside/kept").write_text("host")
    (tmp_path / "root/out").symlink_to(tmp_path / "outside")
    (tmp_path / "root/bin").symlink_to("/usr/bin")
    return tmp_path / "root"


def test_a_file_or_link_takes_the_place_of_what_was_there(root: Path) -> None:
    outside = root.parent / "outside/kept"
    (root / "etc/hostname").symlink_to(outside)
    rootfiles.write(str(root), "etc/hostname", "c1\n", 0o444)
    rootfiles.write(str(root), "etc/new/one", b"\xff")
    rootfiles.link(str(root), "etc/hostname.link", "hostname")
    rootfiles.link(str(root), "etc/hostname.link", "../etc/hostname")
    assert (root / "etc/hostname").read_text() == "c1\n"
    assert stat.S_IMODE((root / "etc/hostname").stat().st_mode) == 0o444
    assert (root / "etc/new/one").read_bytes() == b"\xff"
    assert os.readlink(root / "etc/hostname.link") == "../etc/hostname"
    assert outside.read_text() == "host"


@pytest.mark.parametrize("act", ["write", "link", "remove"])
def test_a_link_on_the_way_is_refused_by_name(root: Path, act: str) -> None:
    more = ("text",) if act != "remove" else ()
    with pytest.raises(StepError, match=r"root/out/kept: Too many levels of symbolic links"):
        getattr(rootfiles, act)(str(root), "out/kept", *more)
    assert (root.parent / "outside/kept").read_text() == "host"


def test_a_pattern_is_for_the_last_component_only(root: Path) -> None:
    for name in ("ssh_host_rsa", "ssh_host_rsa.pub", "sshd_config"):
        (root / "etc" / name).write_text("")
    (root / "etc/ssh_host_dir/below").mkdir(parents=True)
    rootfiles.remove(str(root), "etc/ssh_host_*")
    rootfiles.remove(str(root), "etc/none")
    rootfiles.remove(str(root), "none/at/all*")
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["sshd_config"]
    rootfiles.remove(str(root), "out")
    assert (root.parent / "outside/kept").exists()


def test_what_exists_is_what_a_process_in_it_would_see(root: Path) -> None:
    (root / "usr/bin/sh").write_text("")
    assert rootfiles.exists(str(root), "bin/sh")
    assert rootfiles.exists(str(root), "/usr/bin/sh")
    assert not rootfiles.exists(str(root), "out/kept")
    assert not rootfiles.exists(str(root), "usr/bin/sh/below")


def paths_below_a_root(source: str) -> list[int]:
    """The lines of calls that are given `f"{...root...}/..."` or `root + ...` as a path; what only makes a message is no call of theirs."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        if not name.startswith(("os.", "shutil.", "tree.", "open", "Path", "mount.")):
            continue
        for argument in call.args:
            first = argument.values[0] if isinstance(argument, ast.JoinedStr) and len(argument.values) > 1 else None
            first = argument.left if isinstance(argument, ast.BinOp) else first
            words = ast.unparse(first).strip("f'\"{}").rpartition(".")[2] if first is not None else ""
            if words in ("rootfs", "root", "root_mount", "rootfs_path"):
                found.append(call.lineno)
    return found


def test_no_path_below_a_root_is_put_together() -> None:
    """They go through kernel/beneath.py, by openat2(2)."""
    assert paths_below_a_root('os.open(f"{target.rootfs}/etc", 0); open(rootfs + name); os.mkdir(rootfs)') == [1, 1]
    found = {
        str(path.relative_to(PACKAGE)): lines for path in PACKAGE.rglob("*.py") if (lines := paths_below_a_root(path.read_text("utf-8")))
    }
    assert found == {}
