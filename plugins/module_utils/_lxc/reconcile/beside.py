# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container stands, with regard to what few tasks say."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..lifecycle import partial, renaming
from ..paths import Container
from .besides import Besides
from .desired import Desired, Observed
from .observe_config import read_config

_SETTLE = 30.0
Observe = Callable[[Desired], Observed]


def look(desired: Desired, besides: Besides, observe: Observe) -> Observed:
    """`observe` reads the rest."""
    plain = desired._replace(besides=None)
    observed = observe(plain)
    if besides.former is None:
        return observed._replace(text=read_config(desired.container)) if besides.migrate and observed.existence == "defined" else observed
    former = _former(besides.former, desired.container, observed, lambda one: observe(plain._replace(container=one)))
    if former is None:
        return observed
    return observed._replace(former=former, rootfs=former.rootfs, size=former.size)


def _former(old: Container, new: Container, observed: Observed, observe: Callable[[Container], Observed]) -> Observed | None:
    """The one that is to be renamed; None where there is none, or no more. A link that a killed renaming has left leads to the new one."""
    if renaming.leads_to(old, new) and renaming.pair(old) == (old, new):
        return observed._replace(existence="renaming", text=read_config(old))
    if not os.path.lexists(old.directory):
        return None
    if partial.is_abandoned(old, _SETTLE) or partial.is_empty(old):
        return Observed("half-made")
    found = observe(old)
    return found._replace(text=read_config(old)) if found.existence == "defined" else None
