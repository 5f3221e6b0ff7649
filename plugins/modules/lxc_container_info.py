#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_container_info: how containers stand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container_info
short_description: Return facts of LXC containers
version_added: 0.1.0
description:
  - Returns state, addresses, memory, cpu time and configuration of LXC containers, running or only defined.
  - It does not matter who started them. Neither liblxc nor the LXC tools are needed on the host.
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
      - The names of the containers. When it is not given, all containers of O(lxc_path) are returned.
      - A name that does not exist is no error, see RV(exists) and RV(containers[].exists).
    type: list
    elements: str
seealso:
  - module: hostkit.lxc.lxc_container
"""

EXAMPLES = r"""
- name: All containers
  hostkit.lxc.lxc_container_info:
  register: all_of_them

- name: Those that run
  ansible.builtin.debug:
    msg: "{{ all_of_them.containers | selectattr('state', 'eq', 'RUNNING') | map(attribute='name') }}"

- name: One container
  hostkit.lxc.lxc_container_info:
    name: web
  register: web
"""

RETURN = r"""
exists:
  description: Whether there is a container, and every one that was named exists.
  returned: success
  type: bool
  sample: true
containers:
  description: One item for each container, in the order of O(name), or sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: web
    exists:
      description: Whether it exists.
      type: bool
      returned: always
      sample: true
    defined:
      description: Whether it has a config file.
      type: bool
      returned: always
      sample: true
    half_made:
      description: Whether its creation was cut off, or is going on.
      type: bool
      returned: always
      sample: false
    state:
      description: The state in LXC's words, or V(ABSENT).
      type: str
      returned: always
      sample: RUNNING
    init_pid:
      description: The process id of its init on the host, or V(-1).
      type: int
      returned: always
      sample: 4711
    interfaces:
      description: The names of the interfaces inside, without C(lo).
      type: list
      elements: str
      returned: always
      sample: [eth0]
    ipv4:
      description: Global IPv4 addresses inside.
      type: list
      elements: str
      returned: always
      sample: ["10.0.3.17"]
    ipv6:
      description: Global IPv6 addresses inside.
      type: list
      elements: str
      returned: always
      sample: []
    memory_bytes:
      description: Memory in use, as its cgroup counts it, or null when it does not run or the host does not count.
      type: int
      returned: always
      sample: 27262976
    cpu_seconds:
      description: Processor time used since the start, or null when it does not run or the host does not count.
      type: float
      returned: always
      sample: 1.234
    config_path:
      description: The config file.
      type: str
      returned: always
      sample: /var/lib/lxc/web/config
    rootfs:
      description: The root filesystem, as C(lxc.rootfs.path) has it; the plain path of a directory.
      type: str
      returned: always
      sample: /var/lib/lxc/web/rootfs
    backing_store:
      description: What kind of store holds the root filesystem.
      type: str
      returned: when it is defined
      sample: dir
    hostname:
      description: The host name in the config.
      type: str
      returned: when it is defined
      sample: web
    arch:
      description: The architecture in the config.
      type: str
      returned: when it is defined
      sample: amd64
    autostart:
      description: Whether it is started with the host.
      type: bool
      returned: when it is defined
      sample: false
    autostart_order:
      description: Its place in the order of the start; higher is earlier.
      type: int
      returned: when it is defined
      sample: 0
    autostart_delay:
      description: Seconds to wait after its start.
      type: int
      returned: when it is defined
      sample: 0
    groups:
      description: The groups that it belongs to.
      type: list
      elements: str
      returned: when it is defined
      sample: [onboot]
    network_types:
      description: The types of its networks, in their order.
      type: list
      elements: str
      returned: when it is defined
      sample: [veth]
    unprivileged:
      description: Whether it has a user namespace of its own.
      type: bool
      returned: when it is defined
      sample: false
    config:
      description: The entries of its own config file, without those of included files. A key that comes several times is a list. The
        values of environment variables are not shown. A line with a key that LXC does not have is among them.
      type: dict
      returned: when it is defined
      sample: {"lxc.uts.name": "web"}
    config_warnings:
      description: Lines of the config that LXC ignores, such as a key with a typing error.
      type: list
      elements: str
      returned: when it is defined
      sample: []
    config_error:
      description: What is wrong with the config, with file and line. The other facts are those of the lines that are right.
      type: str
      returned: when LXC could not load the config
truncated:
  description: The result was larger than 100,000 bytes. Long texts and lists were cut.
  returned: when it was cut
  type: bool
"""

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import facts


def main() -> None:
    """Run the module."""
    _ansible.run({"name": {"type": "list", "elements": "str"}}, facts.Facts)


if __name__ == "__main__":
    main()
