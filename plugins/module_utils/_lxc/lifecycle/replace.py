# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put another container in the place of one: made whole beside it, exchanged with it in one moment, the old one removed.

The work is done below a hidden directory of the lxcpath, which is no container and which nobody lists. What belongs to the container
whatever its state is (its snapshots, a layer that the new one shares, logs, files that are not ours) stays with it: while the two change
places a directory of that kind is reached through a link, so that its path leads to it at every moment. A journal moves along with the
new one: where it lies says how far a killed process came, and `recover` brings that to an end, back before the exchange and on after it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..config import edit, lines, repoint
from ..errors import InUse, LxcError, NotFound, StepError, Unsupported
from ..kernel import rename, tree
from ..paths import Container
from ..storage import backends
from ..wire import client
from ..wire.protocol import State
from . import dependents, destroy, ledger, lock, partial, snapshot_list, users, wholefile
from .replacing import WORK, aside_of, journal_of, work_of

WAIT = 300.0  # whole trees are copied while it is held
# What of a container's directory is its state, and goes with it; beside the places that its config names.
_STATE = frozenset(
    {
        "config",
        f"config{wholefile.SUFFIX}",
        "partial",
        "rootfs",
        "overlay",
        "delta0",
        "olwork",
        "rootdev",
        "lxc_rdepends",
        "hostkit-restoring",
    }
)
Make = Callable[[Container], "list[str]"]


class Replacement(NamedTuple):
    """Ready to be exchanged; `old_root` is the text of the root that goes."""

    container: Container
    work: Container
    old_root: str


@contextlib.contextmanager
def hold(container: Container, what: str, timeout: float = WAIT) -> Iterator[None]:
    """Nobody else replaces it meanwhile; what somebody who was killed has begun is brought to its end first."""
    ours = Container(f"{container.lxc_path}/{WORK}", container.name)
    with lock.hold(ours, what, timeout):
        recover(container)
        yield
        lock.forget(ours)


def going(container: Container, layers: tuple[str, ...]) -> list[str]:
    """What will vanish when a root that shares these layers comes in its place: paths in its directory, and its root elsewhere."""
    shared = {_first(place, container) for place in layers}
    places = _own_places(_root(container, container))
    state = [f"{container.directory}/{name}" for name in _STATE]
    inside = sorted({place for place in (*state, *places) if _first(place, container) not in {*shared, ""} and os.path.lexists(place)})
    return inside + [place for place in places if not _first(place, container)]


def check(container: Container) -> None:
    """What stands against a replacement whatever the new one is."""
    check_stopped(container)
    check_place(container)


def check_place(container: Container) -> None:
    """The same, but for its being in use."""
    root = _root(container, container)
    if os.path.islink(container.directory):
        leads = f"{container.directory} is a symbolic link to {os.readlink(container.directory)}"
        raise Unsupported(f"Container {container.name} cannot be replaced in place: {leads}", hint="Say restore_as for a new container")
    if os.stat(container.directory).st_dev != os.stat(container.lxc_path).st_dev:
        text = f"Container {container.name} cannot be replaced in place: {container.directory} is not on the file system of its lxcpath"
        raise Unsupported(text, hint="Say restore_as for a new container")
    places = _own_places(root) if _is_managed(container) else ()
    mounted = [where for place in (container.directory, *places) for where in tree.mounts_below(place)]
    if mounted:
        raise InUse(f"Container {container.name} cannot be replaced in place: {mounted[0]} is mounted in it")


def check_stopped(container: Container) -> None:
    """And that it is there at all: somebody may have removed it meanwhile."""
    if not os.path.isdir(container.directory):
        raise NotFound(f"Container {container.name} does not exist in {container.lxc_path}")
    state = client.state(container)
    if state != State.STOPPED:
        raise InUse(f"Container {container.name} is {state.name}: stop it before its files are replaced", hint="Use state: stopped")
    ledger.refuse_survivor(container)


def prepare(container: Container, make: Make, layers: tuple[str, ...]) -> tuple[Replacement, list[str]]:
    """The new one, whole, beside the old; `make` makes it as the container that it is given. With its warnings."""
    check(container)
    work = work_of(container)
    os.makedirs(work.lxc_path, 0o711, exist_ok=True)
    try:
        warnings = make(work)
        replacement = Replacement(container, work, _root(container, container))
        _rewrite(work, container)
        wholefile.write(journal_of(work), json.dumps({"carried": _carry(replacement, layers)}))
    except OSError as error:
        discard(work)
        raise StepError.from_os("restore", "Prepare", str(error.filename or work.directory), error) from error
    except BaseException:
        discard(work)
        raise
    return replacement, warnings


def exchange(replacement: Replacement) -> None:
    """The one moment. Done twice it is undone. The list of its users may have been written anew since it was carried over."""
    old, new = replacement.container.directory, replacement.work.directory
    tree.remove(f"{new}/lxc_snapshots")
    with contextlib.suppress(FileNotFoundError):
        os.link(f"{old}/lxc_snapshots", f"{new}/lxc_snapshots", follow_symlinks=False)
    if not rename.exchange(old, new):
        aside = aside_of(replacement.container)
        os.rename(old, aside)
        os.rename(new, old)
        os.rename(aside, new)


def finish(container: Container) -> None:
    """After the exchange, as often as it takes: what stays comes over, the lists say who is who, the old one is removed."""
    work = work_of(container)
    journal = journal_of(container)
    if os.path.lexists(work.directory):
        for name in _carried(journal):
            _bring(f"{work.directory}/{name}", f"{container.directory}/{name}")
        _tell(container, work)
        marker_fd = _mark(work, container)
        try:
            os.unlink(journal)
            destroy.clean_up(work, marker_fd)
        finally:
            os.close(marker_fd)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(journal)
    _forget(work)


def discard(work: Container) -> None:
    """Remove what was prepared, or begun, and never came into its place."""
    if os.path.lexists(work.directory):
        marker_fd = _mark(work, Container(os.path.dirname(work.lxc_path), work.name))
        try:
            destroy.clean_up(work, marker_fd)
        finally:
            os.close(marker_fd)
    _forget(work)


def recover(container: Container) -> None:
    """What a killed process has left, as far as there is any. The caller holds the lock."""
    _recover_snapshots(container)
    work, aside = work_of(container), aside_of(container)
    if os.path.lexists(aside):  # between two renames, where there is no exchange
        if not os.path.lexists(container.directory):
            os.rename(work.directory, container.directory)
        if os.path.lexists(work.directory):
            message = f"Container {container.name} was made anew while it was being restored: {aside} is what it was before"
            raise LxcError(message, hint=f"Move that away, then remove {work.lxc_path}")
        os.rename(aside, work.directory)
    if os.path.lexists(journal_of(container)):
        finish(container)
    elif os.path.lexists(work.lxc_path):
        discard(work)


def _recover_snapshots(container: Container) -> None:
    """First: one that was given a volume of its own may still have the old one, which goes with the container's."""
    for place in dependents.snapshot_directories(container):
        for name in dependents.directories(place):
            if name.startswith(f"{WORK}."):
                with hold(Container(place, name[len(WORK) + 1 :]), f"bring {container.name} to an end"):
                    pass


def _root(one: Container, container: Container) -> str:
    """Its text. What lies in the container's directory is spelled so, where the config has it through a link to the lxcpath."""
    words = snapshot_list.rootfs_path(one).split(":")
    return ":".join(_respelled(word, container.directory) if word.startswith("/") else word for word in words)


def _respelled(place: str, directory: str) -> str:
    head = place
    while head != "/":
        if os.path.realpath(head) == os.path.realpath(directory):
            return directory + place[len(head) :]
        head = os.path.dirname(head)
    return place


def _first(place: str, container: Container) -> str:
    """The name in a container's directory under which a place lies; "" for one elsewhere."""
    inside = place.startswith(container.directory + "/")
    return place[len(container.directory) + 1 :].partition("/")[0] if inside else ""


def _own_places(rootfs_path: str) -> tuple[str, ...]:
    """What the storage's removal takes away: of layers the last, and a lower one only in the container's own directory."""
    if backends.kind_of(rootfs_path) in ("overlayfs", "aufs"):
        return users.places_of(rootfs_path)[-1:]
    return users.places_of(rootfs_path)


def _rewrite(work: Container, container: Container) -> None:
    """The config, and the fstab that it names, as they have to be in the container's place."""
    moves = [(work.directory, container.directory)]
    text = _read(work.config)
    fstab = lines.values(text, work.config).get("lxc.mount.fstab", [""])[-1]
    if fstab.startswith(f"{work.directory}/") and os.path.isfile(fstab):
        wholefile.write(fstab, repoint.fstab(_read(fstab), moves))
    root = {"lxc.rootfs.path": repoint.words(_root(work, container), moves)}
    wholefile.write(work.config, edit.edit(repoint.repoint(text, moves, work.config), root, work.config))


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _carry(replacement: Replacement, layers: tuple[str, ...]) -> list[str]:
    """Give the new one what stays: a file as a second name of it, a directory, for now, as a link that will lead to it."""
    container, work, _old_root = replacement
    gone = going(container, layers)
    shared = {_first(place, container) for place in layers}
    carried: list[str] = []
    for name in sorted(os.listdir(container.directory)):
        if name in shared and os.path.lexists(f"{work.directory}/{name}"):
            os.rmdir(f"{work.directory}/{name}")  # the empty directory that every overlay has
        _carry_one(replacement, name, gone, carried)
    return carried


def _carry_one(replacement: Replacement, name: str, gone: list[str], carried: list[str]) -> None:
    """A path in the directory. What the new one has of its own stays; in a directory of it what else the old one has comes beside it."""
    container, work, _old_root = replacement
    source, target = f"{container.directory}/{name}", f"{work.directory}/{name}"
    if source in gone:
        return
    is_directory = stat.S_ISDIR(os.lstat(source).st_mode)
    if is_directory and not os.path.lexists(target) and any(place.startswith(source + "/") for place in gone):
        os.mkdir(target)  # only the root in it goes
        tree.copy_attributes(source, target)
    if os.path.lexists(target):
        if is_directory and stat.S_ISDIR(os.lstat(target).st_mode):
            for inner in sorted(os.listdir(source)):
                _carry_one(replacement, f"{name}/{inner}", gone, carried)
    elif is_directory:
        os.symlink(f"{'../' * (name.count('/') + 1)}{WORK}.{container.name}/{container.name}/{name}", target)
        carried.append(name)
    else:
        os.link(source, target, follow_symlinks=False)


def _carried(journal: str) -> list[str]:
    try:
        with open(journal, encoding="utf-8") as file:
            return [str(name) for name in json.load(file)["carried"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise LxcError(f"{journal} is not what was written there: {error}", hint="Move what is missing by hand, then remove it") from error


def _bring(source: str, target: str) -> None:
    """A directory into the place of the link that leads to it."""
    if not os.path.lexists(source) or os.path.islink(source):
        return
    if os.path.lexists(target) and rename.exchange(source, target):
        return
    if os.path.islink(target):
        os.unlink(target)
    os.rename(source, target)


def _tell(container: Container, work: Container) -> None:
    """Who was registered under the hidden name is now the container, and it is no user any more of what only the old one used."""
    sources = dependents.sources(container)
    for source in sources:
        dependents.transfer(source, work, container)
    for source in dependents.sources(work):
        if source not in sources:
            dependents.strike(source, container)


def _mark(work: Container, container: Container) -> int:
    """LXC's marker on what is to go, with its storage at the place where it is now. A child of who was killed may not have ended yet."""
    partial.is_abandoned(work, lock.TIMEOUT)
    marker_fd = partial.mark(work, "remove it")
    if not partial.storage(marker_fd):
        text = repoint.words(_root(work, container), [(container.directory, work.directory)]) if _is_managed(work) else ""
        partial.remember_storage(marker_fd, text)
    return marker_fd


def _is_managed(one: Container) -> bool:
    from ..config import parser

    try:
        return parser.load(one.config, []).get_bool("lxc.rootfs.managed", True)
    except (LxcError, OSError):
        return False


def _forget(work: Container) -> None:
    lock.forget(work)
    for directory in (work.lxc_path, os.path.dirname(work.lock)):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)
