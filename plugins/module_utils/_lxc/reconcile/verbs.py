# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a container."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .desired import Desired


class Outcome(NamedTuple):
    """What an act came to, where there is more to say than that it was done. `was_so`: somebody else had done it by then, and so
    this task has not. `how` says by which signal a container ended, or that it was killed."""

    warnings: Sequence[str] = ()
    was_so: bool = False
    how: str = ""


class Verbs(Protocol):
    """What can be done to a container. A plan only names these, but for those that foresee; `effects.py` has the real ones."""

    def foresee(self, desired: Desired) -> str:
        """The config that a new container will have. Raises what stands against its creation, and touches nothing."""

    def foresee_renaming(self, desired: Desired) -> str:
        """The config of the one that is to get this name, as it will be. Raises what stands against that, and touches nothing."""

    def foresee_move(self, desired: Desired) -> str:
        """The same of one whose root is to be kept in another way; whether that was cut off says `is_unfinished`."""

    def has_archive(self, desired: Desired) -> bool:
        """Whether its archive is there. Raises what stands against one. `is_atomic`: one can be written while it runs."""

    def is_unfinished(self, desired: Desired) -> bool: ...
    def is_atomic(self, desired: Desired) -> bool: ...
    def archive(self, desired: Desired) -> Outcome: ...
    def move(self, desired: Desired) -> Outcome: ...
    def rename(self, desired: Desired) -> Outcome: ...
    def create(self, desired: Desired) -> Outcome: ...
    def destroy(self, desired: Desired) -> Outcome: ...
    def rehearse(self, desired: Desired, config: str) -> None: ...
    def write_config(self, desired: Desired) -> Outcome: ...
    def resize(self, desired: Desired) -> Outcome: ...
    def start(self, desired: Desired) -> Outcome: ...
    def stop(self, desired: Desired) -> Outcome: ...
    def freeze(self, desired: Desired) -> Outcome: ...
    def thaw(self, desired: Desired) -> Outcome: ...
