# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command socket of a container (abstract, in the host's network namespace): made, or held by somebody else."""

from __future__ import annotations

import errno
import socket

from ..errors import InUse, StepError
from ..kernel import sockets
from ..paths import Container
from ..wire import host, protocol

_BACKLOG = 100


def listen(container: Container) -> socket.socket:
    """The command socket. InUse when somebody answers for the container already, naming who; NameTaken when nobody answers there."""
    address = protocol.address(container.lxc_path, container.name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _taken(container.name, address) from error
        raise StepError.from_os("socket", "Listen for", container.name, error) from error
    return listener


def _taken(name: str, address: bytes) -> InUse:
    """Of a socket that does not listen, or whose queue is full, the kernel does not tell whose it is."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
            probe.connect(address)
            pid, uid, _gid = sockets.peer_credentials(probe)
    except OSError:
        return host.NameTaken(f"The command socket of container {name} has a name that is taken already, and nobody answers there")
    return InUse(f"Container {name} is run by another monitor already (process {pid} of uid {uid})")
