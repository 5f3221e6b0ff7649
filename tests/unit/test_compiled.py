# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a module that runs from a zip takes its bytecode from the host's copy of the runtime, and when it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import compiled, paths, runtime

PREFIX = "ansible_collections/hostkit/lxc/plugins/module_utils/_lxc"
PROGRAM = f"""
import sys
sys.path.insert(0, sys.argv[1])
from {PREFIX.replace("/", ".")} import compiled
print(compiled.take(sys.argv[2]))
from {PREFIX.replace("/", ".")}.wire import query
print(query.__file__, query.__cached__ if sys.dont_write_bytecode else "")
"""


@pytest.fixture(scope="module")
def persisted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("persisted") / "run"
    place.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "RUN", str(place))
        runtime.persist()
    return place


@pytest.fixture
def run(tmp_path: Path, persisted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a copy of the runtime that is this test's own; links lead to where they did, below it."""
    place = tmp_path / "run"
    shutil.copytree(persisted, place, symlinks=True)
    for link in place.glob("compiled-*"):
        target = os.readlink(link)
        link.unlink()
        link.symlink_to(target.replace(str(persisted), str(place)))
    monkeypatch.setattr(paths, "RUN", str(place))
    return place


def as_shipped(tmp_path: Path, change: str = "") -> Path:
    """A zip as Ansible makes it, with packages down to ours."""
    shipped = tmp_path / f"payload{change.replace('/', '')}.zip"
    with zipfile.ZipFile(shipped, "w", zipfile.ZIP_STORED) as file:
        for above in Path(PREFIX).parents:
            if above.name:
                file.writestr(f"{above}/__init__.py", "")
        for name, content in runtime.sources().items():
            file.writestr(f"{PREFIX}/{name}", content + (b"\n" if name == change else b""))
    return shipped


def what_is_imported(shipped: Path, run: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PROGRAM, str(shipped), str(run)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def in_zip(shipped: Path) -> list[str]:
    return ["False", f"{shipped}/{PREFIX}/wire/query.py"]


def test_the_very_same_is_taken_with_its_bytecode(tmp_path: Path, run: Path) -> None:
    (copy,) = run.glob("runtime-*")
    taken, file, cached = what_is_imported(as_shipped(tmp_path), run)
    assert (taken, file) == ("True", f"{copy}/_lxc/wire/query.py")
    assert cached.startswith(f"{copy}/_lxc/wire/__pycache__/") and os.path.exists(cached)


@pytest.mark.parametrize("change", ["__init__.py", "wire/query.py", "monitor/main.py"])
def test_what_differs_anywhere_is_not(tmp_path: Path, run: Path, change: str) -> None:
    shipped = as_shipped(tmp_path, change)
    assert what_is_imported(shipped, run) == in_zip(shipped)


@pytest.mark.parametrize("place", ["", "runtime", "runtime/_lxc"])
def test_what_others_may_write_to_is_not(tmp_path: Path, run: Path, place: str) -> None:
    (copy,) = run.glob("runtime-*")
    path = Path(str(run / place).replace(str(run / "runtime"), str(copy)))
    path.chmod(0o770)
    shipped = as_shipped(tmp_path)
    assert what_is_imported(shipped, run) == in_zip(shipped)


def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path, run: Path) -> None:
    (copy,) = run.glob("runtime-*")
    (link,) = run.glob("compiled-*")
    copy.rename(tmp_path / copy.name)
    link.unlink()
    link.symlink_to(tmp_path / copy.name)
    shipped = as_shipped(tmp_path)
    assert what_is_imported(shipped, run) == in_zip(shipped)


def test_where_there_is_no_copy_all_stays(tmp_path: Path) -> None:
    shipped = as_shipped(tmp_path)
    assert what_is_imported(shipped, tmp_path) == in_zip(shipped)


def test_a_checkout_takes_nothing(run: Path) -> None:
    assert not compiled.take(str(run))


def test_the_place_is_the_runtimes() -> None:
    assert compiled.RUN == paths.RUN
