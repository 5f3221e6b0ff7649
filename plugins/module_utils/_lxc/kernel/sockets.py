# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UNIX sockets (unix(7)): descriptors along with bytes, and who is at the other end."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

MAX_FDS = 253  # SCM_MAX_FD, for one message
_CREDENTIALS = struct.Struct("=iII")
_FD_SIZE = 4


def send_with_fds(sock: socket.socket, data: bytes, fds: Sequence[int] = ()) -> int:
    """Send the data with the descriptors; returns how much went: all, unless the socket is a non-blocking stream."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"={len(fds)}i", *fds))] if fds else []
    sent = sock.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)
    if sent < len(data) and sock.gettimeout() != 0:
        sock.sendall(data[sent:], socket.MSG_NOSIGNAL)
        sent = len(data)
    return sent


def recv_with_fds(sock: socket.socket, size: int, max_fds: int = MAX_FDS) -> tuple[bytes, list[int]]:
    """One message (of a stream: what is there), with its descriptors, which close on exec. Empty data is the end.

    What was cut off, bytes of a packet or descriptors, or more descriptors than asked for, raises OSError, and those that did come are
    closed: EMFILE when descriptors are missing (there was room for them, so no more can be opened), else EMSGSIZE.
    """
    room = socket.CMSG_SPACE(max_fds * _FD_SIZE) + socket.CMSG_SPACE(_CREDENTIALS.size)
    data, ancillary, flags, _address = sock.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % _FD_SIZE
            fds += struct.unpack(f"={whole // _FD_SIZE}i", content[:whole])
    cut = [
        text
        for text, is_so in (
            ("a message was longer than expected", flags & socket.MSG_TRUNC),
            ("descriptors were cut off a message", flags & socket.MSG_CTRUNC),
            ("a message brought more descriptors than expected", len(fds) > max_fds),
        )
        if is_so
    ]
    if cut:
        for fd in fds:
            os.close(fd)
        raise OSError(errno.EMFILE if flags & socket.MSG_CTRUNC and len(fds) < max_fds else errno.EMSGSIZE, "; ".join(cut))
    return data, fds


def peer_credentials(sock: socket.socket) -> tuple[int, int, int]:
    """(pid, uid, gid) of the peer when it connected or made the pair; pid 0 when our pid namespace cannot see it."""
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def pass_credentials(sock: socket.socket) -> None:
    """Let each message received say who sent it (SO_PASSCRED)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def recv_with_credentials(sock: socket.socket, size: int) -> tuple[bytes, tuple[int, int, int]]:
    """One message and its sender's (pid, uid, gid); the socket must `pass_credentials`. Descriptors that come along are closed."""
    room = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(MAX_FDS * _FD_SIZE)
    data, ancillary, _flags, _address = sock.recvmsg(size, room, socket.MSG_CMSG_CLOEXEC)
    sender = (0, -1, -1)
    for level, kind, content in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_CREDENTIALS:
            sender = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])
        elif kind == socket.SCM_RIGHTS:
            for (fd,) in struct.iter_unpack("=i", content[: len(content) - len(content) % _FD_SIZE]):
                os.close(fd)
    return data, sender


def abstract_name(fd: int, listens: bool) -> bytes:
    """The abstract name of a UNIX stream socket that listens, or of one that was accepted there; b"" for anything else."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:  # ENOTSOCK
        return b""
    try:
        if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            return b""
        name = sock.getsockname() if bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) == listens else b""
        return name if isinstance(name, bytes) else b""
    finally:
        sock.detach()


def seqpacket_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends that keep messages apart and tell of the other's end; both close on exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
