# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device program, run by an interpreter of the few instructions that it has (kernel document bpf/standardization/instruction-set.rst).

BPF_PROG_TEST_RUN is not there for this type; tests/root has the kernel run it.
"""

from __future__ import annotations

import errno
import itertools
import random
import resource
import struct
import sys
from collections.abc import Sequence

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, libc
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.cgroup_bpf import Device

BITS = {"m": 1, "r": 2, "w": 4}
KINDS = {"b": 1, "c": 2}
ASKED = ["", "m", "r", "w", "rw"]
CONTEXT = 1 << 33  # an address, and no number of 32 bits


def run(program: bytes, kind: str, major: int, minor: int, access: str) -> bool:
    """The verdict, if every instruction that is reached is known and no jump leads out of the program."""
    context = struct.pack("=3I", sum(BITS[letter] for letter in access) << 16 | KINDS[kind], major, minor)
    registers = {1: CONTEXT}
    at = 0
    while True:
        code, pair, jump, value = struct.unpack_from("=BBhI", program, at * 8)
        to, source = (pair & 15, pair >> 4) if sys.byteorder == "little" else (pair >> 4, pair & 15)
        at += 1
        if code == 0x61:  # r[to] = *(u32 *)(r[source] + jump)
            assert source == 1 and registers[1] == CONTEXT
            (registers[to],) = struct.unpack_from("=I", context, jump)
        elif code == 0xB7:
            registers[to] = value
        elif code == 0xBC:
            registers[to] = registers[source]
        elif code == 0x54:
            registers[to] &= value
        elif code == 0x4C:
            registers[to] |= registers[source]
        elif code == 0xA4:
            registers[to] ^= value
        elif code in (0x15, 0x55):
            at += jump if (registers[to] == value) is (code == 0x15) else 0
        else:
            assert code == 0x95, hex(code)
            return {0: False, 1: True}[registers[0]]


def decide(allow: bool, exceptions: Sequence[Device], kind: str, major: int, minor: int, access: str) -> bool:
    """As kernel document cgroup-v1/devices.rst has it, in other words."""
    for one in exceptions:
        if one.kind in (kind, "a") and one.major in (major, -1) and one.minor in (minor, -1):
            if not allow and set(access) <= set(one.access):
                return True
            if allow and set(access) & set(one.access):
                return False
    return allow


NULL = Device("c", 1, 3, "rwm")


@pytest.mark.parametrize(
    ("allow", "exceptions", "asked", "verdict"),
    [
        (False, [], "c 1 3 r", False),
        (True, [], "b 8 0 rw", True),
        (False, [NULL], "c 1 3 rw", True),
        (False, [NULL], "b 1 3 rw", False),
        (False, [NULL], "c 1 4 rw", False),
        (False, [NULL], "c 2 3 rw", False),
        (False, [Device("c", 1, 3, "r")], "c 1 3 rw", False),
        (False, [Device("c", 1, 3, "r"), Device("c", 1, -1, "w")], "c 1 3 rw", False),  # by none of them alone
        (False, [Device("c", -1, -1, "m")], "c 1 3 m", True),
        (False, [Device("c", -1, -1, "m")], "c 1 3 r", False),
        (False, [Device("c", 136, -1, "rwm")], "c 136 1048575 rw", True),
        (False, [Device("a", 8, 0, "rwm")], "b 8 0 rw", True),
        (False, [Device("b", 4095, 1048575, "rwm")], "b 4095 1048575 r", True),
        (True, [NULL], "c 1 3 rw", False),
        (True, [Device("c", 1, 3, "w")], "c 1 3 rw", False),
        (True, [Device("c", 1, 3, "w")], "c 1 3 r", True),
        (True, [Device("b", -1, -1, "rwm")], "b 8 0 m", False),
        (True, [Device("b", -1, -1, "rwm")], "c 8 0 m", True),
    ],
)
def test_what_a_program_says(allow: bool, exceptions: list[Device], asked: str, verdict: bool) -> None:
    kind, major, minor, access = asked.split()
    assert run(cgroup_bpf.instructions(allow, exceptions), kind, int(major), int(minor), access) is verdict


@pytest.mark.parametrize("seed", range(20))
def test_any_list_is_decided_as_version_1_would(seed: int) -> None:
    chance = random.Random(seed)
    masks = ["r", "w", "m", "rw", "rm", "wm", "rwm"]
    numbers = [-1, 0, 3]
    for allow in (False, True):
        size = chance.randrange(8)
        exceptions = [
            Device(chance.choice("abc"), chance.choice(numbers), chance.choice(numbers), chance.choice(masks)) for _number in range(size)
        ]
        program = cgroup_bpf.instructions(allow, exceptions)
        for asked in itertools.product("bc", (0, 3, 7), (0, 3, 7), ASKED):
            assert run(program, *asked) is decide(allow, exceptions, *asked), (allow, exceptions, asked)


def test_without_memory_to_lock_the_limit_is_raised_for_the_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 5.11, which cannot be had here: what it says is pretended."""
    limits = [(1, 1)]
    calls = []

    def syscall(_subject: object, name: str, command: int, *_rest: object) -> int:
        calls.append((name, command, limits[-1][0]))
        if limits[-1][0] != resource.RLIM_INFINITY:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return 77

    monkeypatch.setattr(libc, "syscall", syscall)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, values: limits.append(values))
    assert cgroup_bpf._load(cgroup_bpf.instructions(True, [])) == 77
    assert calls == [("bpf", 5, 1), ("bpf", 5, resource.RLIM_INFINITY)] and limits[-1] == (1, 1)


def test_an_architecture_without_a_number_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libc, "machine", lambda: "pdp11")
    with pytest.raises(OSError, match=r"bpf\(2\) on pdp11") as caught:
        cgroup_bpf._load(cgroup_bpf.instructions(True, []))
    assert caught.value.errno == errno.ENOSYS
