# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a container back to a snapshot, and give those who use files that shall go files of their own ("flatten").

All are prepared first, then all change places, so that what fails before has changed nothing. LXC destroys the container first and
then copies. An overlay keeps its lower layer, which its snapshots share: only what lies over it goes back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from ..errors import InUse
from ..paths import Container
from ..rollback import Rollback
from ..storage import backends
from . import clone, dependents, lock, replace, replacing, snapshot_list, users, volumes

_COUNTED = "Remove the file lxc_snapshots there when that is no longer so"
Plan = tuple[Container, replace.Make, tuple[str, ...]]
_FLATTEN = "Say force: true to give them files of their own first, or remove them"


def dependents_of_root(container: Container, snapshot: Container) -> list[Container]:
    """Who uses files of the container that its return to this snapshot would take away."""
    everybody = users.scan(container.lxc_path)
    known = {user.container for user in everybody}
    others = [one for one in dependents.listed(container) if one not in known]
    everybody += [users.User(one, users.places_of(snapshot_list.rootfs_path(one))) for one in others]
    found = users.of_places(replace.going(container, _layers(snapshot)), everybody)
    unknown = [user.container for user in everybody if not user.places]  # LXC lists them, and nothing says otherwise
    return users.without(container, [*found, *unknown, *volumes.in_the_way(container, [container])])


def check_dependents(found: Sequence[Container], container: Container, what: str, force: bool) -> None:
    """InUse names those who are in the way: without `force` all, with it those that cannot be flattened."""
    names = ", ".join(users.name_of(one, container) for one in found)
    if found and not force:
        raise InUse(f"{what}: its files are used by {names}", hint=_FLATTEN)
    for one in found:
        replace.check(one)
        others = [other for other in users.of_places(replace.going(one, ()), users.scan(one.lxc_path)) if other != one]
        left = [users.name_of(other, container) for other in others if other not in found]
        if left:
            raise InUse(f"{what}: {users.name_of(one, container)} uses its files, and is used itself by {', '.join(left)}")


def check_counted(one: Container) -> None:
    """LXC 1.0 kept only a number: when nobody is found who is meant, nobody knows whom it would harm."""
    if dependents.count(one) and not dependents.listed(one):
        raise InUse(f"{one.directory} is used by {dependents.count(one)} others, which are not in {one.lxc_path}", hint=_COUNTED)


def check(container: Container, snapshot: Container, force: bool) -> list[Container]:
    """What stands against a return to the snapshot; who has to be flattened for it. Nothing is touched."""
    replace.check(container)
    clone.check(_request(snapshot, replacing.work_of(container)))
    check_counted(container)
    found = dependents_of_root(container, snapshot)
    check_dependents(found, container, f"Container {container.name} cannot be restored", force)
    return found


def restore(container: Container, snapshot: Container, force: bool, log: clone.Log, timeout: float = lock.TIMEOUT) -> list[str]:
    """Back to the snapshot, in place. The container is stopped, and keeps its name, its addresses, its snapshots."""

    def make(work: Container) -> list[str]:
        warnings = clone.clone(_request(snapshot, work), log, timeout)
        if not users.of_places([snapshot.directory], [users.User(work, users.places_of(snapshot_list.rootfs_path(work)))]):
            dependents.forget_source(work, snapshot)  # so the snapshot can be removed, which after lxc-snapshot -r it cannot
        dependents.forget_source(work, container)
        return warnings

    with replace.hold(container, f"restore {snapshot.name}"):
        found = check(container, snapshot, force)
        with contextlib.ExitStack() as held:
            _hold_all(held, found)
            plans = [*(_flattening(one, log, timeout) for one in found), (container, make, _layers(snapshot))]
            return carry_out(plans, lambda: _again(found, dependents_of_root(container, snapshot)), timeout)


def flatten(found: Sequence[Container], log: clone.Log, timeout: float = lock.TIMEOUT) -> list[str]:
    """Each gets all its files in a directory or a volume of its own, all of them or none."""
    with contextlib.ExitStack() as held:
        _hold_all(held, found)
        return carry_out([_flattening(one, log, timeout) for one in found], lambda: None, timeout)


def _hold_all(held: contextlib.ExitStack, found: Iterable[Container]) -> None:
    for one in sorted(found):
        held.enter_context(replace.hold(one, "give it files of its own"))


def carry_out(plans: Sequence[Plan], look_again: Callable[[], None], timeout: float) -> list[str]:
    """Prepare all, exchange all, and only then remove what was there. Until the last has been exchanged all of it goes back."""
    warnings: list[str] = []
    with Rollback() as rollback:
        ready = []
        for plan in plans:
            replacement, said = replace.prepare(*plan)
            rollback.add(replace.discard, replacement.work)
            ready.append(replacement)
            warnings += said
        look_again()
        for replacement in ready:
            with lock.hold(replacement.container, "restore it", timeout):
                replace.check_stopped(replacement.container)
                replace.exchange(replacement)
            rollback.add(replace.exchange, replacement)
        rollback.keep()
    for replacement in ready:
        replace.finish(replacement.container)
    return warnings


def _again(found: Sequence[Container], now: Sequence[Container]) -> None:
    """A copy takes its time: somebody may have been cloned meanwhile."""
    others = set(now) - set(found)
    if others:
        raise InUse(f"Its files are used by now by {', '.join(sorted(one.directory for one in others))}", hint="Run the task again")


def _flattening(one: Container, log: clone.Log, timeout: float) -> Plan:
    def make(work: Container) -> list[str]:
        kind = backends.kind_of(snapshot_list.rootfs_path(one))
        request = clone.CloneRequest(one, work, backing_store=kind if kind in ("lvm", "zfs") else "dir", keep_name=True, keep_mac=True)
        return clone.clone(request, log, timeout)

    return one, make, ()


def _request(snapshot: Container, work: Container) -> clone.CloneRequest:
    return clone.CloneRequest(snapshot, work, snapshot=volumes.can_share(snapshot), maybe=True, keep_name=True, keep_mac=True)


def _layers(snapshot: Container) -> tuple[str, ...]:
    """The directories that a cheap copy of it shares with it."""
    rootfs_path = snapshot_list.rootfs_path(snapshot)
    return users.places_of(rootfs_path)[:-1] if backends.kind_of(rootfs_path) in ("overlayfs", "aufs") else ()
