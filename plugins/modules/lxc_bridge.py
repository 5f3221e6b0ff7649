#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_bridge: the network that containers of a host share."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_bridge
short_description: Manage a bridge for LXC containers, with DHCP, DNS and NAT
version_added: 0.1.0
description:
  - Makes a bridge on the host to which the containers' C(veth) interfaces are attached, as LXC's own C(lxc-net) does, with the same
    addresses by default.
  - C(dnsmasq) gives the containers addresses and answers their names, and one table of C(nftables), which belongs to the bridge alone,
    lets them reach the world.
  - What it makes lasts until the host is booted again; the task then makes it anew.
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
    support: full
options:
  name:
    description:
      - The bridge's name, at most 15 characters.
      - When an interface that is not a bridge has this name, the task fails.
    type: str
    default: lxcbr0
  state:
    description:
      - V(present) makes the bridge, or changes it where it differs from what is said.
      - V(absent) removes the bridge, its DHCP and DNS service with the leases, and its rules. It fails for a bridge that this module did
        not make, and for one with containers attached, see O(force). Forwarding of IPv4 stays turned on.
    type: str
    choices: [present, absent]
    default: present
  ipv4:
    description:
      - The bridge's address with its prefix length.
      - A new bridge gets V(10.0.3.1/24) when nothing is said.
      - When the bridge has another address, that is replaced.
    type: str
  dhcp:
    description:
      - Whether C(dnsmasq) serves DHCP and DNS on the bridge.
      - A new bridge is served when nothing is said.
    type: bool
  dhcp_range:
    description:
      - The first and the last address to give away, with a comma between them.
      - When nothing is said, all addresses of the network beyond the bridge's own, V(10.0.3.2,10.0.3.254) for example.
    type: str
  domain:
    description:
      - The domain of the containers' names, which are answered on the bridge only. An empty text is none.
    type: str
  nat:
    description:
      - Whether what containers send to other networks leaves with the host's address.
      - This turns on forwarding of IPv4 on the host.
      - A new bridge has it when nothing is said.
    type: bool
  force:
    description:
      - Remove the bridge though there are containers attached to it. Their interfaces stay, and reach nothing.
    type: bool
    default: false
requirements:
  - C(pyroute2) 0.7.2 or later for the Python that runs the module.
  - The program C(dnsmasq) (Debian package C(dnsmasq-base)), unless O(dhcp=false).
  - The program C(nft) (Debian package C(nftables)), unless O(nat=false).
notes:
  - Options that are not given are not compared and not changed on a bridge that exists.
  - A rule of another table that drops what is forwarded, as Docker and C(ufw) set one up, drops the containers' packets too. The module
    warns of it when it has changed something.
  - The options O(lxc_path), O(log_file) and O(log_level) are there because all modules of the action group have them. The first has no
    effect here.
seealso:
  - module: hostkit.lxc.lxc_container
"""

EXAMPLES = r"""
- name: The bridge that LXC's own configuration names
  hostkit.lxc.lxc_bridge:

- name: A second network with names of its own
  hostkit.lxc.lxc_bridge:
    name: lab0
    ipv4: 10.20.0.1/16
    dhcp_range: 10.20.1.1,10.20.9.254
    domain: lab.example

- name: A network without a way out
  hostkit.lxc.lxc_bridge:
    name: inner0
    ipv4: 192.168.77.1/24
    nat: false

- name: No bridge
  hostkit.lxc.lxc_bridge:
    name: lab0
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in its order.
  returned: success
  type: list
  elements: str
  sample: [make bridge lxcbr0, give lxcbr0 the address 10.0.3.1/24]
bridge:
  description: The bridge after the task.
  returned: success
  type: dict
  contains:
    name:
      description: The name.
      type: str
      returned: always
      sample: lxcbr0
    state:
      description: V(present) or V(absent).
      type: str
      returned: always
      sample: present
    up:
      description: Whether it is raised.
      type: bool
      returned: always
      sample: true
    hwaddr:
      description: Its hardware address, which does not follow those of its ports.
      type: str
      returned: always
      sample: 00:16:3e:4c:11:02
    ipv4:
      description: All its IPv4 addresses with their prefix lengths.
      type: list
      elements: str
      returned: always
      sample: [10.0.3.1/24]
    ipv6:
      description: All its IPv6 addresses with their prefix lengths.
      type: list
      elements: str
      returned: always
      sample: ["fe80::216:3eff:fe4c:1102/64"]
    dhcp:
      description: Whether DHCP and DNS are served.
      type: bool
      returned: always
      sample: true
    dhcp_range:
      description: The first and the last address that is given away, empty without DHCP.
      type: str
      returned: always
      sample: 10.0.3.2,10.0.3.254
    domain:
      description: The domain of the containers' names, or an empty text.
      type: str
      returned: always
      sample: lab.example
    nat:
      description: Whether containers leave with the host's address.
      type: bool
      returned: always
      sample: true
truncated:
  description: The result was larger than 100,000 bytes. Long texts and lists were cut.
  returned: when it was cut
  type: bool
"""

from typing import Any

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import bridge


def argument_spec() -> dict[str, Any]:
    """As documented above."""
    return {
        "name": {"type": "str", "default": "lxcbr0"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "ipv4": {"type": "str"},
        "dhcp": {"type": "bool"},
        "dhcp_range": {"type": "str"},
        "domain": {"type": "str"},
        "nat": {"type": "bool"},
        "force": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    _ansible.run(argument_spec(), bridge.Job)


if __name__ == "__main__":
    main()
