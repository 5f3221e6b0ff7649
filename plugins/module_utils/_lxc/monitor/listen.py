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
from ..wire import protocol

_BACKLOG = 100


def listen(container: Container) -> socket.socket:
    """The command socket. InUse when somebody answers for the container already, naming who."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.bind(protocol.address(container.lxc_path, container.name))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InUse(f"Container {container.name} is run by another monitor already ({_holder(container)})") from error
        raise StepError.from_os("socket", "Listen for", container.name, error) from error
    return listener


def _holder(container: Container) -> str:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            probe.connect(protocol.address(container.lxc_path, container.name))
            pid, uid, _gid = sockets.peer_credentials(probe)
        return f"process {pid} of uid {uid}"
    except OSError:
        return "which does not answer"
