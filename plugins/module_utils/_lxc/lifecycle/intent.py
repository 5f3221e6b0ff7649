# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage that is yet to be made, and lies elsewhere than in the container's directory, is said in the marker before: of who is killed in
between nothing else tells. What stands there afterwards may be somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import InUse
from ..paths import Container
from . import partial

PREFIX = "intended "
T = TypeVar("T")


def carry_out(marker_fd: int, place: Callable[[], str], make: Callable[[], T]) -> T:
    """What `make` makes at a place, which is a text of `lxc.rootfs.path`."""
    text = place()
    if text.startswith(("lvm:", "zfs:")):
        partial.remember_storage(marker_fd, PREFIX + text)
    try:
        return make()
    except (FileExistsError, InUse):  # somebody else has made one of that name just now
        partial.remember_storage(marker_fd, "")
        raise


def made(container: Container, marker_fd: int) -> str:
    """The text of what has been made for this container; "" for nothing."""
    text = partial.storage(marker_fd)
    if not text.startswith(PREFIX):
        return text
    from ..storage import named

    text = text[len(PREFIX) :]
    one = named.of(text)
    return text if one and one.is_made_for(container) else ""
