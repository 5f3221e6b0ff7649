# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever names a container that has another name now: its config and fstab, those of its snapshots and of who uses its files, LXC's lists
of these, its log. Each file is whole before and after, and nothing here does harm when it is done again.

Hook scripts that lie in its directory stay as they are; the lines that run them are changed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..config import edit, lines, parser, repoint
from ..config.repoint import Moves
from ..errors import LxcError
from ..paths import Container
from . import configfile, dependents, lock, users, wholefile


def text(said: str, old: Container, new: Container) -> str:
    """Its own config."""
    file = new.config
    after = _repointed(said, _moves(old, new, _places(said, file)), file)
    return edit.edit(after, {"lxc.uts.name": new.name}, file)


def rewrite(old: Container, new: Container) -> None:
    """All of them. The directory is in its new place, and a link leads there from the old one."""
    _move_others(old, new)
    own = {new, *users.snapshots(new)}
    for one in _everybody(new):
        if os.path.isfile(one.config):
            _config(one, old, new, one in own)
        _lists(one, old, new)


def _move_others(old: Container, new: Container) -> None:
    """What has its name and lies elsewhere: the snapshots of LXC 1.0, and the log."""
    snapshots = [dependents.snapshot_directories(one)[1] for one in (old, new)]
    logs = [old.log, new.log] if os.path.dirname(old.log) == os.path.dirname(new.log) else [f"{new.directory}/{old.name}.log", new.log]
    for before, after in (snapshots, logs):
        if os.path.lexists(before) and not os.path.lexists(after):
            os.rename(before, after)


def _everybody(new: Container) -> Iterator[Container]:
    """Of its lxcpath, and of others whom the lists of it and of its snapshots name."""
    seen: set[Container] = set()
    todo = [*users.everyone(new.lxc_path)]
    own = [new, *users.snapshots(new)]
    todo += [other for one in own for other in (*dependents.sources(one), *dependents.listed(one))]
    while todo:
        one = todo.pop(0)
        if one in seen or not os.path.isdir(one.directory) or os.path.islink(one.directory):
            continue
        seen.add(one)
        yield one
        todo += list(users.snapshots(one))


def _config(one: Container, old: Container, new: Container, is_own: bool) -> None:
    said = configfile.read(one)
    moves = _moves(old, new, _places(said, one.config))
    try:
        fstab = lines.values(said, one.config).get("lxc.mount.fstab", [""])[-1]
        after = text(said, old, new) if one == new else _repointed(said, moves, one.config)
        if is_own and one != new and lines.values(after, one.config).get("lxc.uts.name", [""])[-1] == old.name:
            after = edit.edit(after, {"lxc.uts.name": new.name}, one.config)
    except LxcError:  # a config of another that cannot be read says nothing that works
        if one == new:
            raise
        return
    if is_own:
        _fstab(repoint.path(fstab, moves), moves, new, _places(after, one.config))
    if after != said:
        with lock.hold(one, f"name {new.name}, which was {old.name}, in its config"):
            configfile.write(one, after, mode=None)


def _fstab(path: str, moves: Moves, new: Container, places: tuple[str, ...]) -> None:
    """One that lies in its directory is its own, but for one in its root, where links may lead anywhere."""
    roots = (*places, new.rootfs)
    if not path.startswith(f"{new.directory}/") or ".." in path.split("/") or any(path.startswith(f"{root}/") for root in roots):
        return
    if not os.path.isfile(path) or os.path.islink(path):
        return
    said = _read(path)
    if repoint.fstab(said, moves) != said:
        wholefile.write(path, repoint.fstab(said, moves))


def _repointed(said: str, moves: Moves, file: str) -> str:
    after = repoint.repoint(said, moves, file)
    root = _root(said, file)
    changes: dict[str, edit.Value] = {}
    if root and repoint.words(root, moves) != root:
        changes["lxc.rootfs.path"] = repoint.words(root, moves)
    includes = lines.values(after, file).get("lxc.include", [])
    if [repoint.path(path, moves) for path in includes] != includes:
        changes["lxc.include"] = [repoint.path(path, moves) for path in includes]
    return edit.edit(after, changes, file)


def _root(said: str, file: str) -> str:
    """The text of its root, though an included file says it."""
    with contextlib.suppress(LxcError, OSError):
        return parser.loads(said, file).rootfs_path
    return ""


def _places(said: str, file: str) -> tuple[str, ...]:
    return users.places_of(_root(said, file))


def _moves(old: Container, new: Container, places: tuple[str, ...]) -> list[tuple[str, str]]:
    """The directory, the place of its snapshots, its log; and the directory as these places spell it, through a link to the lxcpath."""
    found = {
        old.directory: new.directory,
        dependents.snapshot_directories(old)[1]: dependents.snapshot_directories(new)[1],
        old.log: new.log,
    }
    here = {os.path.realpath(one.directory) for one in (old, new) if os.path.isdir(one.directory)}
    for place in places:
        head = place
        while head not in ("/", ""):
            if os.path.realpath(head) in here and head != new.directory:
                found[head] = new.directory
            head = os.path.dirname(head)
    return list(found.items())


def _lists(one: Container, old: Container, new: Container) -> None:
    """Pairs of lines, lxcpath and name. The number that LXC 1.0 has instead stays."""
    for path in (f"{one.directory}/lxc_rdepends", f"{one.directory}/lxc_snapshots"):
        if _with_names(path, old, new) != _read(path):
            with lock.hold(one, f"name {new.name}, which was {old.name}, in its lists"):
                wholefile.write(path, _with_names(path, old, new))


def _with_names(path: str, old: Container, new: Container) -> str:
    rows = _read(path).splitlines()
    found = (_named(Container(os.path.normpath(place), name), old, new) for place, name in zip(rows[::2], rows[1::2]))
    return "".join(f"{row}\n" for other in dict.fromkeys(found) for row in other) if len(rows) > 1 else _read(path)


def _read(path: str) -> str:
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
    return ""


def _named(other: Container, old: Container, new: Container) -> Container:
    """As it is called now, itself or a snapshot of it."""
    if other == old:
        return new
    moves = _moves(old, new, ())
    return Container(repoint.path(other.lxc_path, moves), other.name)
