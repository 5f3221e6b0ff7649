# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files beside a config that it names in the source's own directory: the fstab, hooks and scripts, the seccomp policy.

They are copied for a clone, to the same place in its directory. What lies elsewhere is shared, and the rest of the directory (logs,
snapshots, whatever an administrator has put there) is not the clone's business.
"""

from __future__ import annotations

import os
import shutil
import stat

from ..config import lines, repoint
from ..config.repoint import Moves
from ..errors import StepError
from ..paths import Container

_LIMIT = 16 << 20
_PATHS = ("lxc.mount.fstab", "lxc.seccomp.profile")


def named(text: str, source: Container, root: str) -> list[str]:
    """The paths, without those in the source's root: that is copied as a whole, or shared."""
    said = lines.values(text, source.config)
    found = [path for key in _PATHS for path in said.get(key, ())] + repoint.scripts(text, source.directory, source.config)
    return list(dict.fromkeys(path for path in map(_normal, found) if _is_below(path, source.directory) and not _is_below(path, root)))


def copy(text: str, source: Container, root: str, moves: Moves) -> None:
    """Each regular file, or what a link leads to, with its mode and owner. Paths in the fstab are re-pointed.

    What is made already, such as the config or an image that a hook gets as its argument, is left as it is.
    """
    fstab = lines.values(text, source.config).get("lxc.mount.fstab", [""])[-1]
    for path in named(text, source, root):
        target = repoint.path(path, moves)
        if os.path.isfile(path) and not os.path.isfile(target):
            try:
                _copy(path, target, moves if path == _normal(fstab) else ())
            except OSError as error:
                raise StepError.from_os("clone", "Copy", path, error) from error


def missing(text: str, source: str, file: str) -> list[str]:
    """A warning for each path that is another than the source's, and is not there."""
    before = {value for value, _path in repoint.sources(source, file)}
    return [
        f"lxc.mount.entry = {value}: {path} does not exist, as only what the config runs is copied from beside a root filesystem"
        for value, path in repoint.sources(text, file)
        if value not in before and not os.path.exists(path)
    ]


def _copy(path: str, target: str, moves: Moves) -> None:
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as made:
            if moves:
                text = file.read(_LIMIT).decode("utf-8", "surrogateescape")
                made.write(repoint.fstab(text, moves).encode("utf-8", "surrogateescape"))
            else:
                shutil.copyfileobj(file, made)
            made.flush()  # a later write takes set-user-id bits away
            os.fchown(made.fileno(), found.st_uid, found.st_gid)
            os.fchmod(made.fileno(), stat.S_IMODE(found.st_mode))


def _normal(path: str) -> str:
    """`..` is left where it is: it says something else behind a symbolic link."""
    return "/" + "/".join(name for name in path.split("/") if name not in ("", ".")) if path.startswith("/") else path


def _is_below(path: str, directory: str) -> bool:
    return bool(directory) and ".." not in path.split("/") and f"{path}/".startswith(f"{directory}/")
