# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's program: the keeper, and the monitor that it forks: parent of every container's init, owner of the terminals,
server of the command sockets.

Started by `runtime.py` from its persisted copy, as `python3 -I -S`, with the place of pyroute2. Its last two arguments are
`start FD` (a pipe on which it says "ready" or what went wrong), `service FD` (the same by sd_notify(3)), `keep FD` (a keeper's
handover) or `try FD` (a trial: where to say what would not work).
"""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from .. import paths
from ..cgroup import devices, layout
from ..config import parser
from ..errors import InUse
from ..kernel import libc, netlink, process, sockets, systemd
from ..lifecycle import ledger, rehearsal
from ..security import posture
from . import environment, handover, state, table
from .adopt import adopt
from .answers import Actions
from .handover import Held
from .keeper import RESTART, Begin, Keeper, Promoted
from .link import Link
from .loop import Loop, say
from .record import Record
from .replace import Replacement
from .requests import Requests
from .serve import Server
from .supervise import Supervisor

_NAME = "hostkit-lxc"
_CLAIM_TIMEOUT = 5.0
_READY, _REQUESTS, _CLAIM = "ready", "requests", "claim"  # what the keeper holds beside the containers


def main(arguments: Sequence[str]) -> None:
    """`arguments`: the runtime's digest, the collection's version, and which of the four this is, with its descriptor."""
    digest, version, mode, number = arguments
    fd = int(number)
    facts = {"digest": digest, "collection": version, "python": sys.executable}
    try:
        # Before anything else: what it uses and makes is its own. systemd has given a service one.
        problems = layout.enter_own("hostkit-lxc.monitor") if mode == "start" else []
        _warm_up()
        if mode == "try":
            _try()
            return
        problems += environment.normalise()
        for problem in problems:
            say(f"{problem}\n")
        begin: Begin = partial(_begin, {**facts, "problems": problems})
        if mode == "keep":
            keeper = _resumed(begin, fd)
        else:
            claim = {_CLAIM: {"lock": _claim()}}
            keeper = Keeper(begin, {**claim, _READY: {"pipe": fd}} if mode == "start" else claim, on_up=systemd.notify_ready)
    except BaseException as error:
        os.write(2 if mode == "keep" else fd, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        raise
    gc.collect()
    libc.malloc_trim()  # up to 1 MiB that the imports needed for a while; each fork would copy its page tables
    gc.freeze()
    _run(keeper)


def _run(keeper: Keeper) -> NoReturn:
    """What the frames of a monitor hold that has become the keeper is only forgotten: to close its numbers would be to close others'."""
    forgotten = []
    while True:
        try:
            keeper.run()
        except Promoted as promoted:
            forgotten.append(promoted)
            keeper = promoted.keeper
        except BaseException as error:  # nothing may be closed on the way out: the table is the monitor's too
            say(f"The keeper fails: {type(error).__name__}: {error}\n")
            os._exit(1)


def _claim() -> int:
    """A lock that the keeper and its monitors share as long as one of them lives: there is never a second pair.

    One that was told to end may need a moment.
    """
    fd = os.open(paths.MONITOR_CLAIM, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _CLAIM_TIMEOUT
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise InUse(f"Another monitor runs: it holds {paths.MONITOR_CLAIM}") from None
            time.sleep(0.02)


def _resumed(begin: Begin, table_fd: int) -> Keeper:
    """In the place of an older keeper, with its monitor."""
    left = handover.read(table_fd)
    keeper = Keeper(begin, left.held, left.child, handover.reopen(left.end_fd))
    keeper.resume(left.statuses)
    return keeper


def _try() -> None:
    """Read what the running monitor has written of its containers. Raises what this version cannot make of it."""
    for _key, entry in ledger.entries():
        record = state.restore(entry, {"init": -1})
        parser.from_pairs(record.config_pairs(), record.container.config)


def _warm_up() -> None:
    """Do once what every launcher would otherwise do again: imports, and what libraries prepare at first use."""
    netlink.learn()
    rehearsal.rehearse()
    devices.rehearse(parser.loads(posture.common_text()))


def _begin(facts: dict[str, Any], bond: table.Bond, held: Held, statuses: dict[int, int]) -> NoReturn:
    """In the keeper's child: be the monitor until the end. `held` is what the one before it has left."""
    ready_fd = held.pop(_READY, {}).get("pipe", 2)
    try:
        monitor = Monitor(facts, bond, held, statuses)
    except BaseException as error:
        os.write(ready_fd, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        raise
    if ready_fd != 2:
        os.write(ready_fd, b"ready")
        monitor.link.drop(_READY)
        monitor.link.close([ready_fd])
    os._exit(monitor.run())


class Monitor:
    """The parts together."""

    def __init__(self, facts: dict[str, Any], bond: table.Bond, held: Held, statuses: dict[int, int]) -> None:
        process.set_name(_NAME)
        root_mount = f"{paths.RUN}/rootfs"
        os.makedirs(root_mount, 0o755, exist_ok=True)
        self.facts = facts
        self.loop = Loop()
        for pid, status in statuses.items():
            self.loop.ended(pid, status)
        self.link = Link(self.loop, bond, self._keeper_died)
        self.supervisor = Supervisor(self.loop, self.link, self._serve, root_mount)
        listener_fd = held.pop(_REQUESTS, {}).get("listener", -1)
        self.claim = held.pop(_CLAIM)
        problems = adopt(self.supervisor, held)
        self.replacement = Replacement(self.loop, self.link, self.supervisor, str(facts["collection"]), self._leave)
        listed = [*facts["problems"], *problems]
        self.requests = Requests(
            self.loop, self.supervisor, {**facts, "problems": listed}, self.replacement.request, listener_fd=listener_fd
        )
        self.replacement.pause = self.requests.pause
        self.link.hold(_REQUESTS, {"listener": self.requests.listener.fileno()})
        self.link.up()
        self.status = 0

    def _serve(self, record: Record) -> None:
        Server(self.loop, record, Actions(self.supervisor.hear_state, self.supervisor.stop, self.supervisor.save))

    def run(self) -> int:
        """The exit status: 0 was asked for, RESTART wants another monitor."""
        self.supervisor.save_all()
        self.loop.run()
        if self.status == 0:
            self.requests.close()
        return self.status

    def _leave(self) -> None:
        """Another takes over: nothing may be read any more that it would miss."""
        self.supervisor.save_all()
        self.status, self.loop.stopping = RESTART, True

    def _keeper_died(self) -> None:
        """Become the keeper, which must be an ancestor of who it cares for, and go on as the monitor in a child: both have it all.

        What the monitor's objects hold is only forgotten here (`_run`): the collector must not close numbers that are the child's.
        """
        if self.loop.stopping:
            return
        self.replacement.failed("the keeper died")
        held: Held = {record.key: state.descriptors(record) for record in self.supervisor.records.values()}
        held[_REQUESTS] = {"listener": self.requests.listener.fileno()}
        held[_CLAIM] = self.claim
        own, (ours, theirs) = table.Own.open(), sockets.seqpacket_pair()
        collects = gc.isenabled()
        gc.disable()
        pid = table.fork()
        if pid == 0:
            if collects:
                gc.enable()
            self.link.renew(table.bond(theirs, own, ours))
            self.supervisor.launchers.dismiss()
            self.supervisor.find_orphans()
            return
        theirs.detach()
        ours.setblocking(False)
        raise Promoted(Keeper(partial(_begin, self.facts), held, pid, ours, own=own))
