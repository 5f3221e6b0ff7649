# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import info
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import query


@pytest.mark.parametrize(
    ("file", "answer", "expected"),
    [
        ("lxc.rootfs.path = dir:/", "/", "/"),
        ("lxc.rootfs.path = dir:/another", "/", "/"),  # changed since it was started
        ("lxc.rootfs.path = overlay:/low:/up", "/low:/up", "overlay:/low:/up"),
        ("lxc.rootfs.path = loop:/no/such/image", "/no/such/image", "loop:/no/such/image"),
        ("lxc.rootfs.path = dir:/another", "/low:/up", "/low:/up"),
        ("lxc.nonsense = 1", "/low:/up", "/low:/up"),
        ("lxc.rootfs.path = dir:/x", None, "/x"),
        ("lxc.rootfs.path = overlayfs:/low:/up", None, "overlayfs:/low:/up"),
        ("lxc.nonsense = 1", None, ""),
        ("lxc.rootfs.path = dir:/x", "refused", "/x"),
    ],
)
def test_where_the_root_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, answer: str | None, expected: str) -> None:
    """The monitor answers without the backend's prefix, as LXC's does; None: nothing runs."""

    def config_item(_one: paths.Container, _key: str, **_asker: object) -> str | None:
        if answer == "refused":
            raise LxcError("It has just ended")
        return answer

    monkeypatch.setattr(query, "config_item", config_item)
    one = paths.container("m1", str(tmp_path))
    (tmp_path / "m1").mkdir()
    Path(one.config).write_text(file + "\n")
    assert info.rootfs_path(one, answer is not None) == expected
