# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a container in a logical volume is killed anywhere."""

from __future__ import annotations

from volume_hosts import Host


def test_killed_while_it_is_made_and_cloned(lvm_host: Host) -> None:
    said = lvm_host.said("one", template="busybox", network=[], state="present", **lvm_host.options)
    lvm_host.kill_rounds(said, "one")
    lvm_host.made("src")
    lvm_host.write(lvm_host.one("src"), "kept")
    lvm_host.kill_rounds(lvm_host.said("one", clone_from="src", state="present"), "one")
    lvm_host.kill_rounds(lvm_host.said("one", clone_from="src", state="present", clone_snapshot=True), "one")
    assert lvm_host.read(lvm_host.one("src")) == "kept"
