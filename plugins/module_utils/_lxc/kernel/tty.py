# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo-terminals (pty(7), ioctl_tty(2)): masters from one devpts instance, slaves opened through their master."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import Any, Optional

from . import libc

_IS_POWERPC = libc.machine().startswith("ppc")  # where the direction bits of an ioctl's number are others
_TIOCSPTLCK = 0x80045431 if _IS_POWERPC else 0x40045431
_TIOCGPTN = 0x40045430 if _IS_POWERPC else 0x80045430
_TIOCGPTPEER = 0x20005441 if _IS_POWERPC else 0x5441
_SIZE = struct.Struct("=HHHH")


def open_master(devpts_fd: Optional[int] = None) -> int:
    """A new pty, unlocked: of the devpts whose directory is given, or of the host's /dev/ptmx. Never the controlling terminal."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master_fd = os.open("/dev/ptmx", flags) if devpts_fd is None else os.open("ptmx", flags | os.O_NOFOLLOW, dir_fd=devpts_fd)
    try:
        _control(master_fd, _TIOCSPTLCK, struct.pack("=i", 0))
    except BaseException:
        os.close(master_fd)
        raise
    return master_fd


def open_peer(master_fd: int) -> int:
    """The slave, by its master (TIOCGPTPEER): its name, which may be another's in this mount namespace, is not looked up."""
    return int(_control(master_fd, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))


def number(master_fd: int) -> int:
    """The slave's name below its devpts."""
    return int(struct.unpack("=I", _control(master_fd, _TIOCGPTN, struct.pack("=I", 0)))[0])


def set_size(fd: int, rows: int, columns: int) -> None:
    """Tell the terminal's size; its foreground processes get SIGWINCH when it is another."""
    _control(fd, termios.TIOCSWINSZ, _SIZE.pack(rows, columns, 0, 0))


def get_size(fd: int) -> tuple[int, int]:
    """(rows, columns)"""
    rows, columns, _width, _height = _SIZE.unpack(_control(fd, termios.TIOCGWINSZ, bytes(_SIZE.size)))
    return rows, columns


def make_raw(fd: int) -> list[Any]:
    """As cfmakeraw(3): bytes go through as they are. Returns the settings before, for `restore`."""
    old = termios.tcgetattr(fd)
    new = termios.tcgetattr(fd)
    new[0] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )
    new[1] &= ~termios.OPOST
    new[2] = new[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    new[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    new[6][termios.VMIN], new[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, new)
    return old


def restore(fd: int, settings: list[Any]) -> None:
    """Back to what `make_raw` returned, after what is written has gone out."""
    termios.tcsetattr(fd, termios.TCSADRAIN, settings)


def make_controlling(fd: int) -> None:
    """The terminal of this session, whose leader we must be (setsid(2)). One that belongs to another session is not taken from it."""
    _control(fd, termios.TIOCSCTTY, 0)


def _control(fd: int, request: int, argument: Any) -> Any:
    try:
        return fcntl.ioctl(fd, request, argument)
    except OSError as error:
        raise OSError(error.errno, error.strerror, libc.describe(fd)) from None
