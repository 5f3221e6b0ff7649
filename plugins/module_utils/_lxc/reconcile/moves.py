# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container comes from the state in which it is to the one that is wanted: loaded when there is such a way to go."""

from __future__ import annotations

from functools import partial

from ..errors import BadValue, InUse
from .course import RUN, Plan
from .desired import Desired, Observed
from .plan import Change
from .verbs import Verbs

_AFTER = {"start": "RUNNING", "stop": "STOPPED", "freeze": "FROZEN", "thaw": "RUNNING"}


def creation(desired: Desired, observed: Observed, verbs: Verbs) -> Plan:
    """Make what is absent or half-made, and bring it to the wanted state. An error where nothing says from what."""
    if is_out_of_place(desired, observed):
        return running(Plan(), desired, "STOPPED", verbs)
    if desired.template is None and desired.clone is None:
        from .missing import missing

        raise missing(desired.container, observed.existence, desired.besides and desired.besides.former)
    anew = " anew, what was half-made is removed" if observed.existence == "half-made" else ""
    words = f"{_making(desired)}{anew}"
    config = verbs.foresee(desired)
    create = Change("existence", observed.existence, "defined", words, partial(verbs.create, desired))
    return running(Plan(before=(create,), config_after=config), desired, "STOPPED", verbs)


def is_out_of_place(desired: Desired, observed: Observed) -> bool:
    """A restore was killed as it changed places. In check mode only is it still so: else it has been brought back by now."""
    from ..lifecycle import replacing

    return observed.existence == "absent" and replacing.is_unfinished(desired.container)


def _making(desired: Desired) -> str:
    name = desired.container.name
    if desired.clone is None:
        return f"make {name} from template {desired.template}"
    source, is_snapshot = desired.clone
    shown = source.name if source.lxc_path == desired.container.lxc_path else source.directory
    return f"make {name} as a {'snapshot' if is_snapshot else 'clone'} of {shown}"


def storage(base: Plan, desired: Desired, observed: Observed, verbs: Verbs) -> Plan:
    """Raise where its root is kept otherwise than the task asks for, and append what can be changed of it."""
    from .origin import check_storage

    check_storage(desired, observed.rootfs or "")
    if "size" not in desired.backing_options:
        return base
    return base._replace(before=(*base.before, *_resizing(desired, observed, verbs)))


def _resizing(desired: Desired, observed: Observed, verbs: Verbs) -> list[Change]:
    """Another size for the root of a container that exists, whether it runs or not. Raises what its backing store cannot do."""
    from ..storage import backends, size

    rootfs = observed.rootfs or ""
    wanted = size.parse(desired.backing_options["size"])
    kind = backends.kind_of(rootfs)
    if kind not in ("btrfs", "loop", "lvm", "zfs"):
        raise size.no_quota(kind, desired.container.lxc_path)
    if kind == "lvm" and observed.size != wanted:
        from ..storage import named

        wanted = named.rounded(rootfs, wanted)
    if observed.size == wanted:
        return []
    if kind in ("loop", "lvm") and observed.size is not None and wanted < observed.size:
        where = "an image" if kind == "loop" else "a volume"
        expected = f"at least {size.words(observed.size)}, which it has: the file system in {where} does not shrink"
        raise BadValue("size", desired.backing_options["size"], expected)
    before = None if observed.size is None else size.words(observed.size)
    words = f"resize {desired.container.name} to {size.words(wanted)}"
    return [Change("size", before, size.words(wanted), words, partial(verbs.resize, desired))]


def running(base: Plan, desired: Desired, state: str, verbs: Verbs, is_ephemeral: bool = False) -> Plan:
    """Append what brings the container from `state` to the wanted one. InUse for a restart of what is gone once it is stopped."""
    words = RUN[desired.state].get(state, ())
    if base.pending_restart and desired.restart_if_needed and desired.state in ("started", "frozen", "present") and "stop" not in words:
        words = ("stop", "start", *(("freeze",) if desired.state == "frozen" or (desired.state, state) == ("present", "FROZEN") else ()))
    changes = steps(words, desired, state, verbs)
    if is_ephemeral and "stop" in words:
        if "start" in words:
            raise InUse(f"Container {desired.container.name} is ephemeral: it is gone once it is stopped, and cannot be restarted")
        changes = [change._replace(after="ABSENT") for change in changes]
    at = words.index("start") if "start" in words else len(words)
    start = changes[at] if at < len(words) else None
    restarts = "stop" in words
    return base._replace(
        before=(*base.before, *changes[:at]),
        start=start,
        after=tuple(changes[at + 1 :]),
        pending_restart=() if restarts else base.pending_restart,
    )


def steps(words: tuple[str, ...], desired: Desired, state: str, verbs: Verbs) -> list[Change]:
    changes = []
    for word in words:
        changes.append(Change("state", state, _AFTER[word], f"{word} {desired.container.name}", partial(getattr(verbs, word), desired)))
        state = _AFTER[word]
    return changes
