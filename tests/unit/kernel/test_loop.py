# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes and numbers of what the kernel is asked for by ioctl(2), against its headers."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import btrfs, inodeflags, libc, loop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import grow


def test_the_structures_are_as_long_as_the_kernel_s() -> None:
    assert (loop._INFO.size, loop._CONFIG.size) == (232, 304)
    assert (btrfs._ARGS.size, btrfs._ARGS_V2.size, btrfs._KEY.size, btrfs._HEADER.size) == (4096, 4096, 104, 32)


def test_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    if libc.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the number of these on this machine is another one")
    assert (btrfs._SUBVOL_CREATE, btrfs._TREE_SEARCH, btrfs._QGROUP_LIMIT) == (0x5000940E, 0xD0009411, 0x8030942B)
    assert (grow._EXT4_IOC_RESIZE_FS, grow._XFS_IOC_FSGROWFSDATA, grow._XFS_IOC_FSGEOMETRY_V1) == (0x40086610, 0x4010586E, 0x80705864)
    assert (inodeflags._GETFLAGS, inodeflags._SETFLAGS) == (0x80086601, 0x40086602)
    monkeypatch.setattr(libc, "machine", lambda: "ppc64le")
    assert libc.ioctl_number("w", 0x94, 14, 4096) == 0x9000940E and libc.ioctl_number("rw", 0x94, 17, 4096) == 0xD0009411
