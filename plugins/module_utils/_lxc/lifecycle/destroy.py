# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a container: its storage, then its directory.

While it goes the directory carries LXC's `partial` marker, so that what a kill leaves behind is known for what it is.
"""

from __future__ import annotations

import errno
import os
import time

from .. import paths
from ..config import parser
from ..config.model import Config
from ..errors import ConfigError, InUse, NotFound, StepError
from ..kernel import tree
from ..paths import Container
from ..storage import backends
from ..wire import client
from ..wire.protocol import State
from . import dependents, intent, ledger, lock, partial, rootowner, volumes

_LAST_CALL = 2.0


def destroy(container: Container, delete_snapshots: bool = False, timeout: float = lock.TIMEOUT) -> list[str]:
    """Remove a stopped container. InUse names what is in the way: it runs, clones use its files, it has snapshots, somebody works on it.

    Bad lines of the config do not stand against it: what the others say counts. They come back as warnings.
    """
    if not os.path.lexists(container.directory):
        raise NotFound(f"Container {container.name} does not exist in {container.lxc_path}")
    with lock.hold(container, "destroy it", timeout):
        problems: list[ConfigError] = []
        config = _checked(container, delete_snapshots, problems)
        is_clear = not any(problem.key == "lxc.rootfs.managed" for problem in problems)
        rootfs_path = config.rootfs_path if config and is_clear and config.get_bool("lxc.rootfs.managed", True) else ""
        if config:
            _run_hook(container, config)
        marker_fd = partial.mark(container, "destroy it")
        try:
            # A half-made one remembers its storage in the marker; once it goes on to say that of a whole one, a kill loses nothing.
            rootfs_path = rootfs_path or intent.made(container, marker_fd)
            partial.remember_storage(marker_fd, rootfs_path)
            sweep(container, rootfs_path)
        finally:
            os.close(marker_fd)
        lock.forget(container)
    return [problem.message for problem in problems]


def clean_up(container: Container, marker_fd: int) -> None:
    """Remove what a killed creation or removal left behind. The caller holds the lock and the marker.

    A program that the killed one ran (cp) is killed with it, and may for a moment be at the end of its last system call.
    """
    made = intent.made(container, marker_fd)
    deadline = time.monotonic() + _LAST_CALL
    while True:
        try:
            return sweep(container, made)
        except StepError as error:
            if error.errno != errno.ENOTEMPTY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def sweep(container: Container, rootfs_path: str) -> None:
    """The storage, what depends on it, the directory; the marker goes last of all."""
    try:
        dependents.release(container)
        _remove_snapshots(container)
        if rootfs_path:
            backends.for_rootfs(rootfs_path).destroy()
        for name in sorted(os.listdir(container.directory), key=lambda name: name == "config"):
            if name != os.path.basename(container.partial):
                tree.remove(f"{container.directory}/{name}")
        tree.remove(container.directory)
    except OSError as error:
        raise StepError.from_os("destroy", "Remove", str(error.filename or container.directory), error) from error


def _checked(container: Container, delete_snapshots: bool, problems: list[ConfigError]) -> Config | None:
    """The config, unless the container is half-made; what is in the way is raised before anything is touched."""
    dependents.refuse_link(container)
    state = client.state(container)
    if state != State.STOPPED:
        raise InUse(f"Container {container.name} is {state.name}: stop it before it is removed", hint="Use state: stopped")
    ledger.refuse_survivor(container)
    marker = partial.state(container)
    if marker == "busy":
        raise partial.busy(container, "destroy it")
    clones = dependents.of(container) or volumes.clones(container)
    if clones:
        raise InUse(f"Container {container.name} cannot be removed: its files are used by its clones: {', '.join(clones)}")
    snapshots = dependents.snapshots(container)
    if snapshots and not delete_snapshots and marker == "whole":
        raise InUse(
            f"Container {container.name} cannot be removed: it has the snapshots {', '.join(snapshots)}", hint="Say delete_snapshots: true"
        )
    if marker == "abandoned" or partial.is_empty(container):
        return None
    rootowner.refuse_foreign_root(container)
    return _load(container, problems)


def _load(container: Container, problems: list[ConfigError]) -> Config:
    try:
        return parser.load(container.config, problems)
    except (NotFound, ConfigError) as error:
        if not os.path.lexists(container.config):
            raise NotFound(f"{container.directory} is no container: it has no config", hint="Remove it by hand") from error
        raise


def _run_hook(container: Container, config: Config) -> None:
    if config.hooks("destroy"):
        from . import hooks
        from .log import Log, level_number

        log = Log(container.name, container.log, level_number(config.get("lxc.log.level") or "ERROR"))
        hooks.run("destroy", config, hooks.environment(container, config, config.rootfs_mount, log.level), log)


def _remove_snapshots(container: Container) -> None:
    """Each is a container of its own. Of one that was copied by hand the root may be another's, outside of its directory: that stays."""
    for place in dependents.snapshot_directories(container):
        if not os.path.isdir(place):
            continue
        for name in dependents.directories(place):  # what a link leads to belongs to somebody else
            snapshot = paths.Container(place, name)
            dependents.release(snapshot, held=container)  # that of an overlay stands in the list of the one below
            if os.path.isfile(snapshot.config):
                rootfs_path = _load(snapshot, []).rootfs_path
                if rootfs_path and not volumes.outside(snapshot, rootfs_path):
                    backends.for_rootfs(rootfs_path).destroy()
        tree.remove(place)
