# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the name of a socket that nobody answers at. Of a listener the kernel tells (SO_PEERCRED), of any other socket nobody does.

To look at every descriptor of every process takes tens of milliseconds: for an error message, and never in the monitor's loop.
"""

from __future__ import annotations

import os

from . import process

_LISTENS = 0x10000


def holder(address: bytes) -> str:
    """The process that has a socket of this abstract address, in our network namespace; "" when none is found, or may be looked at."""
    inode = _inode(address)
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) if inode else ():
        if _has_open(pid, f"socket:[{inode}]"):
            try:
                return f"process {pid} of uid {process.status_values(pid, 'Uid')[0].split()[1]}"
            except OSError:  # it has ended
                continue
    return ""


def _inode(address: bytes) -> int:
    """From /proc/net/unix (proc(5)), where each NUL of an address is an @. Those that a listener has accepted have its address, too."""
    name = b"@" + address[1:].replace(b"\0", b"@")
    with open("/proc/net/unix", "rb") as file:
        rows = [line.split(None, 7) for line in file.read().split(b"\n") if line.endswith(name)]
    found = {int(row[3], 16) & _LISTENS: int(row[6]) for row in rows if row[7:] == [name] and row[6] != b"0"}
    return found.get(_LISTENS) or found.get(0, 0)


def _has_open(pid: int, what: str) -> bool:
    try:
        fds = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has ended, or is another user's
        return False
    return any(_is(f"/proc/{pid}/fd/{fd}", what) for fd in fds)


def _is(link: str, what: str) -> bool:
    try:
        return os.readlink(link) == what
    except OSError:
        return False
