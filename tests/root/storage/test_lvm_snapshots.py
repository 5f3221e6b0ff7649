# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of containers in logical volumes: back to one, a container from one, all gone, and who is in the way."""

from __future__ import annotations

import pytest
from lvm_hosts import GROUP, is_thin
from snapshots import check as snapshot_check
from snapshots import task as snapshot_task
from volume_hosts import Host, pid_root


def test_snapshots(lvm_host: Host) -> None:
    lvm_host.made("web")
    web = lvm_host.one("web")
    lvm_host.write(web, "first")
    assert snapshot_check(web).changed
    snapshot_task(web, comment="kept")
    lvm_host.write(web, "second")
    snapshot_task(web)
    assert set(lvm_host.left()) == {"web", "web_snap0", "web_snap1"}
    snapshot_task(web, state="restored", snapshot="snap0", restore_as="other")
    assert lvm_host.root("other") == f"lvm:/dev/{GROUP}/other" and lvm_host.read(lvm_host.one("other")) == "first"
    if not is_thin(lvm_host):
        for act in (snapshot_check, snapshot_task):
            with pytest.raises(
                Exception, match=r"Container web cannot be restored: its files are used by snap0, snap1|by .*/snap0, .*/snap1"
            ):
                act(web, state="restored", snapshot="snap0")
        assert lvm_host.read(web) == "second" and set(lvm_host.left()) == {"web", "web_snap0", "web_snap1", "other"}
    force = {} if is_thin(lvm_host) else {"force": True}
    snapshot_task(web, state="restored", snapshot="snap0", **force)
    assert lvm_host.read(web) == "first" and lvm_host.root("web") == f"lvm:/dev/{GROUP}/web.1"
    assert not lvm_host.made("web", lv_name="web")["changed"]
    snapshot_task(web, state="restored", snapshot="snap1")
    assert lvm_host.read(web) == "second" and lvm_host.root("web") == f"lvm:/dev/{GROUP}/web"
    entry = lvm_host.state("web", "started")
    assert (pid_root(entry) / "etc/state").read_text() == "second"
    lvm_host.state("web", "stopped", stop_timeout=0)
    assert "has snapshots: snap0, snap1" in lvm_host.refused("web", state="absent")
    snapshot_task(web, state="absent", snapshot="snap0")
    assert lvm_host.read(web) == "second"
    snapshot_task(web, state="absent", all=True)
    assert sorted(lvm_host.left()) == ["other", "web"]
