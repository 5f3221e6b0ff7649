#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_snapshot_info: which snapshots a container has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_snapshot_info
short_description: Return facts of snapshots of LXC containers
version_added: 0.1.0
description:
  - Returns the snapshots of a container, whether C(lxc-snapshot) has made them or M(hostkit.lxc.lxc_snapshot), and what uses their files.
  - Both of LXC's places are read, C(snaps) in the container's directory and the one of LXC 1.0 beside O(lxc_path).
author:
  - hostkit contributors (@hostkit)
extends_documentation_fragment:
  - hostkit.lxc.lxc
  - hostkit.lxc.attributes
  - hostkit.lxc.attributes.action_group
  - hostkit.lxc.attributes.info_module
  - hostkit.lxc.attributes.linux
options:
  name:
    description:
      - The container. One that does not exist is no error, and may have snapshots.
    type: str
    required: true
  snapshot:
    description:
      - Only the snapshot of this name.
    type: str
seealso:
  - module: hostkit.lxc.lxc_snapshot
"""

EXAMPLES = r"""
- name: All snapshots of a container
  hostkit.lxc.lxc_snapshot_info:
    name: web
  register: web

- name: Their names, the oldest first
  ansible.builtin.debug:
    msg: "{{ web.snapshots | map(attribute='name') }}"

- name: Those that nothing uses
  ansible.builtin.debug:
    msg: "{{ web.snapshots | rejectattr('dependents') | map(attribute='name') }}"
"""

RETURN = r"""
exists:
  description: Whether there is O(snapshot), or the container when none is named.
  returned: success
  type: bool
  sample: true
snapshots:
  description: The snapshots, the oldest first.
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
others:
  description: What lies among the snapshots and is none, such as one whose making was cut off, or a symbolic link.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: snap1
    path:
      description: Where it lies.
      type: str
      returned: always
      sample: /var/lib/lxc/web/snaps/snap1
    problem:
      description: Why it is no snapshot.
      type: str
      returned: always
      sample: half-made
truncated:
  description: The result was larger than 100,000 bytes. Long texts and lists were cut.
  returned: when it was cut
  type: bool
"""

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot_facts


def main() -> None:
    """Run the module."""
    _ansible.run({"name": {"type": "str", "required": True}, "snapshot": {"type": "str"}}, snapshot_facts.Facts)


if __name__ == "__main__":
    main()
