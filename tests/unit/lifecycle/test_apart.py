# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a forked child may not do: load a module, as another thread of its parent may have been loading it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys
sys.path.insert(0, {tests!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import copy, dir
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, mount
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import apart
libc.unshare = lambda flags: None
mount.set_attr = lambda *args, **more: None
mount.open_tree = lambda path, **more: os.open(path, os.O_RDONLY)
mount.discard = os.close
source, made, before = dir.Dir({source!r}), dir.Dir({made!r}), set(sys.modules)
def act():
    copy.copy(source, made, {made!r})
    with open({said!r}, "w") as file:
        file.write(" ".join(sorted(set(sys.modules) - before)))
apart.apart(act)
"""


def test_a_copy_loads_nothing_in_the_child(tmp_path: Path) -> None:
    for name in ("source", "made"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/file").write_text("x")
    places = {"source": str(tmp_path / "source"), "made": str(tmp_path / "made"), "said": str(tmp_path / "said")}
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(tests=str(TESTS), **places)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/file").read_text() == "x"
    assert (tmp_path / "said").read_text() == ""
