# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is room for a new container where the task wants it. Nothing is touched; what is wrong is said by the option's name."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from ..config import lines
from ..errors import BadValue, LxcError
from ..kernel import mount_options
from ..paths import Container
from ..storage import backends, base, size


def check(container: Container, options: Mapping[str, str]) -> None:
    """Raises BadValue for `lxc_path`, `directory` and `size`."""
    above = _existing(container.lxc_path)
    if not os.path.isdir(above):
        expected = "a directory" if above == container.lxc_path else f"a directory, or one that can be made: {above} is none"
        raise BadValue("lxc_path", container.lxc_path, expected)
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadValue("lxc_path", container.lxc_path, f"a directory that can be written to, and {above} cannot")
    if "directory" in options and not os.path.lexists(container.partial):  # what was half-made is cleaned up, and its root with it
        _check_directory(options["directory"])


def _existing(path: str) -> str:
    """It, or the nearest above it that is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _check_directory(directory: str) -> None:
    try:
        base.check_root_directory(directory)
    except OSError as error:
        above = os.path.dirname(directory.rstrip("/"))
        there = "it is not empty" if os.path.isdir(directory) and not os.path.islink(directory) else "it is no directory"
        problem = {errno.ENOENT: f"{above} does not exist", errno.EEXIST: there}.get(error.errno or 0, error.strerror)
        raise BadValue("directory", directory, f"an empty directory, or a new one in a directory that exists ({problem})") from error


def check_image(container: Container, text: str) -> None:
    """Raises BadValue for a size that no file can have here: a file without a name is made so large, and is gone again."""
    try:
        image_fd = os.open(_existing(container.lxc_path), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system that has no such files
        return
    try:
        os.ftruncate(image_fd, size.parse(text))
    except OSError as error:
        where = os.path.dirname(container.directory)
        raise BadValue("size", text, f"as much as a file in {where} can have at most ({error.strerror})") from error
    finally:
        os.close(image_fd)


def check_root_options(config: str) -> None:
    """Raises BadValue for words in `lxc.rootfs.options` that are for the driver of a file system, where there is only a directory."""
    said = lines.values(config, "config")
    root, options = ([*said.get(key, []), ""][0] for key in ("lxc.rootfs.path", "lxc.rootfs.options"))
    data = mount_options.parse_options(options)[3]
    if data and root and backends.kind_of(root) in ("dir", "btrfs"):
        raise BadValue("config[lxc.rootfs.options]", options, f"options of mount(8) for a directory, and {data} is none")


def in_words_of_the_task(error: LxcError, options: Mapping[str, str]) -> LxcError:
    """An error about a value in another unit than the task's own."""
    if isinstance(error, BadValue) and error.option == "size" and "size" in options:
        return BadValue("size", options["size"], error.expected, error.hint)
    return error
