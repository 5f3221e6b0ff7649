# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a container another name: its directory moves in one moment, and whatever says the old name is made to say the new one.

In that moment a link to the new place comes into the old one, so that every path is right before and after: in its own config, in those
of its clones and snapshots. Only then are they rewritten, one by one, and the link goes last. LXC copies the container and destroys the
first. A journal in the directory goes along: what is killed before the moment is undone, and after it done.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

from ..config import parser
from ..errors import InUse, LxcError, NotFound, StepError, Unsupported
from ..kernel import mount, tree
from ..kernel import rename as kernel_rename
from ..paths import Container
from ..storage import backends
from ..wire import client
from ..wire.protocol import State
from . import configfile, dependents, identity, ledger, lock, partial, renamed, renaming, replace, users, wholefile


def check(old: Container, new: Container) -> None:
    """What stands against it, but for its being in use. Nothing is touched."""
    if os.path.islink(old.directory):
        raise InUse(f"Container {old.name} cannot be renamed: {old.directory} is a symbolic link to {os.readlink(old.directory)}")
    if not os.path.lexists(old.config):
        raise NotFound(f"{old.directory} is no container: it has no config")
    if partial.is_abandoned(old, lock.TIMEOUT):
        raise LxcError(f"Container {old.name} is half-made: its creation was cut off", hint="Make it anew before it is renamed")
    _check_room(old, new)
    mounted = tree.mounts_below(old.directory)
    if mounted:
        raise InUse(f"Container {old.name} cannot be renamed: {mounted[0]} is mounted in it")
    for user in _users(old):
        state = client.state(user)
        if state is not State.STOPPED:
            raise InUse(
                f"Container {old.name} cannot be renamed: {users.name_of(user, old)}, which uses its files, is {state.name}",
                hint="Stop that one first: its config has to name the files in their new place",
            )


def _check_room(old: Container, new: Container) -> None:
    if os.path.lexists(new.config):
        raise InUse(f"Container {old.name} cannot be renamed to {new.name}: both exist in {old.lxc_path}")
    places = [new.directory, dependents.snapshot_directories(new)[1]]
    for place in places:
        if os.path.lexists(place) and not (place == new.directory and renaming.is_kept(new)):
            raise InUse(f"Container {old.name} cannot be renamed to {new.name}: {place} is in the way")
    if client.state(new) is not State.STOPPED:
        raise InUse(f"Container {old.name} cannot be renamed to {new.name}: one of that name is still {client.state(new).name}")
    ledger.refuse_survivor(new)


def _users(old: Container) -> list[Container]:
    """Who has a layer in its directory, itself and its own snapshots left out."""
    everybody = users.scan(old.lxc_path)
    found = [*users.of_places([old.directory], everybody), *dependents.listed(old)]
    return [one for one in users.without(old, found) if not dependents.is_snapshot(one, old)]


def foresee(old: Container, new: Container) -> str:
    """Its config as it will be. Raises what stands against it, but for its being in use, and touches nothing."""
    if renaming.pair(old) != (old, new) or not renaming.leads_to(old, new):
        check(old, new)
    return renamed.text(configfile.read(Container(old.lxc_path, os.path.basename(os.path.realpath(old.directory)))), old, new)


def rename(old: Container, new: Container) -> tuple[bool, list[str]]:
    """Do it, or bring to its end what a killed one has begun. False: somebody else has done it by now. And warnings."""
    if renaming.leads_to(old, new) and renaming.pair(old) == (old, new):
        return bring_to_end(old, f"rename it to {new.name}"), []
    with _held(old, new, f"rename {old.name} to {new.name}"):
        if not os.path.lexists(old.directory) and os.path.lexists(new.config):
            return False, []
        if not os.path.lexists(old.directory):
            raise NotFound(f"Container {old.name} does not exist in {old.lxc_path}: there is nothing to rename")
        _undo(old, new)  # what somebody has left who was killed before it moved
        check(old, new)
        edits, warnings = _names(old, new)
        journal = {"from": old.name, "to": new.name, "edits": edits}
        try:
            wholefile.write(renaming.journal_of(old), json.dumps(journal), 0o600)
            try:
                with lock.hold(old, f"rename it to {new.name}"):
                    replace.check_stopped(old)
                    _move(old, new)
            except BaseException:
                _undo(old, new)
                raise
            _finish(old, new)
        except OSError as error:
            raise StepError.from_os("rename", "Rename", str(error.filename or old.directory), error) from error
    return True, warnings


def bring_to_end(one: Container, what: str) -> bool:
    """What somebody has begun with it who was killed. False: there is nothing, or who was still at it, and was waited for, has done it."""
    pair = renaming.pair(one)
    if pair is None:
        return False
    with _held(*pair, what):
        if renaming.pair(one) != pair:
            return False
        try:
            _undo(*pair)
            if os.path.lexists(renaming.journal_of(pair[1])):
                _finish(*pair)
        except OSError as error:
            raise StepError.from_os("rename", "Bring to its end", str(error.filename or one.directory), error) from error
    return True


@contextlib.contextmanager
def _held(old: Container, new: Container, what: str) -> Iterator[None]:
    """Nobody renames or replaces one of the two meanwhile."""
    with contextlib.ExitStack() as held:
        for one in sorted({old, new}):
            held.enter_context(replace.hold(one, what))
        yield


def _names(old: Container, new: Container) -> tuple[identity.Edits, list[str]]:
    """What in its root has its host name, as it is and as it will be."""
    config = parser.load(old.config)
    if not config.rootfs_path:
        return {}, []
    try:
        root_fd = backends.for_rootfs(config.rootfs_path).open_root()
    except Unsupported as error:
        return {}, [f"The name in its root filesystem stays {old.name}: {error.message}"]
    try:
        return identity.foresee(root_fd, config.uts_name or old.name, new.name), []
    finally:
        mount.discard(root_fd)


def _move(old: Container, new: Container) -> None:
    """The one moment: the directory and a link to it change places. Without an exchange it is two, and the journal says so."""
    os.symlink(new.name, new.directory)
    if not kernel_rename.exchange(old.directory, new.directory):
        os.unlink(new.directory)
        os.rename(old.directory, new.directory)
        os.symlink(new.name, old.directory)


def _undo(old: Container, new: Container) -> None:
    """What was made ready, where it has not moved yet."""
    if renaming.is_kept(new):
        os.unlink(new.directory)
    if not os.path.islink(old.directory):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(renaming.journal_of(old))


def _finish(old: Container, new: Container) -> None:
    """From that moment on, as often as it takes."""
    replace.check_stopped(new)
    said = renaming.entry(new)
    if not said.get("done"):
        if not os.path.lexists(old.directory):
            os.symlink(new.name, old.directory)
        renamed.rewrite(old, new)
        _write_names(new, said.get("edits", {}))
        wholefile.write(renaming.journal_of(new), json.dumps({**said, "done": True}), 0o600)
    with lock.hold(old, f"take the name away from {new.name}"):
        if renaming.leads_to(old, new):
            os.unlink(old.directory)
        lock.forget(old)
    os.unlink(renaming.journal_of(new))


def _write_names(new: Container, edits: identity.Edits) -> None:
    if not edits:
        return
    from . import finishing

    finishing.rename(new, backends.for_rootfs(parser.load(new.config).rootfs_path), edits)
