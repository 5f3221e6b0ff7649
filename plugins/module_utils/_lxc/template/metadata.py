# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata of LXC's images: a tarball with `config`, and `templates`, the files of the root in which names are to be filled in.

An image decides for its container, not for the host: keys that run programs, mount or name places of the host are refused.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import NamedTuple

from ..errors import LxcError, StepError
from ..kernel import beneath
from . import archive, base

LIMIT = 8 << 20
_CONFIG_DIRECTORY = "/usr/share/lxc/config"
_FILE_LIMIT = 1 << 20
_ALLOWED = (
    "lxc.arch", "lxc.signal.", "lxc.haltsignal", "lxc.rebootsignal", "lxc.stopsignal", "lxc.init.", "lxc.tty.max", "lxc.pty.max",
    "lxc.tty", "lxc.pts", "lxc.tty.dir", "lxc.devttydir", "lxc.cap.drop", "lxc.environment", "lxc.autodev",
)  # fmt: skip


class Metadata(NamedTuple):
    config: str
    templates: list[str]


def read(data: bytes, name: str) -> Metadata:
    """What we need of a tarball that is in memory, bounded."""
    found = {"config": b"", "templates": b""}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                key = "/".join(archive.split(member.name))
                if key in found and member.isreg():
                    file = tar.extractfile(member)
                    found[key] = file.read(_FILE_LIMIT) if file else b""
    except (tarfile.TarError, EOFError, ValueError, LxcError) as error:
        raise StepError("template", "Read", name, text=str(error)) from error
    if not found["config"]:
        raise StepError("template", "Read", name, text="it has no config in it")
    templates = found["templates"].decode("utf-8", "surrogateescape").split("\n")
    return Metadata(found["config"].decode("utf-8", "surrogateescape"), [line.strip() for line in templates if line.strip()])


def config_lines(found: Metadata, target: base.Target) -> list[str]:
    """Its config's lines with names filled in. An include that this host does not have is left out: ours is in the config anyway."""
    lines = []
    for number, line in enumerate(found.config.splitlines(), 1):
        key, _equals, value = (part.strip() for part in _substitute(line, target).partition("="))
        if not key.startswith("lxc."):
            continue
        if key == "lxc.include" and value.startswith(_CONFIG_DIRECTORY + "/") and ".." not in value.split("/"):
            if os.path.exists(value):
                lines.append(f"{key} = {value}")
        elif key.startswith(_ALLOWED):
            lines.append(f"{key} = {value}")
        else:
            text = f"line {number} sets {key}, which an image may not"
            raise StepError("template", "Use", "config of the metadata", text=text, hint="Leave metadata out and say it in config")
    return lines


def fill_in(found: Metadata, target: base.Target) -> None:
    """Write the names into the files that `templates` lists, if they are small regular files below the root."""
    if not found.templates:
        return
    root_fd = os.open(target.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in found.templates:
            _fill_in(root_fd, path, target)
    except (OSError, LxcError) as error:
        raise StepError("template", "Fill in", f"templates of the metadata: {error}") from error
    finally:
        os.close(root_fd)


def _fill_in(root_fd: int, path: str, target: base.Target) -> None:
    name = "/".join(archive.split(path.lstrip("/")))
    try:
        fd = beneath.open_beneath(root_fd, name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode) or before.st_size > _FILE_LIMIT:
            return
        text = os.read(fd, _FILE_LIMIT).decode("utf-8", "surrogateescape")
        os.ftruncate(fd, 0)
        os.pwrite(fd, _substitute(text, target).encode("utf-8", "surrogateescape"), 0)
    finally:
        os.close(fd)


def _substitute(text: str, target: base.Target) -> str:
    for word, value in (
        ("LXC_NAME", target.container.name),
        ("LXC_PATH", target.container.directory),
        ("LXC_ROOTFS", target.rootfs),
        ("LXC_TEMPLATE_CONFIG", _CONFIG_DIRECTORY),
        ("LXC_HOOK_DIR", "/usr/share/lxc/hooks"),
    ):
        text = text.replace(word, value)
    return text
