# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rtnetlink by pyroute2's message classes, in network namespaces of the test's own."""

from __future__ import annotations

import os

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, netlink


def _rehearsed() -> tuple[list[str], list[str]]:
    with netlink.Netlink() as links:
        before = [link.name for link in links.links()]
        netlink.rehearse()
        return before, [link.name for link in links.links()]


def test_a_rehearsal_changes_nothing(in_child):
    before, after = in_child(_rehearsed, flags=libc.CLONE_NEWNET)
    assert before == after and "lo" in before


def _pair() -> tuple[bool, str, int]:
    with netlink.Netlink() as links:
        links.create_bridge("br9")
        links.create_veth("host9", "peer9", {"pid": os.getpid()}, master="br9", attributes={"MTU": 1400})
        links.set_alias("host9", "mark")
        found = links.find("host9")
        assert found is not None
        return found.up, found.alias, found.mtu


def test_one_message_makes_the_pair_in_its_bridge(in_child):
    assert in_child(_pair, flags=libc.CLONE_NEWNET) == (True, "mark", 1400)
