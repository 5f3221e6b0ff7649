# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path inside a running container, looked at from the host by descriptor: links lead nowhere out of its root."""

from __future__ import annotations

import os

from ..paths import Container
from ..wire import query


def missing(one: Container, path: str) -> str:
    """An empty text when the path is there, else what stands against it."""
    from ..kernel import beneath

    try:
        root_fd = os.open(f"/proc/{query.init_pid(one)}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return f"its root cannot be opened ({error.strerror})"
    try:
        os.close(beneath.open_in_root(root_fd, path, os.O_PATH | os.O_CLOEXEC))
    except OSError as error:
        return f"{path}: {error.strerror}"
    finally:
        os.close(root_fd)
    return ""
