# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a container from another one: storage, config, files, then the hooks and the name in its root.

The source is neither stopped nor started nor changed, but for LXC's list of who uses its files. Whatever fails, nothing is left; what a
kill leaves is marked by `partial`, and the next one of the same name starts over.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple, Optional

from ..config import parser
from ..config.model import Config
from ..errors import BadValue, Unsupported
from ..paths import Container
from ..storage import backends, base
from ..storage import copy as copying
from ..wire.protocol import State
from . import claim, cloneconfig, clonefiles, configfile, dependents, hostconf, intent, lock, newconfig, partial
from . import source as sources

Log = Callable[[str], None]
_NOTHING: Mapping[str, object] = {}


class CloneRequest(NamedTuple):
    """`config` and `networks` are laid over what the source says; None for networks says nothing.

    `snapshot` shares the source's blocks or files, and `maybe` makes a full copy of it where the backend cannot (a directory's snapshot
    is an overlay over it, which only a clone may be). `keep_name` and `keep_mac` keep host name and MAC addresses. With `tmpfs` what it
    changes is in memory while it runs.
    """

    source: Container
    target: Container
    snapshot: bool = False
    maybe: bool = False
    backing_store: str = ""
    backing_options: Mapping[str, object] = _NOTHING
    config: Mapping[str, newconfig.Value] = {}
    networks: Optional[Sequence[Mapping[str, newconfig.Value]]] = None
    keep_name: bool = False
    keep_mac: bool = False
    tmpfs: bool = False


class _Way(NamedTuple):
    """How the storage is made: None for none at all; `shares` as a snapshot of it, else a copy into what `made` makes."""

    store: Optional[base.Backend]
    shares: bool
    made: Optional[type[base.Backend]]
    options: Mapping[str, object]


class _Read(NamedTuple):
    """The source's config, as text and with all that it includes."""

    text: str
    config: Config


def clone(request: CloneRequest, log: Log, timeout: float = lock.TIMEOUT, complete: Callable[[], object] = lambda: None) -> list[str]:
    """Make it, and return warnings for the user. `log` gets progress while it works. `complete` adds what a clone has not, while it is
    still marked as one that is being made.

    InUse: it exists, somebody is making it, or the source is in use. BadValue and ConfigError come before anything is touched.
    """
    check(request)
    origin, target = request.source, request.target
    with claim.claimed(target, timeout) as marker_fd:
        with lock.hold(origin, f"clone it to {target.name}", timeout):
            standing, read = sources.look(origin), _read(origin)
            way = _way(request, read.config)
            sources.check(origin, standing, way.shares and way.store is not None and way.store.atomic)
        is_still = standing.state in (State.STOPPED, State.FROZEN)
        with sources.unchanged(origin, standing) if is_still else nullcontext():
            made = _store(request, way, marker_fd, log)
            text = _text(request, read, made.rootfs_path)
            configfile.write(target, text)
            clonefiles.copy(read.text, origin, _directory(read.config), _moves(request, read.config, made.rootfs_path))
            if way.store is not None and not made.is_filled:
                _fill(way.store, made.rootfs_path, target, log)
            if made.is_filled:  # from now on the source cannot be removed any more: looked at again after that
                _make_place(backends.for_rootfs(made.rootfs_path), target)
                dependents.add(target, dependents.inherited(origin, made.depends, target), timeout)
        _finish(request, read, text, log)
        complete()
        return _warnings(request, read, text, standing, made)


def check(request: CloneRequest) -> None:
    """What stands against it; nothing is touched."""
    _foresee(request)


def foresee(request: CloneRequest) -> str:
    """The config that `clone` will write, with an x for each digit that is drawn for a MAC address. Raises what stands against it."""
    text = _foresee(request)
    claim.check_room(request.target, str(request.backing_options.get("directory", "")))
    return text


def _foresee(request: CloneRequest) -> str:
    if request.source.directory == request.target.directory:
        raise BadValue("clone_from", request.source.name, f"another container than {request.target.name} itself")
    standing, read = sources.look(request.source), _read(request.source)
    if "lxc.rootfs.path" in request.config:
        raise BadValue("config[lxc.rootfs.path]", request.config["lxc.rootfs.path"], "not to be said, as the clone gets a root of its own")
    way = _way(request, read.config)
    sources.check(request.source, standing, way.shares and way.store is not None and way.store.atomic)
    return _text(request, read, _place(request, way), lambda: "x")


def _read(origin: Container) -> _Read:
    return _Read(configfile.read(origin), parser.load(origin.config))


def _way(request: CloneRequest, config: Config) -> _Way:
    if not config.rootfs_path:
        if request.backing_store or request.backing_options:
            raise BadValue("backing_store", request.backing_store, f"nothing, as {request.source.name} has no root filesystem")
        return _Way(None, False, None, {})
    store = backends.for_rootfs(config.rootfs_path)
    wanted = backends.by_name(request.backing_store, request.target.lxc_path).kind if request.backing_store else ""
    if request.snapshot and not (request.maybe and store.kind == "dir" and wanted in ("", "dir")):
        _check_snapshot(request, store, wanted)
        if _can_share(request, store):
            return _Way(store, True, None, {})
    made = backends.by_name(request.backing_store or store.kind, request.target.lxc_path)
    return _Way(store, False, made, hostconf.storage_defaults(made.kind, _options(request, store, made.kind)))


def _options(request: CloneRequest, store: base.Backend, kind: str) -> Mapping[str, object]:
    """As large as its source and in the same place, where it is kept in the same way and nothing else is said."""
    like = dict(copying.like(store)) if kind == store.kind else {}
    if "vg_name" in request.backing_options:
        like.pop("thinpool", None)
    return {**like, **request.backing_options}


def _can_share(request: CloneRequest, store: base.Backend) -> bool:
    """Unsupported where it cannot, and a copy will not do."""
    try:
        copying.snapshot_place(store, request.target)
    except Unsupported:
        if not request.maybe:
            raise
        return False
    return True


def _check_snapshot(request: CloneRequest, store: base.Backend, wanted: str) -> None:
    kept = "overlayfs" if store.kind == "dir" else store.kind
    if wanted and wanted != kept:
        raise BadValue("backing_store", request.backing_store, f"{kept}, as that is what a snapshot of {request.source.name} is kept in")
    for option, value in request.backing_options.items():
        raise BadValue(option, value, "a full copy, clone_snapshot: false: a snapshot is kept beside what it is made of")


def _place(request: CloneRequest, way: _Way) -> str:
    if way.store is None:
        return ""
    if way.made is not None:
        return way.made.place(request.target, way.options)
    return copying.snapshot_place(way.store, request.target)


def _text(request: CloneRequest, read: _Read, rootfs_path: str, *digit: Callable[[], str]) -> str:
    name = "" if request.keep_name else request.target.name
    moves = _moves(request, read.config, rootfs_path)
    renaming = cloneconfig.Renaming(moves, rootfs_path, name, request.keep_mac, request.source.config)
    text = cloneconfig.text(read.text, renaming, request.config, request.networks, *digit)
    if request.tmpfs:
        from . import ephemeral

        text = ephemeral.on_tmpfs(text, request.target, rootfs_path)
    return text


def _moves(request: CloneRequest, config: Config, rootfs_path: str) -> list[tuple[str, str]]:
    """The root, where mount targets spell it, and the directory. A root that stays another's keeps its place."""
    moves = [(request.source.directory, request.target.directory)]
    before, after = _directory(config), backends.directory(rootfs_path)
    return [(before, after), *moves] if before and after else moves


def _directory(config: Config) -> str:
    return backends.directory(config.rootfs_path)


class _Made(NamedTuple):
    rootfs_path: str
    is_filled: bool = False
    depends: bool = False


def _store(request: CloneRequest, way: _Way, marker_fd: int, log: Log) -> _Made:
    """The storage, that of a snapshot with its files."""
    target = request.target
    if way.store is None:
        return _Made("")
    made = _snapshot(request, way.store, marker_fd, log) if way.shares else None
    if made is None:
        wanted = way.made or type(way.store)
        options = way.options if way.made else copying.like(way.store)
        place, make = functools.partial(wanted.place, target, options), functools.partial(wanted.create, target, options)
        made = _Made(claim.step("storage", "Make", target.directory, lambda: intent.carry_out(marker_fd, place, make)))
    partial.remember_storage(marker_fd, made.rootfs_path)
    return made


def _snapshot(request: CloneRequest, store: base.Backend, marker_fd: int, log: Log) -> Optional[_Made]:
    """None where the backend finds that it has none, and a copy will do."""
    log(f"Taking a snapshot of {store.rootfs_path}")
    try:
        place, take = functools.partial(copying.snapshot_place, store, request.target), functools.partial(store.snapshot, request.target)
        copied = claim.step("storage", "Take a snapshot of", store.rootfs_path, lambda: intent.carry_out(marker_fd, place, take))
    except Unsupported:
        if not request.maybe:
            raise
        return None
    return _Made(copied.rootfs_path, is_filled=True, depends=copied.depends)


def _fill(store: base.Backend, rootfs_path: str, target: Container, log: Log) -> None:
    """In a mount namespace of its own, in which a kill leaves nothing mounted."""
    from .apart import apart

    log(f"Copying {store.rootfs_path}")
    made = backends.for_rootfs(rootfs_path)
    _make_place(made, target)
    apart(lambda: copying.copy(store, made, target.rootfs))


def _make_place(made: base.Backend, target: Container) -> None:
    """Where the root is mounted while it is filled and renamed: LXC leaves the directory there too."""
    if made.kind != "dir":
        os.makedirs(target.rootfs, 0o755, exist_ok=True)


def _finish(request: CloneRequest, read: _Read, text: str, log: Log) -> None:
    """What is done in the new root: the clone hooks first, as LXC has it, then the name."""
    from . import finishing

    config = parser.loads(text, request.target.config)
    hooks = finishing.wanted(config)
    if not config.rootfs_path or (request.keep_name and not hooks):
        return
    store = backends.for_rootfs(config.rootfs_path)
    _make_place(store, request.target)
    old = read.config.uts_name or finishing.original(request.source)
    names = None if request.keep_name else (old, config.uts_name or request.target.name)
    for hook in hooks:
        log(f"Running lxc.hook.clone = {hook}")
    finishing.finish(finishing.Clone(request.source, request.target, config, store, names))


def _warnings(request: CloneRequest, read: _Read, text: str, standing: sources.Standing, made: _Made) -> list[str]:
    origin, target = request.source, request.target
    found = parser.parse(text, target.config, []).warnings + clonefiles.missing(text, read.text, target.config)
    if not request.keep_name:
        found += cloneconfig.warnings(text, origin.directory, target.config)
    if made.depends and standing.state is State.FROZEN:
        found.append(f"{target.name} uses the files of {origin.name}, which is FROZEN: what that one changes, once it is thawed, may show")
    return found
