# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs whose files: LXC's `lxc_rdepends` (what this one is made over) and `lxc_snapshots` (who is made over this one).

Both are pairs of lines, lxcpath and name. LXC 1.0 kept only a number in `lxc_snapshots`, and newer ones go on with it where they find one.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Optional

from ..errors import InUse, NotFound
from ..paths import Container
from ..rollback import Rollback
from . import lock, replacing


def sources(container: Container) -> list[Container]:
    """The containers whose files this one uses."""
    return _pairs(_lines(f"{container.directory}/lxc_rdepends"))


def of(container: Container) -> list[str]:
    """The names of those that use its files or those of its snapshots, but for these, with the lxcpath where it is another.

    In the old form only their number is kept: they are looked for.
    """
    found = [one for one in listed(container) if not is_snapshot(one, container)]
    for place in snapshot_directories(container):
        for name in directories(place):
            found += [one for one in listed(Container(place, name)) if one != container and not is_snapshot(one, container)]
    uncounted = [] if listed(container) or not count(container) else [f"{count(container)} that are not in {container.lxc_path}"]
    return uncounted + [one.name if one.lxc_path == container.lxc_path else one.directory for one in dict.fromkeys(found)]


def count(container: Container) -> int:
    """How many the list of its own files has, by name or as a number."""
    lines = _lines(_counter(container))
    return max(int(lines[0]), 0) if _is_number(lines) else len(_there(lines))


def is_snapshot(one: Container, container: Container) -> bool:
    """Or what a killed restore has left of one that was to come in its place: that goes with it."""
    return one.lxc_path in snapshot_directories(container) or one == replacing.work_of(container)


def listed(container: Container) -> list[Container]:
    """Those of them that are known by name."""
    lines = _lines(_counter(container))
    if _is_number(lines):
        return [Container(container.lxc_path, name) for name in _searched(container)] if count(container) else []
    return _there(lines)


def snapshots(container: Container) -> list[str]:
    """The names of its snapshots, in the new place and in the one that LXC 1.0 used. A link to a directory is none."""
    found: set[str] = set()
    for place in snapshot_directories(container):
        found.update(name for name in directories(place) if not name.startswith("."))
    return sorted(found)


def directories(place: str, links: bool = False) -> list[str]:
    """The names of the directories in a place without links to some, or those of the links; none where the place is not there."""
    try:
        with os.scandir(place) as entries:
            return sorted(entry.name for entry in entries if (entry.is_symlink() if links else entry.is_dir(follow_symlinks=False)))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # the last: a name that a renaming keeps free
            raise
        return []


def refuse_link(container: Container) -> None:
    """What a link in the container's place leads to is somebody else's, perhaps another container of this lxcpath."""
    if os.path.islink(container.directory):
        raise InUse(
            f"Container {container.name} cannot be removed: {container.directory} is a symbolic link to {os.readlink(container.directory)}",
            hint="Remove the link by hand, or the container by its own name",
        )


def snapshot_directories(container: Container) -> tuple[str, str]:
    return f"{container.directory}/snaps", f"{container.lxc_path}snaps/{container.name}"


def inherited(source: Container, depends: bool, target: Optional[Container] = None) -> list[Container]:
    """Whose files a snapshot of `source` uses: those of its own sources, as LXC has it, and its own where the backend says so.

    A snapshot in the source's own directory is no user of its files to LXC; in the place of LXC 1.0 it is one.
    """
    is_inside = target is not None and target.lxc_path == snapshot_directories(source)[0]
    own = [source] if depends and not is_inside else []
    return list(dict.fromkeys([*sources(source), *own]))


def add(container: Container, found: Sequence[Container], timeout: float = lock.TIMEOUT) -> None:
    """Write down whose files this container uses, here and with each of them. NotFound: one has been removed meanwhile.

    A number goes up before, and a name is added after it is said here: so what a kill leaves, `release` takes away or counts too high.
    """
    alive = [source for source in found if os.path.isdir(source.directory)]  # what was removed by hand has no list any more
    with Rollback() as rollback:
        counted = [source for source in alive if _noted(source, container, timeout, rollback)]
    if found:
        _write(f"{container.directory}/lxc_rdepends", [line for source in found for line in source])
    for source in alive:
        if source not in counted:
            with _held(source, container, timeout):
                _append(source, container)


def _noted(source: Container, container: Container, timeout: float, rollback: Rollback) -> bool:
    """Count one more, where the list is a number as LXC 1.0 has it."""
    with _held(source, container, timeout):
        lines = _lines(_counter(source))
        if not _is_number(lines) or int(lines[0]) <= 0:
            return False
        _write(_counter(source), [str(int(lines[0]) + 1)])
    rollback.add(_strike, source, container)
    return True


@contextlib.contextmanager
def _held(source: Container, container: Container, timeout: float) -> Iterator[None]:
    with lock.hold(source, f"note that {container.name} uses its files", timeout):
        if not os.path.lexists(source.config):
            raise NotFound(f"Container {source.name} has been removed while {container.name} was made over its files")
        yield


def _append(source: Container, container: Container) -> None:
    lines = _lines(_counter(source))
    users = [] if _is_number(lines) else _there(lines)
    if container not in users:
        _write(_counter(source), [line for one in [*users, container] for line in one])


def release(container: Container, held: Optional[Container] = None) -> None:
    """Strike this container out of the lists of its sources, which may be gone already. The caller has the lock of `held`."""
    for source in sources(container):
        if not _lines(_counter(source)):
            continue
        what = f"note that {container.name} uses its files no more"
        with contextlib.nullcontext() if source == held else lock.hold(source, what):
            _strike(source, container)
    _write(f"{container.directory}/lxc_rdepends", [])  # so that a removal that is cut off counts it down only once


def _strike(source: Container, container: Container) -> None:
    lines = _lines(_counter(source))
    if not lines:
        return
    if _is_number(lines):
        left = [str(int(lines[0]) - 1)] if int(lines[0]) > 1 else []
    else:
        kept = [one for one in _there(lines) if one != container]
        left = [line for one in kept for line in one]
    _write(_counter(source), left)


def transfer(source: Container, old: Container, new: Container) -> None:
    """The line of one user becomes that of another in the list of a source, which may have that already. A number stays as it is."""
    _change(source, new, lambda one: new if one == old else one)


def strike(source: Container, user: Container) -> None:
    """A user that is named is one no more. A number stays as it is."""
    _change(source, user, lambda one: None if one == user else one)


def _change(source: Container, user: Container, act: Callable[[Container], Optional[Container]]) -> None:
    if not os.path.lexists(_counter(source)):
        return
    with lock.hold(source, f"change what it says of {user.name}"):
        lines = _lines(_counter(source))
        if lines and not _is_number(lines):
            kept = dict.fromkeys(new for one in _pairs(lines) for new in [act(one)] if new)
            _write(_counter(source), [line for one in kept for line in one])


def forget_source(container: Container, source: Container) -> None:
    """It needs that source no more, and both lists say so."""
    found = sources(container)
    if source not in found:
        return
    if os.path.lexists(_counter(source)):
        with lock.hold(source, f"note that {container.name} uses its files no more"):
            _strike(source, container)
    _write(f"{container.directory}/lxc_rdepends", [line for one in found if one != source for line in one])


def _counter(container: Container) -> str:
    return f"{container.directory}/lxc_snapshots"


def _searched(container: Container) -> list[str]:
    names = sorted(os.listdir(container.lxc_path))
    return [name for name in names if container in sources(Container(container.lxc_path, name))]


def _is_number(lines: list[str]) -> bool:
    return len(lines) == 1 and lines[0].strip().lstrip("-").isdigit()


def _pairs(lines: list[str]) -> list[Container]:
    return [Container(os.path.normpath(path), name) for path, name in zip(lines[::2], lines[1::2])]


def _there(lines: list[str]) -> list[Container]:
    from .byhand import is_gone

    return [one for one in _pairs(lines) if not is_gone(one)]


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 20).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _write(path: str, lines: list[str]) -> None:
    """Whole or not at all; LXC removes the file with its last line."""
    if not lines:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    from . import wholefile

    wholefile.write(path, "".join(line + "\n" for line in lines), 0o644)
