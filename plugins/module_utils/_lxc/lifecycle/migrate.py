# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a container's root in another way: all of it copied into new storage, which comes into the place of the old in one moment.

What is killed before has changed nothing, and after it is brought to its end (`replace.py`): the old storage goes last.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..config import edit, parser, repoint
from ..errors import InUse
from ..paths import Container
from ..storage import backends
from . import clone, configfile, dependents, hostconf, lock, replace, replacing, restore, snapshot_list, users

Options = Mapping[str, object]


def foresee(container: Container, kind: str, options: Options) -> str:
    """Its config as it will be. Raises what stands against it, but for its being in use, and touches nothing."""
    _check(container, kind)
    work = replacing.work_of(container)
    made = backends.by_name(kind, container.lxc_path)
    place = made.place(work, hostconf.storage_defaults(made.kind, options))
    moved = repoint.words(place, [(work.directory, container.directory)])
    text = configfile.read(container)
    changes: dict[str, edit.Value] = {"lxc.rootfs.path": moved}
    if parser.load(container.config).get("lxc.rootfs.managed"):
        changes["lxc.rootfs.managed"] = None
    return edit.edit(text, changes, container.config)


def is_unfinished(container: Container) -> bool:
    """Whether somebody who was killed has left something of it."""
    return replacing.is_unfinished(container)


def migrate(container: Container, kind: str, options: Options, log: clone.Log, timeout: float = lock.TIMEOUT) -> tuple[bool, list[str]]:
    """Move it. False: it is there by now. And warnings."""

    def make(work: Container) -> list[str]:
        request = clone.CloneRequest(
            container, work, backing_store=kind, backing_options=_sized(container, kind, options), keep_name=True, keep_mac=True
        )
        return clone.clone(request, log, timeout)

    was_unfinished = is_unfinished(container)
    with replace.hold(container, f"move it to {kind}"):
        if _kind(container) == backends.by_name(kind, container.lxc_path).kind:
            return was_unfinished, []
        replace.check(container)
        _check(container, kind)
        return True, restore.carry_out([(container, make, ())], lambda: _check(container, kind), timeout)


def _sized(container: Container, kind: str, options: Options) -> Options:
    """An image has to hold what there is: one that nobody gives a size is not smaller than the storage that it comes from says."""
    size = backends.for_rootfs(snapshot_list.rootfs_path(container)).size() if kind == "loop" and "size" not in options else None
    return {**options, "size": size} if size is not None else options


def _kind(container: Container) -> str:
    return backends.kind_of(snapshot_list.rootfs_path(container))


def _check(container: Container, kind: str) -> None:
    """Who needs the files that go. Nothing is touched."""
    what = f"Container {container.name} cannot be moved to {kind}"
    replace.check_place(container)
    snapshots = dependents.snapshots(container)
    if snapshots:
        raise InUse(f"{what}: it has the snapshots {', '.join(snapshots)}", hint="Remove them first, with hostkit.lxc.lxc_snapshot")
    restore.check_counted(container)
    everybody = users.scan(container.lxc_path)
    found = users.without(container, [*users.of_places(replace.going(container, ()), everybody), *dependents.listed(container)])
    if found:
        names = ", ".join(users.name_of(one, container) for one in found)
        raise InUse(f"{what}: its files are used by {names}", hint="Remove those first, or move them to a backing store of their own")
