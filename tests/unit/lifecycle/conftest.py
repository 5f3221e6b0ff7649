# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of one's own: lock, state, cache and the administrator's files below a temporary directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LXC_RUN", "STATE", "CACHE", "LOG"):
        monkeypatch.setattr(paths, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(paths, "DEFAULT_CONF", str(tmp_path / "default.conf"))
    monkeypatch.setattr(paths, "LXC_CONF", str(tmp_path / "lxc.conf"))
    return tmp_path


@pytest.fixture
def container(host: Path) -> paths.Container:
    (host / "lxc").mkdir()
    return paths.container("tone", str(host / "lxc"))
