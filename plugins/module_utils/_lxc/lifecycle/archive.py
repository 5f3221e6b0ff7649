# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container in one file: its config, and its root file system with owners by number, extended attributes (ACLs and capabilities are
among them), hard links, holes and device nodes. Sockets are nothing that a tarball has.

By GNU tar, from a read-only mount of the root that is attached nowhere: no link in it is followed, nothing mounted in it comes along. The
file is written beside its place, where nobody but root can read it, and comes into it whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..config import parser
from ..errors import BadValue, InUse, StepError, Unsupported
from ..kernel import command, mount, tree
from ..paths import Container
from ..storage import backends
from ..storage import copy as copying
from ..wire.protocol import State
from . import clone, partial, replace, replacing, users, wholefile
from . import source as sources

# The suffix of the file to the program that tar runs.
_COMPRESSION = {".tar.zst": "zstd", ".tar.xz": "xz", ".tar.gz": "gzip"}
_OPTIONS = {"zstd": "zstd -q -T0", "xz": "xz -T0", "gzip": "gzip"}
_EXPECTED = "an absolute path that ends with .tar.zst, .tar.xz or .tar.gz"
# In `tar -t` the root is `rootfs`, as it lies beside `config` in a container's directory; S: the targets of symbolic links stay.
_ROOT = "--transform=s,^\\.,rootfs,S"
# ACLs are attributes like the others, and so have numbers in them: what --acls writes has this host's names.
_WHOLE = (
    "--format=posix", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--sparse", "--one-file-system",
    "--pax-option=delete=atime,delete=ctime",
)  # fmt: skip


def program(path: str) -> str:
    """The one that compresses what has this suffix. BadValue names those that there are."""
    for suffix, name in _COMPRESSION.items():
        if path.endswith(suffix) and not path.endswith("/" + suffix):
            return name
    raise BadValue("archive", path, _EXPECTED)


def check(container: Container, path: str) -> None:
    """What stands against it, but for the container's being in use. Nothing is touched."""
    for name in ("tar", program(path)):
        if not command.which(name):
            raise Unsupported(f"The program {name} is missing, which {path} needs", hint=f"Install {name}")
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise BadValue("archive", path, f"a directory that exists above it: {directory} is none")
    if os.path.isdir(path) and not os.path.islink(path):
        raise BadValue("archive", path, "the path of a file: there is a directory")
    if os.path.lexists(container.config):
        _check_outside(container, path)


def _check_outside(container: Container, path: str) -> None:
    """It would be a part of itself, and gone with the container."""
    own = [container.directory, *users.places_of(parser.load(container.config, []).rootfs_path)]
    here = os.path.realpath(os.path.dirname(path))
    for place in own:
        if os.path.isdir(place) and f"{here}/".startswith(os.path.realpath(place) + "/"):
            raise BadValue("archive", path, f"a path outside of {place}, which is the container's own")


def write(container: Container, path: str, force: bool, log: clone.Log) -> bool:
    """Write it. False: there is such a file by now, and it stays. InUse: it runs, or was started meanwhile."""
    check(container, path)
    with replace.hold(container, f"write it to {path}"):
        standing = sources.look(container)
        is_still = standing.state in (State.STOPPED, State.FROZEN)
        if not is_still and not is_atomic(container):
            text = f"Container {container.name} is {standing.state.name}: its files may change while they are written to {path}"
            raise InUse(text, hint="Stop or freeze it first")
        temporary = path + wholefile.SUFFIX
        try:
            tree.remove(temporary)  # left by a kill
            log(f"Writing {path}")
            root = parser.load(container.config).rootfs_path
            with sources.unchanged(container, standing) if is_still else _moment(container, root) as moment:
                _tar(container, moment or root, path, temporary)
            return _place(temporary, path, force)
        except OSError as error:
            raise StepError.from_os("archive", "Write", path, error) from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def is_atomic(container: Container) -> bool:
    """Whether its files can be had as they are at one moment while it runs."""
    root = parser.load(container.config, []).rootfs_path
    return bool(root) and backends.for_rootfs(root).atomic


@contextlib.contextmanager
def _moment(container: Container, root: str) -> Iterator[str]:
    """A snapshot, which is gone at the end; what a kill leaves of it goes with the next `replace.hold`."""
    store, work = backends.for_rootfs(root), replacing.work_of(container)
    os.makedirs(work.directory, 0o711)
    try:
        marker_fd = partial.mark(work, "take a snapshot")
        try:
            partial.remember_storage(marker_fd, copying.snapshot_place(store, work))
            copied = store.snapshot(work)
        finally:
            os.close(marker_fd)
        yield copied.rootfs_path
    finally:
        replace.discard(work)


def _tar(container: Container, root: str, path: str, temporary: str) -> None:
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    root_fd = -1
    try:
        root_fd = backends.for_rootfs(root).open_root() if root else -1
        here = f"/proc/{os.getpid()}/fd"
        argv = ["tar", "--create", f"--file={here}/{fd}", f"--use-compress-program={_OPTIONS[program(path)]}", *_WHOLE]
        argv += [_ROOT, "-C", container.directory, "config", *(["-C", f"{here}/{root_fd}", "."] if root else [])]
        setpriv = command.which("setpriv")
        result = command.run([setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else argv)
        if result.rc:
            _fail(path, result)
        os.fsync(fd)
    finally:
        os.close(fd)
        if root_fd >= 0:
            mount.discard(root_fd)


def _fail(path: str, result: command.Result) -> None:
    said = [line for line in result.stderr.splitlines() if "socket ignored" not in line]
    raise StepError("archive", "Write", path, text=f"tar ended with status {result.rc}: {'; '.join(said[:3])[:300]}", log=said[-10:])


def _place(temporary: str, path: str, force: bool) -> bool:
    """Nothing that is there by now is overwritten unasked."""
    if force:
        os.rename(temporary, path)
        return True
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        return False
    return True
