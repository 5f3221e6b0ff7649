# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root can do to a file that is written anew."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import wholefile


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def test_the_owner_that_it_had_or_with_a_mode_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.chown(path, 12, 34)
    wholefile.write(str(path), "new")
    assert owner(path) == (12, 34)
    wholefile.write(str(path), "ours", 0o600)
    assert owner(path) == (0, os.getegid())
