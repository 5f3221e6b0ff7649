# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the name of a socket, whatever it does with it."""

from __future__ import annotations

import os
import socket
import uuid

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import bound


def ours() -> str:
    return f"process {os.getpid()} of uid {os.geteuid()}"


@pytest.fixture
def address() -> bytes:
    return b"\0some where/\0" + uuid.uuid4().hex.encode()


def test_of_a_socket_that_is_only_bound(address: bytes) -> None:
    assert bound.holder(address) == ""
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(address)
        assert bound.holder(address) == ours()
        assert bound.holder(address[:-1]) == bound.holder(b"\0" + address.rpartition(b"\0")[2]) == ""
    assert bound.holder(address) == ""


def test_of_a_listener_and_not_of_who_was_let_in(address: bytes) -> None:
    """What it has accepted bears its name, and may have been handed on to somebody else."""
    with socket.socket(socket.AF_UNIX) as holder, socket.socket(socket.AF_UNIX) as client, socket.socket(socket.AF_UNIX) as other:
        holder.bind(address)
        holder.listen()
        client.connect(address)
        accepted, _address = holder.accept()
        other.connect(address)
        with accepted:
            assert bound._inode(address) == os.fstat(holder.fileno()).st_ino
        assert bound.holder(address) == ours()
