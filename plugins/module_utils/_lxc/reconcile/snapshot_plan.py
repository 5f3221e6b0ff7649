# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: what the task says against what is there, to a plan. Pure, but for the errors that say what is there instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Optional, Protocol

from ..errors import BadValue, NotFound
from ..lifecycle import snapshot_list
from ..lifecycle.snapshot_list import Snapshot
from ..paths import Container, check_lxc_path, check_name, container
from .place import lxc_path_of
from .plan import Change

# What may stand beside each state. An option that is false is not said.
_OPTIONS = {
    "present": {"snapshot", "comment", "keep"},
    "absent": {"snapshot", "all", "force"},
    "restored": {"snapshot", "restore_as", "force"},
}


class Wanted(NamedTuple):
    """What the task says; "" and None: nothing."""

    container: Container
    state: str = "present"
    snapshot: str = ""
    restore_as: Optional[Container] = None
    all: bool = False
    comment: Optional[str] = None
    keep: Optional[int] = None
    force: bool = False


class Observed(NamedTuple):
    """The snapshots, the oldest first; what killed tasks have left of others; the name that a new one would get, and whether the
    container of `restore_as` exists."""

    snapshots: Sequence[Snapshot] = ()
    half_made: Sequence[str] = ()
    next_name: str = ""
    target_exists: bool = False

    def find(self, name: str) -> Optional[Snapshot]:
        return next((one for one in self.snapshots if one.name == name), None)


class Verbs(Protocol):
    """What can be done. What a plan is asked for goes before: the first three touch nothing and raise what stands against it."""

    def foresee_creation(self, wanted: Wanted, name: str) -> None: ...

    def foresee_removal(self, wanted: Wanted, names: Sequence[str]) -> Sequence[str]:
        """Who has to be given files of its own first."""

    def foresee_restoration(self, wanted: Wanted, snapshot: Snapshot) -> Sequence[str]: ...

    def used(self, wanted: Wanted, name: str) -> Sequence[str]:
        """Who uses the files of a snapshot."""

    def create(self, wanted: Wanted, name: str) -> object: ...

    def set_comment(self, wanted: Wanted, snapshot: Snapshot) -> object: ...

    def remove(self, wanted: Wanted, names: Sequence[str]) -> object: ...

    def restore(self, wanted: Wanted, snapshot: Snapshot) -> object: ...


class Plan(NamedTuple):
    changes: Sequence[Change] = ()
    warnings: Sequence[str] = ()


def read(params: Mapping[str, Any]) -> Wanted:
    """The task's parameters, checked."""
    lxc_path = check_lxc_path(lxc_path_of(params))
    state = params.get("state", "present")
    said = {option for option in set().union(*_OPTIONS.values()) if params.get(option) is not None and params[option] is not False}
    for option in sorted(said - _OPTIONS[state]):
        fitting = " or ".join(word for word, options in _OPTIONS.items() if option in options)
        raise BadValue(option, params[option], f"state {fitting} with it, not {state}")
    wanted = Wanted(
        container(params["name"], lxc_path),
        state,
        snapshot_list.check_name(params["snapshot"]) if "snapshot" in said else "",
        Container(lxc_path, check_name(params["restore_as"], "restore_as")) if "restore_as" in said else None,
        bool(params.get("all")),
        snapshot_list.check_comment(params["comment"]) if "comment" in said else None,
        params.get("keep"),
        bool(params.get("force")),
    )
    _check(wanted)
    return wanted


def _check(wanted: Wanted) -> None:
    if wanted.state == "restored" and not wanted.snapshot:
        raise BadValue("snapshot", None, "the name of the snapshot to go back to")
    if wanted.state == "absent" and bool(wanted.snapshot) == wanted.all:
        raise BadValue("snapshot", wanted.snapshot or None, "the name of a snapshot, or all: true, and not both")
    if wanted.keep is not None and wanted.keep < 1:
        raise BadValue("keep", wanted.keep, "at least 1, the new one", hint="state: absent with all: true removes all")
    if wanted.restore_as == wanted.container:
        raise BadValue("restore_as", wanted.container.name, "another name; without it the container itself goes back")


def plan(wanted: Wanted, observed: Observed, verbs: Verbs) -> Plan:
    """What must be done, in its order. Raises where it cannot be, before anything is touched."""
    if wanted.state == "absent":
        return _removal(wanted, observed, verbs)
    if wanted.state == "restored":
        return _restoration(wanted, observed, verbs)
    present = observed.find(wanted.snapshot) if wanted.snapshot else None
    return _comment(wanted, present, verbs) if present else _creation(wanted, observed, verbs)


def _creation(wanted: Wanted, observed: Observed, verbs: Verbs) -> Plan:
    name = wanted.snapshot or observed.next_name
    verbs.foresee_creation(wanted, name)
    words = f"make snapshot {name} of {wanted.container.name}"
    changes = [Change(f"snapshot {name}", "absent", "present", words, partial(verbs.create, wanted, wanted.snapshot))]
    if wanted.comment:
        changes.append(Change(f"comment of {name}", None, wanted.comment, f"write the comment of {name}", _with_it))
    warnings = []
    for old in snapshot_list.superfluous(observed.snapshots, wanted.keep - 1) if wanted.keep else ():
        used = verbs.used(wanted, old.name)
        if used:
            warnings.append(f"Snapshot {old.name} of {wanted.container.name} is kept: its files are used by {', '.join(used)}")
        else:
            changes.append(_removed(wanted, old.name, "present", verbs))
    return Plan(changes, warnings)


def _with_it() -> None:
    """Done together with another change of the same plan."""


def _removed(wanted: Wanted, name: str, before: str, verbs: Verbs) -> Change:
    words = f"remove snapshot {name} of {wanted.container.name}"
    return Change(f"snapshot {name}", before, "absent", words, partial(verbs.remove, wanted, [name]))


def _comment(wanted: Wanted, present: Snapshot, verbs: Verbs) -> Plan:
    if wanted.comment is None or wanted.comment.rstrip("\n") == present.comment.rstrip("\n"):
        return Plan()
    words = f"change the comment of snapshot {present.name} of {wanted.container.name}"
    change = Change(f"comment of {present.name}", present.comment, wanted.comment, words, partial(verbs.set_comment, wanted, present))
    return Plan([change])


def _removal(wanted: Wanted, observed: Observed, verbs: Verbs) -> Plan:
    whole = [one.name for one in observed.snapshots if wanted.all or one.name == wanted.snapshot]
    half = [name for name in observed.half_made if (wanted.all or name == wanted.snapshot) and name not in whole]
    if not whole and not half:
        return Plan()
    flattened = [_flattened(user) for user in verbs.foresee_removal(wanted, whole)]
    names = [*whole, *half]
    first, *others = [_removed(wanted, name, "half-made" if name in half else "present", verbs) for name in names]
    # All at once, so that what stands against one of them stands against all.
    together = first._replace(apply=partial(verbs.remove, wanted, names))
    return Plan([*flattened, together, *(change._replace(apply=_with_it) for change in others)])


def _flattened(user: str) -> Change:
    return Change(f"root of {user}", "shared", "its own", f"give {user} files of its own", _with_it)


def _restoration(wanted: Wanted, observed: Observed, verbs: Verbs) -> Plan:
    found = observed.find(wanted.snapshot)
    target = wanted.restore_as
    if target is not None and observed.target_exists:
        return Plan()
    if found is None:
        names = ", ".join(one.name for one in observed.snapshots)
        raise NotFound(
            f"Container {wanted.container.name} has no snapshot {wanted.snapshot}", hint=f"It has {names}" if names else "It has none"
        )
    flattened = [_flattened(user) for user in verbs.foresee_restoration(wanted, found)]
    act = partial(verbs.restore, wanted, found)
    if target is not None:
        words = f"make {target.name} from snapshot {found.name} of {wanted.container.name}"
        return Plan([Change(f"existence of {target.name}", "absent", "defined", words, act)])
    words = f"restore {wanted.container.name} to snapshot {found.name}"
    return Plan([*flattened, Change("root", "as it is", f"as in {found.name}", words, act)])
