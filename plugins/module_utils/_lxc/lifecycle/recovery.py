# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who was killed has left is brought to its end, before anything else is done to the container."""

from __future__ import annotations

import os

from ..paths import SPENT, Container
from . import replacing


def bring_to_end(container: Container, what: str) -> bool:
    """As far as there is any; who is still at it is waited for, in order to do `what`. True: an ephemeral one is no more."""
    if os.path.islink(container.directory) or any(os.path.lexists(f"{container.directory}/{name}") for name in (replacing.RENAMING, SPENT)):
        from . import ephemeral, rename

        rename.bring_to_end(container, what)
        if ephemeral.clear(container):
            return True
    if replacing.is_unfinished(container):
        from . import replace

        with replace.hold(container, what):
            pass
    return False
