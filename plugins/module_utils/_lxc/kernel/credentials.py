# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process may do: capabilities(7), credentials(7), its session keyring."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from . import libc

# In the kernel's order (linux/capability.h).
_NAMES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast "
    "net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice "
    "sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm "
    "block_suspend audit_read perfmon bpf checkpoint_restore"
).split()
CAPABILITIES = {name: number for number, name in enumerate(_NAMES)}

_VERSION_3 = 0x20080522
_KEYCTL_JOIN_SESSION_KEYRING = 1


class Capabilities(NamedTuple):
    """The three sets of a process, each a mask of 1 << number."""

    effective: int
    permitted: int
    inheritable: int


def last_cap() -> int:
    """The highest number that this kernel knows."""
    try:
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return max(number for number in range(64) if _in_bounding(number) is not None)


def _in_bounding(number: int) -> bool | None:
    """Whether it is in the bounding set; None when the kernel knows no such capability."""
    try:
        return bool(libc.prctl(libc.PR_CAPBSET_READ, number))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def bounding() -> int:
    """The bounding set, a mask."""
    return sum(1 << number for number in range(last_cap() + 1) if _in_bounding(number))


def drop_bounding(numbers: Iterable[int]) -> None:
    """Take these out of the bounding set for good; those that this kernel does not know are not there anyhow.

    The kernel itself is asked, not /proc: inside a container that may be a file of the container's own.
    """
    for number in numbers:
        if number >= 0 and _in_bounding(number):
            libc.prctl(libc.PR_CAPBSET_DROP, number)


def limit_bounding(mask: int) -> None:
    """Take out of the bounding set for good what is not in the mask. The numbers have no gaps, so the first unknown one is the end."""
    for number in range(64):
        if not mask >> number & 1:
            held = _in_bounding(number)
            if held is None:
                return
            if held:
                libc.prctl(libc.PR_CAPBSET_DROP, number)


def capget(pid: int = 0) -> Capabilities:
    """capget(2); 0 is the calling thread."""
    header, data = _header(pid), ctypes.create_string_buffer(24)
    libc.call(f"capabilities of {pid or 'this process'}", "capget", header, data)
    low_high = struct.unpack("=6I", data.raw)
    return Capabilities(*(low_high[index] | low_high[index + 3] << 32 for index in range(3)))


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2), of the calling thread."""
    sets = (effective, permitted, inheritable)
    data = struct.pack("=6I", *(mask & 0xFFFFFFFF for mask in sets), *(mask >> 32 for mask in sets))
    libc.call("capabilities", "capset", _header(0), ctypes.create_string_buffer(data, len(data)))


def _header(pid: int) -> ctypes.Array[ctypes.c_char]:
    header = struct.pack("=Ii", _VERSION_3, pid)
    return ctypes.create_string_buffer(header, len(header))


def clear_ambient() -> None:
    """No ambient capabilities. A kernel before 4.3 has none."""
    try:
        libc.prctl(libc.PR_CAP_AMBIENT, libc.PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def clear_inheritable() -> None:
    """No inheritable capabilities: a file's inheritable set gives nothing then (CVE-2022-24769)."""
    now = capget()
    if now.inheritable:
        capset(now.effective, now.permitted, 0)


def set_ids(uid: int, gid: int, groups: Sequence[int] = ()) -> None:
    """Become this user: real, effective and saved, with exactly these supplementary groups."""
    try:
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"uid {uid}, gid {gid}, groups {list(groups)}") from None


def new_session_keyring() -> bool:
    """Leave the inherited keyring for an empty one (keyctl(2)); False where there are none, or a sandbox forbids the call."""
    try:
        libc.syscall("session keyring", "keyctl", _KEYCTL_JOIN_SESSION_KEYRING, None)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return False
    return True
