# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor: parent of every container's init, owner of the terminals, server of the command sockets.

Started by `runtime.py` from its persisted copy, as `python3 -I -S`, with the place of pyroute2 and the descriptor of a
pipe on which it says "ready" or what went wrong.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from .. import paths
from ..cgroup import layout
from ..config import parser
from ..kernel import netlink, process
from ..network import types
from ..storage import backends
from . import environment
from .answers import Actions
from .loop import Loop
from .record import Record
from .requests import Requests
from .serve import Server
from .supervise import Supervisor

_NAME = "hostkit-lxc"


def main(arguments: Sequence[str]) -> None:
    """`arguments`: the descriptor to say "ready" on, the runtime's digest, the collection's version."""
    ready_fd, digest, version = int(arguments[0]), arguments[1], arguments[2]
    try:
        process.set_name(_NAME)
        problems = layout.enter_own("hostkit-lxc.monitor") + environment.normalise()
        loop, supervisor = _set_up()
        facts = {"pid": os.getpid(), "digest": digest, "collection": version, "python": sys.executable}
        requests = Requests(loop, supervisor, {**facts, "problems": problems})
    except BaseException as error:
        os.write(ready_fd, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        raise
    os.write(ready_fd, b"ready")
    os.close(ready_fd)
    gc.collect()
    loop.run()
    requests.close()


def _warm_up() -> None:
    """Do once what every launcher would otherwise do again: imports, and what libraries prepare at first use."""
    netlink.preload()
    netlink.rehearse()
    for rootfs_path in ("dir:/", "overlay:/:/"):
        backends.preload(rootfs_path)
    config = parser.loads("lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.0.0.1/24\nlxc.mount.auto = proc\nlxc.cap.drop = sys_time\n")
    types.preload(config.networks)


def _set_up() -> tuple[Loop, Supervisor]:
    _warm_up()
    root_mount = f"{paths.RUN}/rootfs"
    os.makedirs(root_mount, 0o755, exist_ok=True)
    loop = Loop()
    supervisor: Supervisor

    def serve(record: Record) -> None:
        Server(loop, record, Actions(supervisor.set_state, supervisor.stop))

    supervisor = Supervisor(loop, serve, root_mount)
    return loop, supervisor
