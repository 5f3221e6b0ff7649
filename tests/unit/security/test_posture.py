# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The include that makes a container safe."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.security import posture


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_is_installed_once_readable_for_all(state: Path) -> None:
    path = Path(posture.install())
    assert path == state / "config/1/common.conf" and path.read_text() == posture.common_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 and stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    before = path.stat()
    assert posture.install() == str(path) and path.stat().st_mtime_ns == before.st_mtime_ns
    assert [name.name for name in path.parent.iterdir()] == ["common.conf"]


def test_on_a_file_system_that_has_no_nameless_files(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def without(path: str, flags: int, *more: int, **places: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", path)
        return really(path, flags, *more, **places)

    monkeypatch.setattr(os, "open", without)
    test_it_is_installed_once_readable_for_all(state)


def test_a_file_that_containers_rely_on_is_never_changed(state: Path) -> None:
    first = Path(posture.install())
    first.write_text("# older\n")
    second = Path(posture.install())
    assert first.read_text() == "# older\n" and second == state / "config/2/common.conf"
    assert posture.install() == str(second)


def test_many_at_once_agree(state: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(posture.install())) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [str(state / "config/1/common.conf")] * 8


def test_what_it_says() -> None:
    config = parser.loads(posture.common_text())
    assert config.warnings == []
    assert config.get_list("lxc.cap.drop") == ["mac_admin", "mac_override", "sys_time", "sys_module", "sys_rawio"]
    for prefix in ("lxc.cgroup.", "lxc.cgroup2."):
        rules = config.prefix(prefix)
        assert rules[0] == ("devices.deny", "a") and ("devices.allow", "c 1:3 rwm") in rules
        assert not any(value.split()[1].startswith("8:") or value.startswith("a") for key, value in rules if key == "devices.allow")
    assert config.get_list("lxc.mount.auto") == ["cgroup:mixed", "proc:mixed", "sys:mixed"]
