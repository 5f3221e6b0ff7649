# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a clone's making, in its own root: the hooks `clone`, and the names."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

from ..config import parser
from ..config.model import Config
from ..errors import StepError
from ..paths import Container
from ..storage.base import Backend
from ..storage.opened import opened
from . import hooks, identity
from .apart import apart
from .log import Log, level_number

# Of LXC's common.conf: it changes files in the root by their paths, through whatever links stand there. `identity` does the same.
_RENAMES = "/lxc/hooks/clonehostname"


class Clone(NamedTuple):
    """`names` are the host name that its root has and the one that it gets; None: it keeps it."""

    source: Container
    target: Container
    config: Config
    store: Backend
    names: Optional[tuple[str, str]]


def finish(clone: Clone) -> None:
    """With the root mounted where only this can see it. A hook that fails is a StepError with what it printed."""
    log = Log(clone.target.name, clone.target.log, level_number(clone.config.get("lxc.log.level") or "ERROR"))
    if clone.names is not None and not wanted(clone.config) and _renamed(clone.store, clone.names):
        return
    apart(lambda: _inside(clone, log))


def _renamed(store: Backend, names: tuple[str, str]) -> bool:
    """Without a process for it, which costs more than all the rest of a snapshot. False where the root needs a place to be mounted on."""
    try:
        with opened(store) as directory:
            if directory:
                identity.change(directory, *names)
            return bool(directory)
    except OSError as error:
        raise StepError.from_os("clone", "Use", str(error.filename or "the root filesystem"), error) from error


def _inside(clone: Clone, log: Log) -> None:
    directory = clone.store.mount_host(clone.target.rootfs)
    env = {**hooks.environment(clone.target, clone.config, directory, log.level), "LXC_SRC_NAME": clone.source.name}
    hooks.run("clone", _without_renaming(clone.config, clone.target), env, log)
    if clone.names is not None:
        identity.change(directory, *clone.names)
    clone.store.umount(directory)


def original(source: Container) -> str:
    """The name that its root has been made for: that of a snapshot is its container's, which it lies in (`web/snaps/snap0`), or beside
    (`lxcsnaps/web/snap0`, LXC 1.0)."""
    above, place = os.path.split(source.lxc_path)
    if place == "snaps" and os.path.lexists(f"{above}/config"):
        return os.path.basename(above)
    return place if above.endswith("snaps") and os.path.lexists(f"{above[:-5]}/{place}/config") else source.name


def rename(target: Container, store: Backend, edits: identity.Edits) -> None:
    """The names in the root of one that is no copy."""

    def inside() -> None:
        directory = store.mount_host(target.rootfs)
        identity.apply(directory, edits)
        store.umount(directory)

    apart(inside)


def wanted(config: Config) -> list[str]:
    """The hooks that are run."""
    return [hook for hook in config.hooks("clone") if not hook.strip().endswith(_RENAMES)]


def _without_renaming(config: Config, target: Container) -> Config:
    hooks_run = wanted(config)
    pairs = [(key, value) for key, value in config.pairs() if key != "lxc.hook.clone"]
    return parser.from_pairs([*pairs, *(("lxc.hook.clone", hook) for hook in hooks_run)], target.config)
