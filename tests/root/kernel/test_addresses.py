# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of another network namespace, from outside, while this process stays in its own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import addresses

SETUP = """
ip link add one type veth peer name two && ip link set one up && ip link set two up && ip link set lo up &&
ip addr add 10.9.8.7/24 dev one && ip addr add 10.9.8.6/24 dev lo && ip addr add 169.254.1.1/16 scope link dev one &&
ip -6 addr add fd00:9::1/64 dev one nodad && ip -6 addr add fd00:9::2/64 dev two && echo ready && exec cat
"""


def can_unshare() -> bool:
    return bool(shutil.which("ip")) and subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not can_unshare(), reason="no network namespace can be made here")


@pytest.fixture
def other():
    process = subprocess.Popen(["unshare", "-n", "sh", "-c", SETUP], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_they_are_read_and_we_stay_where_we_are(other):
    before = os.readlink("/proc/thread-self/ns/net")
    found = addresses.of_process(other.pid)
    assert sorted(found.names) == ["one", "two"]
    assert found.ipv4 == ["10.9.8.7"]
    assert "fd00:9::1" in found.ipv6
    assert not [address for address in found.ipv6 if address.startswith("fe80")]
    assert os.readlink("/proc/thread-self/ns/net") == before


def test_a_new_address_is_an_event(other):
    with addresses.open_in(other.pid, addresses.ADDRESS_EVENTS) as events:
        subprocess.run(["nsenter", "-t", str(other.pid), "-n", "ip", "addr", "add", "10.9.8.5/24", "dev", "two"], check=True)
        assert select.select([events], [], [], 10)[0]


def test_no_descriptor_is_left_over(other):
    before = sorted(os.listdir("/proc/self/fd"))
    addresses.of_process(other.pid)
    with pytest.raises(OSError, match="ns/net"):
        addresses.of_process(2**22 + 1)
    assert sorted(os.listdir("/proc/self/fd")) == before
