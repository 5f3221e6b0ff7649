# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a replacement or a renaming that was killed has left is brought to its end, and what an ephemeral container has left removed, before
anything else is done to it."""

from __future__ import annotations

import os

from ..paths import SPENT, Container
from . import replacing


def bring_to_end(container: Container, what: str) -> bool:
    """What somebody who was killed has left, as far as there is any; who is still at it is waited for, in order to do `what`. True: there
    was an ephemeral one, and is no more."""
    if os.path.islink(container.directory) or os.path.lexists(f"{container.directory}/{replacing.RENAMING}"):
        from . import rename

        rename.bring_to_end(container, what)
    if os.path.lexists(f"{container.directory}/{SPENT}"):
        from . import ephemeral

        if ephemeral.clear(container):
            return True
    if replacing.is_unfinished(container):
        from . import replace

        with replace.hold(container, what):
            pass
    return False
