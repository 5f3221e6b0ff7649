# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container that another one is made from: that it is whole, that its files hold still, and that they did while they were copied.

Nothing of it is changed, and its lock is held for moments only: to start it must not have to wait for a copy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import InUse, LxcError, NotFound
from ..paths import Container
from ..wire import client
from ..wire.protocol import NotRunning, State
from . import ledger, partial

_POLL = 0.2


class Standing(NamedTuple):
    """How it stands. Between two that are equal it was not removed, and nothing has run in it, or the same init all the time."""

    state: State
    init: int
    directory: tuple[int, int]


def look(source: Container) -> Standing:
    """NotFound and InUse say why it cannot be read at all."""
    if not os.path.isdir(source.directory):
        raise NotFound(f"Container {source.name} does not exist in {source.lxc_path}: there is nothing to clone")
    marked = partial.state(source)
    if marked == "busy":
        raise partial.busy(source, "clone it")
    if marked == "abandoned":
        raise LxcError(f"Container {source.name} is half-made: its creation was cut off", hint="Make it anew before it is cloned")
    if not os.path.lexists(source.config):
        raise NotFound(f"{source.directory} is no container: it has no config")
    state = client.state(source)
    if state is State.STOPPED:
        ledger.refuse_survivor(source)
    found = os.stat(source.directory)
    return Standing(state, _init(source, state), (found.st_dev, found.st_ino))


def check(source: Container, standing: Standing, is_atomic: bool) -> None:
    """InUse where its files may change meanwhile. `is_atomic`: they are taken in one moment."""
    state = standing.state
    if state in (State.STOPPED, State.FROZEN) or (is_atomic and state in (State.RUNNING, State.THAWED)):
        return
    hint = "Stop or freeze it first; while it runs only a snapshot can be taken, where the backing store takes it in one moment (btrfs)"
    raise InUse(f"Container {source.name} is {state.name}, and its files may change while they are copied: stop or freeze it first", hint)


@contextmanager
def unchanged(source: Container, standing: Standing) -> Iterator[None]:
    """InUse at the end of the block where it was started, thawed or removed meanwhile: what was copied may be torn."""
    watch = _Watch(source, standing)
    watch.start()
    try:
        yield
    finally:
        watch.end()
    watch.check()


def _init(source: Container, state: State) -> int:
    try:
        return client.init_pid(source) if state is not State.STOPPED else 0
    except NotRunning:
        return 0


class _Watch(threading.Thread):
    """Looks again and again, so that a container that ran for a while in between is seen."""

    def __init__(self, source: Container, standing: Standing) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._standing = standing
        self._ended = threading.Event()
        self._seen = ""

    def run(self) -> None:
        while not self._ended.wait(_POLL) and not self._seen:
            self._look()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def check(self) -> None:
        self._look()
        if self._seen:
            raise InUse(f"Container {self._source.name} {self._seen} while it was cloned: the copy may be torn", hint="Try again")

    def _look(self) -> None:
        try:
            now = look(self._source)
        except LxcError as error:
            self._seen = self._seen or f"could not be read ({error.message})"
            return
        except OSError:
            return
        if now != self._standing:
            same = now.state == self._standing.state
            self._seen = self._seen or ("was changed" if same else f"was {self._standing.state.name} and became {now.state.name}")
