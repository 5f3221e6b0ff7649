# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config of a container that is being made, read and written."""

from __future__ import annotations

import os

from ..errors import StepError
from ..kernel import tree
from ..paths import Container


def read(container: Container) -> str:
    """Without following a link: a template script has been at work in the directory."""
    try:
        fd = os.open(container.config, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise StepError.from_os("config", "Read", container.config, error) from error


def write(container: Container, text: str) -> None:
    """Whole or not at all, and on the disk before the marker goes."""
    temporary = container.config + ".new"
    try:
        tree.remove(temporary)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        os.rename(temporary, container.config)
    except OSError as error:
        raise StepError.from_os("config", "Write", container.config, error) from error
