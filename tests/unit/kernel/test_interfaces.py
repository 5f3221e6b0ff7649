# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces as the C library tells them, held against what the kernel shows elsewhere."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import interfaces


def test_the_names_are_those_of_the_namespace():
    assert set(interfaces.read()) == {name for _index, name in socket.if_nameindex()}


def test_lo():
    lo = interfaces.read()["lo"]
    assert lo.hwaddr == "00:00:00:00:00:00"
    for address in lo.addresses:
        assert address.interface == "lo"
        assert (address.family, address.address, address.prefix) in ((4, "127.0.0.1", 8), (6, "::1", 128))


def test_what_reaches_its_link_only():
    def one(address):
        return interfaces.Address("x", 6 if ":" in address else 4, address, 64).is_link_local

    assert [one(address) for address in ("fe80::1", "febf::1", "169.254.3.4")] == [True] * 3
    assert [one(address) for address in ("fec0::1", "fd00::1", "10.0.0.1")] == [False] * 3


def test_a_driver_of_nothing():
    with pytest.raises(OSError, match="nosuch") as caught:
        interfaces.driver("nosuch")
    assert caught.value.filename == "nosuch"
