# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides of a plan: what the task wants of one container, which is only what the user said, and how that container stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from ..paths import Container

if TYPE_CHECKING:
    from .besides import Besides

STOP_TIMEOUT = 60.0
WAIT_TIMEOUT = 60.0

# A key of the config to its value: a list is the whole list, None removes the line, "" writes the line that clears.
ConfigChanges = Mapping[str, Union[str, list[str], None]]
NetworkSection = Mapping[str, Union[str, list[str]]]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Desired(NamedTuple):
    """One container as the task wants it. `clone` is what it is made from, and whether it shares the files of that."""

    container: Container
    state: str = "started"
    template: str | None = None
    template_options: Mapping[str, Any] = NOTHING
    clone: tuple[Container, bool] | None = None
    backing_store: str | None = None
    backing_options: Mapping[str, str] = NOTHING
    config: ConfigChanges = NOTHING
    networks: Sequence[NetworkSection] | None = None
    stop_timeout: float = STOP_TIMEOUT
    wait_for: Sequence[str] = ()
    wait_timeout: float = WAIT_TIMEOUT
    restart_if_needed: bool = False
    delete_snapshots: bool = False
    log_file: str = ""
    log_level: str = ""
    besides: Besides | None = None

    @property
    def says_config(self) -> bool:
        return bool(self.config) or self.networks is not None

    @property
    def says_storage(self) -> bool:
        return bool(self.backing_store or self.backing_options)


class Observed(NamedTuple):
    """`existence` is absent, half-made or defined; `state` is LXC's word, STOPPED when nothing runs.

    `text` is the config file, read only when the task says something about it; `running` holds what the monitor says of the
    keys of which it does. `template`, `rootfs`, `size`: what it was made from, where its root is and how many bytes that may hold.
    """

    existence: str
    state: str = "STOPPED"
    text: str = ""
    running: Mapping[str, str | None] = NOTHING
    snapshots: tuple[str, ...] = ()
    clones: tuple[str, ...] = ()
    template: str = ""
    rootfs: str | None = None  # not asked
    size: int | None = None
    ephemeral: bool = False  # asked where it may be stopped
    former: Observed | None = None  # None: it has the new name by now. One whose renaming was cut off is "renaming"
