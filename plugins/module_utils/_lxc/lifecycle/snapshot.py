# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make and remove snapshots of a container. One is a clone that keeps name and addresses, below the container's own directory, in LXC's
layout: of a directory a full copy, of an overlay the same lower layer and a copy of the upper one, else what the backend does cheaply.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from ..errors import InUse, LxcError, StepError
from ..paths import Container
from . import clone, dependents, destroy, lock, partial, replace, restore, snapshot_list, users, volumes, wholefile


def request(container: Container, name: str) -> clone.CloneRequest:
    target = Container(snapshot_list.directory(container), name)
    return clone.CloneRequest(container, target, snapshot=True, maybe=True, keep_name=True, keep_mac=True)


def check(container: Container, name: str) -> None:
    """What stands against a new one of this name. Nothing is touched."""
    if not snapshot_list.is_free(container, name):
        raise InUse(f"Something that is no snapshot is in the way of {name} of {container.name}, or it is being made")
    clone.check(request(container, name))


def create(container: Container, name: str, comment: str, log: clone.Log, timeout: float = lock.TIMEOUT) -> tuple[str, list[str]]:
    """Make one; "" is the next free name. The name, and warnings; "" where somebody else has made one of that name by now."""
    with replace.hold(container, "snapshot it"):  # nobody puts another in its place, or takes the same number
        if name and snapshot_list.find(container, name):
            return "", []
        said = name or snapshot_list.next_name(container)
        check(container, said)
        wanted = request(container, said)
        os.makedirs(wanted.target.lxc_path, 0o755, exist_ok=True)
        try:
            warnings = clone.clone(wanted, log, timeout, lambda: _sign(wanted.target, comment))
        except BaseException:
            with contextlib.suppress(OSError):  # others are in it
                os.rmdir(wanted.target.lxc_path)
            raise
    return said, warnings


def _sign(target: Container, comment: str) -> None:
    """What makes a clone a snapshot, before its marker goes."""
    _write(f"{target.directory}/ts", snapshot_list.now())
    if comment:
        set_comment(target, comment)


def set_comment(one: Container, comment: str) -> None:
    """Another comment, or none."""
    path = f"{one.directory}/comment"
    if comment:
        _write(path, comment if comment.endswith("\n") else comment + "\n")
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def check_removal(container: Container, going: Sequence[Container], force: bool) -> list[Container]:
    """What stands against the removal of these; who has to be flattened for it. Nothing is touched."""
    found: dict[Container, None] = {}
    everybody = users.scan(container.lxc_path)
    for one in going:
        _check_own(one)
        restore.check_counted(one)
        mine = [user for user in users.of_snapshot(one, container, everybody) if user not in going]
        mine += [user for user in volumes.in_the_way(container, [one]) if user not in (*going, *mine)]
        restore.check_dependents(mine, container, f"Snapshot {one.name} of {container.name} cannot be removed", force)
        found.update(dict.fromkeys(mine))
    return list(found)


def remove(
    container: Container, names: Sequence[str], force: bool, log: clone.Log, timeout: float = lock.TIMEOUT
) -> tuple[list[str], list[str]]:
    """Remove these, those first that use others of them, and what a kill has left of them. The names, without those that were gone by
    now, and warnings."""
    with replace.hold(container, "remove snapshots"):
        removed, warnings = _clean_up(container, names), []
        left = [one.container for name in names for one in [snapshot_list.find(container, name)] if one]
        found = check_removal(container, left, force)
        warnings += restore.flatten(found, log, timeout) if found else []
        while left:
            free = next((one for one in left if not set(dependents.listed(one)) & set(left)), left[0])
            left.remove(free)
            dependents.forget_source(container, free)
            warnings += destroy.destroy(free, timeout=timeout)
            removed.append(free.name)
    return removed, warnings


def _clean_up(container: Container, names: Sequence[str]) -> list[str]:
    cleaned = []
    for entry in list(snapshot_list.entries(container)):
        if entry.name in names and snapshot_list.is_left_over(entry.container):
            marker_fd = partial.mark(entry.container, "remove it")
            try:
                destroy.clean_up(entry.container, marker_fd)
            finally:
                os.close(marker_fd)
            cleaned.append(entry.name)
    return cleaned


def restore_as(snapshot: Container, target: Container, log: clone.Log, timeout: float = lock.TIMEOUT) -> list[str]:
    """A new container from a snapshot, with a name and addresses of its own, as lxc-snapshot -r -N makes it."""
    return clone.clone(request_as(snapshot, target), log, timeout)


def request_as(snapshot: Container, target: Container) -> clone.CloneRequest:
    return clone.CloneRequest(snapshot, target, snapshot=volumes.can_share(snapshot), maybe=True)


def _check_own(one: Container) -> None:
    """A snapshot that was copied by hand names another's root, which would go with it."""
    place = volumes.outside(one, snapshot_list.rootfs_path(one))
    if place:
        raise LxcError(f"Snapshot {one.name} has its root in {place}, outside of {one.directory}", hint="Remove it by hand")


def _write(path: str, text: str) -> None:
    try:
        wholefile.write(path, text, 0o644)
    except OSError as error:
        raise StepError.from_os("snapshot", "Write", path, error) from error
