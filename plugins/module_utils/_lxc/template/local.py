# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root file system from a tarball on this host: plain, gz, bz2, xz or zst, with a checksum; or LXC's pair, with a tarball of metadata.

`fstree` is the root, `metadata` the other one (lxc-local's options). Both are taken for hostile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import IO

from ..errors import BadValue, StepError, Unsupported
from . import archive, base, metadata

_OPTIONS = ("fstree", "checksum", "metadata", "metadata_checksum", "devices")
_ZSTD = b"\x28\xb5\x2f\xfd"


def check(options: base.Options) -> None:
    base.only("local", options, _OPTIONS)
    for name in ("fstree", "metadata"):
        path = base.text(options, name)
        if not path and name == "fstree":
            raise BadValue("template_options[fstree]", None, "the path of a tarball of a root file system")
        if path and not path.startswith("/"):
            raise BadValue(f"template_options[{name}]", path, "an absolute path")
        if path and not os.path.isfile(path):
            raise BadValue(f"template_options[{name}]", path, "a file that exists on this host")
    for name in ("checksum", "metadata_checksum"):
        _checksum(options, name)
    _devices(options)


def make(options: base.Options, target: base.Target, log: base.Log) -> base.Made:
    lines: list[str] = []
    place = target.container.directory
    found = metadata.Metadata("", [])
    if base.text(options, "metadata"):
        found = metadata.read(_read(options, "metadata", "metadata_checksum", place, log), base.text(options, "metadata"))
        lines = metadata.config_lines(found, target)
    with _open(options, "fstree", "checksum", place, log) as stream:
        report = archive.unpack(stream, target.rootfs, base.text(options, "fstree"), devices=_devices(options))
    log(f"Unpacked {report.members} members, {report.size >> 20} MiB")
    metadata.fill_in(found, target)
    return base.Made(lines, [])


def _devices(options: base.Options) -> bool:
    """A node in a root is as good as the device to whoever gets at it from the host: only for an archive that is trusted."""
    value = options.get("devices", False)
    if not isinstance(value, bool):
        raise BadValue("template_options[devices]", value, "true or false")
    return value


def config_lines(_options: base.Options) -> list[str]:
    """Those of the metadata are known when it has been read."""
    return []


def _checksum(options: base.Options, name: str) -> tuple[str, str]:
    value = base.text(options, name)
    algorithm, _colon, digest = value.partition(":")
    if value and (algorithm not in ("sha256", "sha384", "sha512") or len(digest) != hashlib.new(algorithm).digest_size * 2):
        raise BadValue(f"template_options[{name}]", value, "sha256:, sha384: or sha512: and the digest in hexadecimal digits")
    return algorithm, digest.lower()


def _verify(file: IO[bytes], options: base.Options, name: str, path: str) -> None:
    algorithm, wanted = _checksum(options, name)
    if not wanted:
        return
    digest = hashlib.new(algorithm)
    for block in iter(lambda: file.read(1 << 20), b""):
        digest.update(block)
    file.seek(0)
    if digest.hexdigest() != wanted:
        raise StepError("template", "Verify", path, text=f"its {algorithm} is {digest.hexdigest()}, not {wanted}")


@contextlib.contextmanager
def _open(options: base.Options, name: str, checksum: str, place: str, log: base.Log) -> Iterator[IO[bytes]]:
    """The decompressed stream of a regular file, after its checksum was found right."""
    path = base.text(options, name)
    log(f"Reading {path}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise StepError.from_os("template", "Open", path, error) from error
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StepError("template", "Open", path, text="it is no regular file")
        _verify(file, options, checksum, path)
        with contextlib.ExitStack() as stack:
            yield stack.enter_context(_decompress(file, path, place))


@contextlib.contextmanager
def _decompress(file: IO[bytes], path: str, place: str) -> Iterator[IO[bytes]]:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        with gzip.open(file, "rb") as stream:
            yield stream  # type: ignore[misc]
    elif magic.startswith(b"\xfd7zXZ\0"):
        import lzma

        with lzma.open(file, "rb") as stream:
            yield stream
    elif magic.startswith(b"BZh"):
        import bz2

        with bz2.open(file, "rb") as stream:
            yield stream
    elif magic.startswith(_ZSTD):
        with _zstd(path, file.fileno(), place) as stream:
            yield stream
    else:
        yield file


@contextlib.contextmanager
def _zstd(path: str, fd: int, place: str) -> Iterator[IO[bytes]]:
    """Python has no zstd before 3.14: unpacked by its program into a file in `place` that has no name and a limit.

    A kill leaves nothing of it: not the file, and not the program.
    """
    from ..kernel import command

    programs = {name: command.which(name) for name in ("setpriv", "prlimit", "zstd")}
    missing = [name for name, found in programs.items() if found is None]
    if missing:
        raise Unsupported(f"The program {missing[0]} is missing, which {path} needs", hint="Install zstd and util-linux")
    with tempfile.TemporaryFile(dir=place) as file:
        # The open files, whatever their names mean now: the source is the one whose checksum was taken.
        source, plain = (f"/proc/{os.getpid()}/fd/{number}" for number in (fd, file.fileno()))
        act = ["sh", "-c", 'exec zstd --decompress --quiet --stdout <"$0" >"$1"', source, plain]
        result = command.run(["setpriv", "--pdeathsig", "KILL", "--", "prlimit", f"--fsize={archive.LIMITS.size}", "--", *act])
        if result.rc:
            said = result.stderr.strip().splitlines()[-5:]
            raise StepError("template", "Decompress", path, text=f"zstd ended with status {result.rc}", log=said)
        yield file


def _read(options: base.Options, name: str, checksum: str, place: str, log: base.Log) -> bytes:
    with _open(options, name, checksum, place, log) as stream:
        data = stream.read(metadata.LIMIT + 1)
    if len(data) > metadata.LIMIT:
        raise StepError("template", "Read", base.text(options, name), text=f"it has more than {metadata.LIMIT} bytes")
    return data
