# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import errno
import subprocess
import sys

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc


def test_importing_it_opens_no_library() -> None:
    """It is on the path of every task; what it binds, it binds at first use."""
    program = f"import runpy; names = runpy.run_path({libc.__file__!r}); assert names['_bound'] == {{}}"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_failed_call_names_its_object() -> None:
    with pytest.raises(OSError) as caught:
        libc.setns(99999)
    assert (caught.value.errno, caught.value.filename) == (errno.EBADF, "descriptor 99999")


def test_a_failed_syscall_names_its_object() -> None:
    with pytest.raises(OSError) as caught:
        libc.syscall(b"/the/object", "pidfd_open", -1, 0)
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, "/the/object")


def test_an_error_is_the_class_that_its_errno_has() -> None:
    with pytest.raises(ProcessLookupError):
        libc.syscall("nobody", "pidfd_open", 2**22, 0)


@pytest.mark.parametrize(
    ("machine", "narrow", "clone", "pivot_root"),
    [
        ("x86_64", False, 56, 155),
        ("x86_64", True, 120, 217),
        ("i686", False, 56, 155),  # personality(PER_LINUX32) of a 64-bit process
        ("armv8l", False, 220, 41),
        ("aarch64", False, 220, 41),
        ("aarch64", True, 120, 218),
        ("s390x", False, 120, 217),
        ("ppc64le", False, 120, 203),
        ("riscv64", False, 220, 41),
    ],
)
def test_numbers_are_the_processes_not_the_kernels(
    monkeypatch: pytest.MonkeyPatch, machine: str, narrow: bool, clone: int, pivot_root: int
) -> None:
    class Uname:
        pass

    uname = Uname()
    uname.machine = machine  # type: ignore[attr-defined]
    monkeypatch.setattr(libc.os, "uname", lambda: uname)
    monkeypatch.setattr(libc.sys, "maxsize", 2**31 - 1 if narrow else 2**63 - 1)
    assert (libc.number("clone"), libc.number("pivot_root"), libc.number("openat2")) == (clone, pivot_root, 437)


def test_the_numbers_of_bpf(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the kernel's tables; every other architecture has that of asm-generic."""
    own = {"x86_64": 321, "i686": 357, "armv7l": 386, "armv6l": 386, "ppc64": 361, "ppc64le": 361, "s390x": 351}
    for machine in libc._OWN_NUMBERS:
        monkeypatch.setattr(libc, "machine", lambda machine=machine: machine)
        assert libc.number("bpf") == own.get(machine, 280)


def test_an_unknown_machine_has_the_common_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libc, "machine", lambda: "vax")
    assert libc.number("clone3") == 435
    with pytest.raises(NotImplementedError, match="pivot_root"):
        libc.number("pivot_root")


def test_memory_is_given_back_where_the_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        def malloc_trim(self, pad: ctypes.c_ulong) -> int:
            asked.append(pad.value)
            return 1

    for library in (Library(), object()):
        monkeypatch.setattr(libc, "_library", lambda _kind, library=library: library)
        libc.malloc_trim()
    assert asked == [0]
