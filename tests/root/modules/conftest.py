# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules in a directory for containers of the test's own, all of which are removed at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from module import Module, remove_all


@pytest.fixture
def lxc_path(tmp_path: Path) -> Iterator[Path]:
    os.chmod(tmp_path, 0o755)
    (place := tmp_path / "lxc").mkdir()
    yield place
    remove_all(place)


@pytest.fixture
def container(lxc_path: Path) -> Module:
    return Module("lxc_container", lxc_path=str(lxc_path))


@pytest.fixture
def info(lxc_path: Path) -> Module:
    return Module("lxc_container_info", lxc_path=str(lxc_path))


@pytest.fixture
def snapshot(lxc_path: Path) -> Module:
    return Module("lxc_snapshot", lxc_path=str(lxc_path))
