# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image with OpenZFS: its modules fit its kernel, and do what a backend needs."""

from __future__ import annotations

from machine import Machine

KIND = "zfs"


def test_a_pool_with_a_snapshot_a_clone_and_a_quota(machine: Machine) -> None:
    said = machine.ssh(
        "set -e; modprobe zfs; zpool create tank /dev/vdb; zfs create -o refquota=100M -o xattr=sa -o acltype=posixacl tank/one;"
        "echo kept >/tank/one/file; zfs snapshot tank/one@snap0; echo lost >/tank/one/file; zfs clone tank/one@snap0 tank/two;"
        "cat /tank/two/file; zfs get -H -o value refquota tank/one; zfs rollback tank/one@snap0; cat /tank/one/file;"
        "zfs send tank/one@snap0 | zfs receive tank/three; cat /tank/three/file; zpool destroy tank",
        timeout=300,
    )
    assert said.stdout.split() == ["kept", "100M", "kept", "kept"]
