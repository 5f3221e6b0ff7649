# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar archives that may be hostile, unpacked by descriptor: nothing is written outside of the directory, and not without bound.

Refused: names that are absolute or have `..` in them, names that pass through a symbolic link, links that lead out, a root that is
no directory, device nodes, unknown kinds, and more members or bytes than the limits. Set-uid files are legal in a root file
system: the directory above has to keep the host's users out.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from ..errors import LxcError, StepError
from . import placing

_METADATA = (tarfile.XHDTYPE, tarfile.XGLTYPE, b"X", tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

# Beside the user's own: file capabilities, and ACLs as the kernel has them (acl(5)).
_KEPT = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")


class Limits(NamedTuple):
    members: int = 2_000_000
    size: int = 64 << 30
    header: int = 1 << 20
    depth: int = 128


LIMITS = Limits()


class _Rules(NamedTuple):
    """Whether device nodes are made; and of a container's own archive whatever else a container may have: links that lead anywhere, and
    attributes that only root sees. Both take that the archive is trusted: anybody can begin one with a file `config`."""

    devices: bool
    whole: bool


class Refused(LxcError):
    """A member that no honest archive of a root file system has."""


class _Header(tarfile.TarInfo):
    """tarfile reads extended headers into memory whole, so their size is looked at before."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _METADATA and found.size > LIMITS.header):
            raise Refused(f"A header of {found.size} bytes is refused")
        return found


class Report(NamedTuple):
    members: int
    size: int


def unpack(stream: IO[bytes], directory: str, name: str, limits: Limits = LIMITS, devices: bool = False) -> Report:
    """Unpack a tar stream, not compressed any more, into an empty directory. `name` is the archive's, for errors.

    One that begins with a file `config` is that of a whole container, whose root is below `rootfs`. `devices`: it is trusted, see `_Rules`.
    """
    try:
        root_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StepError.from_os("template", "Open", directory, error) from error
    members = size = 0
    try:
        placer = placing.Placer(root_fd)
        is_container = False
        for archive, member in _members(stream):
            members += 1
            if members == 1 and member.isreg() and member.name == "config":
                is_container = True
                continue
            if is_container:
                _lift(member)
            size += max(member.size, 0)
            if members > limits.members or size > limits.size:
                raise Refused(f"More than {limits.members} members or {limits.size} bytes")
            _place(placer, archive, member, limits, _Rules(devices, devices and is_container))
        placer.finish()
    except LxcError as error:
        raise StepError("template", "Unpack", name, text=error.message) from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise StepError("template", "Unpack", name, text=f"it is damaged: {error}") from error
    except OSError as error:
        raise StepError.from_os("template", "Unpack", f"{name}: {error.filename or ''}".rstrip(": "), error) from error
    finally:
        os.close(root_fd)
    if not members:
        raise StepError("template", "Unpack", name, text="it is empty")
    return Report(members, size)


def _members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            yield archive, member
            archive.members = []  # type: ignore[attr-defined]  # it keeps every header otherwise
    # The rest has to be read too: only at the end a compressed stream is known to be whole.
    while stream.read(1 << 20):
        pass


def _lift(member: tarfile.TarInfo) -> None:
    """From a container's directory to its root, where links of the archive lead too."""
    for field in ("name", "linkname") if member.islnk() else ("name",):
        top, _slash, rest = getattr(member, field).partition("/")
        if top != "rootfs":
            raise Refused(f"{getattr(member, field)} is not below rootfs, as all but the config of a container's archive is")
        setattr(member, field, rest or ".")


def _place(placer: placing.Placer, archive: tarfile.TarFile, member: tarfile.TarInfo, limits: Limits, rules: _Rules) -> None:
    parts = split(member.name, limits.depth)
    found = attributes(member, with_trusted=rules.whole)
    entry = placing.Entry(parts, member.mode & 0o7777, member.uid, member.gid, float(member.mtime), found)
    if not parts and not member.isdir():
        raise Refused(f"The root itself is a {kind(member)}")
    if member.isdir():
        placer.directory(entry)
    elif member.isreg():
        data = archive.extractfile(member)
        if data is not None:
            placer.file(entry, data, member.size)
    elif member.issym():
        check_symlink(parts, member.linkname, anywhere=rules.whole)
        placer.symlink(entry, member.linkname)
    elif member.islnk():
        placer.hard_link(entry, split(member.linkname, limits.depth))
    elif member.isfifo():
        placer.fifo(entry)
    elif member.isdev() and rules.devices:
        kind_of_node = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        placer.node(entry, kind_of_node, os.makedev(member.devmajor, member.devminor))
    else:
        raise Refused(f"{member.name} is a {kind(member)}")


def kind(member: tarfile.TarInfo) -> str:
    if member.isdev():
        return "device node"
    return "symbolic link" if member.issym() else f"member of the kind {member.type!r}"


def split(name: str, depth: int = LIMITS.depth) -> tuple[str, ...]:
    """The components of a member's name, or Refused. `.` is the root."""
    if name.startswith("/"):
        raise Refused(f"The name {name!r} is absolute")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Refused(f"The name {name!r} leads out by ..")
    if "\0" in name or len(name) > 4095 or len(parts) > depth or any(len(os.fsencode(part)) > 255 for part in parts):
        raise Refused(f"The name {name[:200]!r} is too long, too deep or has a NUL in it")
    return parts


def check_symlink(parts: tuple[str, ...], target: str, anywhere: bool = False) -> None:
    """Refuse a relative target that climbs out of the root. An absolute one means the container's own root; nothing here follows it."""
    height = len(parts) - 1
    if not target or "\0" in target:
        raise Refused(f"{'/'.join(parts)} is a symbolic link to nothing")
    if anywhere or target.startswith("/"):
        return
    for part in target.split("/"):
        height += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if height < 0:
            raise Refused(f"{'/'.join(parts)} is a symbolic link that leads out of the root: {target}")


def attributes(member: tarfile.TarInfo, with_trusted: bool = False) -> dict[str, bytes]:
    """The extended attributes that mean something in a container: file capabilities, ACLs and the user's own; in a container's own archive
    those that only root may see as well, but for those of an overlay, which would hide files of one that is made over it."""
    found = {}
    for key, value in member.pax_headers.items():
        name = key[len("SCHILY.xattr.") :] if key.startswith("SCHILY.xattr.") else ""
        is_trusted = with_trusted and name.startswith("trusted.") and not name.startswith("trusted.overlay.")
        if name in _KEPT or name.startswith("user.") or is_trusted:
            found[name] = value.encode("utf-8", "surrogateescape")
    return found
