# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in a cgroup's files, as the kernel's documents and parsers have it; tests/root asks the kernel itself."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup import values

GOOD = {
    "memory.limit_in_bytes": ["-1", "0", "512M", "1g", "0x100000", " 4096 "],
    "memory.soft_limit_in_bytes": ["2G"],
    "memory.memsw.limit_in_bytes": ["2G", "-1"],
    "memory.max": ["max", "512M", "1073741824"],
    "memory.swap.max": ["0", "max"],
    "hugetlb.2MB.limit_in_bytes": ["-1", "4M"],
    "hugetlb.1GB.max": ["max"],
    "pids.max": ["max", "100"],
    "cpu.shares": ["512"],
    "cpu.cfs_quota_us": ["-1", "50000"],
    "cpu.weight": ["1", "10000", "100"],
    "cpu.weight.nice": ["-20", "19", "0", "-3"],
    "cpu.max": ["max", "50000 100000", "max 100000", "50000"],
    "cpuset.cpus": ["0", "0-3", "0-3,6", "0-7:1/2", "all"],
    "cpuset.mems": ["0"],
    "io.weight": ["100", "default 100", "8:0 200", "8:0 default"],
    "io.max": ["8:0 rbps=1048576 wiops=max"],
    "blkio.weight": ["500"],
    "blkio.throttle.read_bps_device": ["8:0 1048576"],
    "memory.oom.group": ["0", "1"],
    "memory.swappiness": ["60"],
    "devices.allow": ["a", "a *:* rwm", "c 1:3 rwm", "b *:* m", "c 136:* rw", "/dev/fuse rwm"],
    "devices.deny": ["a", "c 1:3 w"],
    "unheard.of": ["anything"],
    "memory.usage_in_bytes": ["anything"],
}
BAD = {
    "memory.limit_in_bytes": ["many", "512MB", "1.5G", "-2", "max", "1 G"],
    "memory.max": ["-1", "many", "1000000000.0", "50%"],
    "hugetlb.2MB.max": ["-1"],
    "pids.max": ["-1", "many", "1k"],
    "cpu.shares": ["-5", "half"],
    "cpu.weight": ["0", "10001", "many"],
    "cpu.weight.nice": ["20", "-21"],
    "cpu.max": ["50%", "max max", "1 2 3"],
    "cpuset.cpus": ["two", "0..3"],
    "io.max": ["8:0", "sda rbps=1", "8:0 speed=1"],
    "memory.oom.group": ["yes", "2"],
    "devices.allow": ["zz 1:3 rwm", "c 1 rwm", "c 1:3 x", "c 1:3", "any"],
    "devices.deny": ["/dev/fuse rwm", "all"],
    "devices.list": ["c 1:3 rwm"],
    "freezer.state": ["FREEZING"],
}


@pytest.mark.parametrize(("file", "value"), [(file, value) for file, listed in GOOD.items() for value in listed])
def test_what_the_kernel_takes(file, value):
    assert values.problem(file, value) == ""


@pytest.mark.parametrize(("file", "value"), [(file, value) for file, listed in BAD.items() for value in listed])
def test_what_it_refuses(file, value):
    assert values.problem(file, value)
