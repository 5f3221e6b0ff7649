#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_snapshot: the snapshots of a container, made, removed, gone back to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_snapshot
short_description: Manage snapshots of LXC containers
version_added: 0.1.0
description:
  - Makes and removes snapshots of a container, brings the container back to one, or makes a new container from one.
  - Snapshots lie where LXC has them, in its layout. C(lxc-snapshot) lists, restores and removes them, and this module those that
    C(lxc-snapshot) has made. Neither liblxc nor the LXC tools are needed on the host.
  - What a snapshot is depends on the backing store. Of C(dir) it is a full copy. Of C(overlayfs) it is a copy of the upper layer over the
    same lower one, which from then on belongs to the container and its snapshots together. Of C(btrfs) it shares all blocks that do not
    change.
author:
  - hostkit contributors (@hostkit)
extends_documentation_fragment:
  - hostkit.lxc.lxc
  - hostkit.lxc.attributes
  - hostkit.lxc.attributes.action_group
  - hostkit.lxc.attributes.linux
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(state=present) without O(snapshot) makes one more each time, and O(state=restored) without O(restore_as) is a change each time.
options:
  name:
    description:
      - The container.
    type: str
    required: true
  snapshot:
    description:
      - The snapshot. With O(state=present) it is made unless there is one of this name.
      - When it is not given with O(state=present), a new one gets the first free of the names C(snap0), C(snap1) and so on.
    type: str
  state:
    description:
      - V(present) makes a snapshot. The container has to be stopped or frozen, unless its backing store takes a snapshot in one moment.
      - V(absent) removes O(snapshot), or all with O(all). It fails while something uses files of one of them, see O(force).
      - V(restored) brings the container back to O(snapshot), with its configuration of that time. It has to be stopped, and keeps its host
        name, its MAC addresses and its snapshots. When the task fails or is killed, the container is as it was before, or restored.
        With O(restore_as) a new container is made from O(snapshot) instead.
    type: str
    choices: [present, absent, restored]
    default: present
  restore_as:
    description:
      - The name of a new container, for O(state=restored). It gets MAC addresses and a host name of its own.
      - Where the snapshot's backing store can share files or blocks it does, and then the snapshot cannot be removed as long as the new
        container is there, see O(force).
      - When there is a container of this name, nothing is done.
    type: str
  all:
    description:
      - Remove all snapshots of the container, for O(state=absent).
    type: bool
    default: false
  comment:
    description:
      - A text of one or more lines that is kept with the snapshot, for O(state=present). An empty text is none.
      - When it is given and differs from that of a snapshot that exists, that gets the new one.
    type: str
  keep:
    description:
      - So many snapshots are kept when one has been made, for O(state=present). The oldest of the others are removed.
      - One whose files something else uses stays, and is named in a warning.
    type: int
  force:
    description:
      - Containers and other snapshots that use files which shall go get files of their own first, a full copy in place, which makes their
        backing store C(dir). For O(state=absent) and for O(state=restored) without O(restore_as).
      - They have to be stopped. All of them are changed or none.
      - Without it the task fails and names them.
    type: bool
    default: false
notes:
  - LXC restores in place by removing the container first, gives it new MAC addresses, and drops files that somebody else has put into its
    directory. This module keeps these, and makes the restored container whole before it takes the old one's place.
  - After C(lxc-snapshot -r) in place the snapshot of a container on an overlay cannot be removed by LXC any more, as LXC then takes the
    container for a user of its own snapshot. It is not, this module removes it, and does not make it so.
  - While there is a directory C(${lxc_path}snaps), as in LXC 1.0, new snapshots go there, as LXC puts them.
seealso:
  - module: hostkit.lxc.lxc_snapshot_info
  - module: hostkit.lxc.lxc_container
"""

EXAMPLES = r"""
- name: A snapshot before the upgrade
  hostkit.lxc.lxc_snapshot:
    name: web
    snapshot: before-upgrade
    comment: "Before the upgrade to 2.0"

- name: One each night, those of a week
  hostkit.lxc.lxc_snapshot:
    name: web
    keep: 7

- name: Back to how it was
  hostkit.lxc.lxc_snapshot:
    name: web
    snapshot: before-upgrade
    state: restored

- name: A second container to look at
  hostkit.lxc.lxc_snapshot:
    name: web
    snapshot: before-upgrade
    state: restored
    restore_as: web-old

- name: Without that snapshot, what uses its files gets files of its own
  hostkit.lxc.lxc_snapshot:
    name: web
    snapshot: before-upgrade
    state: absent
    force: true

- name: No snapshots
  hostkit.lxc.lxc_snapshot:
    name: web
    state: absent
    all: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in its order.
  returned: success
  type: list
  elements: str
  sample: [make snapshot snap3 of web, remove snapshot snap0 of web]
snapshot:
  description: The snapshot that the task is about, with the same values as those in RV(snapshots).
  returned: when it exists after the task
  type: dict
  sample: {"name": "snap3", "comment": "", "path": "/var/lib/lxc/web/snaps/snap3"}
snapshots:
  description: All snapshots of the container after the task, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: snap0
    timestamp:
      description: When it was made, as LXC writes it, in the host's local time. Empty when nothing says it.
      type: str
      returned: always
      sample: "2026:11:29 02:09:52"
    created:
      description: The same in ISO 8601, or null when LXC's text is none.
      type: str
      returned: always
      sample: "2026-11-29T02:09:52+00:00"
    comment:
      description: The comment, without the end of its last line.
      type: str
      returned: always
      sample: Before the upgrade to 2.0
    path:
      description: Its directory.
      type: str
      returned: always
      sample: /var/lib/lxc/web/snaps/snap0
    backing_store:
      description: What kind of store holds its root filesystem.
      type: str
      returned: always
      sample: dir
    dependents:
      description: Who uses its files. Containers of O(lxc_path) are given by name, others and snapshots by their directory.
      type: list
      elements: str
      returned: always
      sample: [web-old]
truncated:
  description: The result was larger than 100,000 bytes. Long texts and lists were cut.
  returned: when it was cut
  type: bool
"""

from typing import Any

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot


def argument_spec() -> dict[str, Any]:
    """As documented above."""
    return {
        "name": {"type": "str", "required": True},
        "snapshot": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "restore_as": {"type": "str"},
        "all": {"type": "bool", "default": False},
        "comment": {"type": "str"},
        "keep": {"type": "int"},
        "force": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    _ansible.run(argument_spec(), snapshot.Job)


if __name__ == "__main__":
    main()
