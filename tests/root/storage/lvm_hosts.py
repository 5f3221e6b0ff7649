# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with a volume group: where there is no device mapper, tests that need one are skipped; in the virtual machine they fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import lvm
from storage_images import run
from volume_hosts import Host

GROUP = "hostkit.test"
KINDS = {"thick": {}, "thin": {"thinpool": "pool"}}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A volume group with a thin pool, on a loop device."""
    if lvm.missing():
        pytest.skip(f"no logical volumes here: {lvm.missing()}")
    image = tmp_path_factory.mktemp("lvm") / "disk"
    run("truncate", "-s", "2G", str(image))
    device = run("losetup", "--find", "--show", str(image)).stdout.strip()
    try:
        run("vgcreate", "-q", GROUP, device)
        run("lvcreate", "-q", "-L", "500M", "--thinpool", "pool", GROUP)
        yield GROUP
    finally:
        run("vgremove", "-q", "-f", "-y", GROUP, check=False)
        run("pvremove", "-q", "-f", "-y", device, check=False)
        run("losetup", "-d", device)


@pytest.fixture(params=sorted(KINDS))
def lvm_host(request: pytest.FixtureRequest, group: str, tmp_path: Path) -> Iterator[Host]:
    yield from _host(group, tmp_path, request.param)


@pytest.fixture
def thick(group: str, tmp_path: Path) -> Iterator[Host]:
    yield from _host(group, tmp_path, "thick")


def _host(group: str, tmp_path: Path, kind: str) -> Iterator[Host]:
    lxc_path = tmp_path / "lxc"
    lxc_path.mkdir()
    options = {"backing_store": "lvm", "vg_name": group, "size": "30M", **KINDS[kind]}
    made = Host(lxc_path, options, lambda: [one.name for one in lvm.volumes(group) if not one.is_pool])
    made.kind = kind  # type: ignore[attr-defined]
    yield made
    made.clean()


def is_thin(host: Host) -> bool:
    return bool(host.kind == "thin")  # type: ignore[attr-defined]
