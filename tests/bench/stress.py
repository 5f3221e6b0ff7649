# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of `make bench`: the state query of one container while others keep the monitor busy, beside the same without them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import make_container, stop_all, timed
from row import MAX, Row

IDLE = 5
BLOCK = 50
FLOOD = "#!/bin/sh\nwhile :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done\n"


def bench_stress(lxc_path: Path, blocks: int) -> list[Row]:
    """The slowest is what [min-max] shows; blocks with and without stress take turns."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import query

    row = Row("state query under stress (the max)", "the same without stress", goal=50, of=MAX)
    place = lxc_path / "stress"
    quiet, noisy, slow = (make(paths.container(name, str(place))) for name in ("quiet", "noisy", "slow"))
    for _container, error, _warnings, _was_up in runtime.start([quiet, noisy], 60):
        if error:
            raise SystemExit(f"start: {error}")
    try:
        for _block in range(blocks):
            freeze.freeze(noisy)
            row.theirs += [timed(lambda: query.state(quiet)) for _turn in range(BLOCK)]
            freeze.thaw(noisy)
            with hook_that_sleeps(slow), idle_clients([quiet, noisy]):
                for _turn in range(BLOCK):
                    row.ours.append(timed(lambda: query.state(quiet)))
                    time.sleep(0.005)  # so that the whole second of a flood is met and not its beginning
    finally:
        stop_all(place)
    return [row]


def make(container):  # type: ignore[no-untyped-def]
    make_container(Path(container.lxc_path), container.name, veth=False)
    config = Path(container.config)
    if container.name == "noisy":
        Path(container.rootfs, "init").write_text(FLOOD)
        config.write_text(config.read_text() + "lxc.console.buffer.size = 1MB\n")
    if container.name == "slow":
        hook = Path(container.directory, "hook")  # a script: hooks get arguments
        hook.write_text("#!/bin/sh\nexec sleep 600\n")
        hook.chmod(0o755)
        config.write_text(config.read_text() + f"lxc.hook.pre-start = {hook}\n")
    return container


@contextmanager
def hook_that_sleeps(container) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """A start that does not come to its end; given up afterwards."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, query
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

    asking = threading.Thread(target=lambda: runtime.start([container], 600), daemon=True)
    asking.start()
    while query.state(container) != State.STARTING:
        time.sleep(0.005)
    yield
    client.stop(container)
    asking.join(60)


@contextmanager
def idle_clients(containers) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """At each: some who connect and say nothing, and some who ask for much and never read."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import payloads, protocol

    request = payloads.ConsoleLog().pack()
    asked = protocol.pack_request(protocol.Command.CONSOLE_LOG, 0, request) + request
    with ExitStack() as stack:
        for address in [paths.MONITOR_SOCKET, *(protocol.address(*container) for container in containers)]:
            for number in range(2 * IDLE):
                link = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                link.connect(address)
                if number >= IDLE and address != paths.MONITOR_SOCKET:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    link.send(asked)
        yield
