# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes that single requests carry: sizes and places as the C structs have them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import ProtocolError, State


def test_struct_sizes():
    sizes = [
        payloads.STATE_MESSAGE_SIZE,
        payloads.CGROUP_CTX_SIZE,
        payloads.CGROUP_FD_SIZE,
        payloads.CONSOLE_LOG_SIZE,
        payloads.BPF_DEVICE_SIZE,
        payloads.INTEREST_SIZE,
    ]
    assert sizes == [264, 96, 80, 24, 40, 32]


@pytest.mark.parametrize(
    "value",
    [
        payloads.StateMessage(0, "web1", State.STOPPED),
        payloads.CgroupCtx(1, 2, 3),
        payloads.CgroupFd(1, 0, payloads.CGROUP1_MAGIC, "freezer"),
        payloads.ConsoleLog(True, False, 1 << 40, True),
        payloads.BpfDevice("c", 1, -1, "rw", True),
    ],
)
def test_what_is_packed_is_unpacked(value):
    assert type(value).unpack(value.pack()) == value


def test_fields_stand_where_c_puts_them():
    assert payloads.StateMessage(2, "x", 9).pack()[260:] == struct.pack("=i", 9)
    assert payloads.ConsoleLog(False, True, 5, True).pack() == b"\0\1" + b"\0" * 6 + struct.pack("=Q", 5) + b"\1" + b"\0" * 7
    assert payloads.BpfDevice("b", 8, 0, "rwm", False).pack()[:24] == b"b\0\0\0" + struct.pack("=ii", 8, 0) + b"rwm\0" + b"\0" * 8
    assert payloads.CgroupFd(controller="memory").pack()[16:22] == b"memory"
    assert payloads.CgroupCtx(2, 0, 1).pack()[:12] == struct.pack("=iII", 2, 0, 1)


def test_every_device_needs_no_access():
    assert payloads.BpfDevice.unpack(payloads.BpfDevice("a", -1, -1, "", False).pack()).access == ""


@pytest.mark.parametrize(
    "data",
    [
        b"d" + b"\0" * 39,
        b"c\0\0\0" + b"\0" * 8 + b"rx\0\0" + b"\0" * 24,
        payloads.BpfDevice("c", 1, 3, "", True).pack(),
        payloads.BpfDevice("c", -2, 3, "r", True).pack(),
        payloads.BpfDevice("c", 1, -2, "r", True).pack(),
    ],
)
def test_a_device_rule_of_nonsense_is_refused(data):
    with pytest.raises(ProtocolError):
        payloads.BpfDevice.unpack(data)


def test_interest_marks_the_states():
    assert payloads.unpack_interest(payloads.pack_interest([State.STOPPED, State.FROZEN])) == (1, 0, 0, 0, 0, 0, 1, 0)
    assert payloads.unpack_interest(payloads.pack_interest([State.RUNNING], survive_reboot=True))[2] == 2
