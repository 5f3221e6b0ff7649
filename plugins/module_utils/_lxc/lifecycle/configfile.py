# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config of a container, read and written."""

from __future__ import annotations

import os

from ..errors import StepError
from ..paths import Container
from . import wholefile


def read(container: Container) -> str:
    """Without following a link: a template script has been at work in the directory."""
    try:
        fd = os.open(container.config, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise StepError.from_os("config", "Read", container.config, error) from error


def write(container: Container, text: str, mode: int | None = 0o640) -> None:
    """On the disk before the marker goes."""
    try:
        wholefile.write(container.config, text, mode)
    except OSError as error:
        raise StepError.from_os("config", "Write", container.config, error) from error
