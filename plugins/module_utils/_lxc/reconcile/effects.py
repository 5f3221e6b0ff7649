# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects that a plan names. Each imports what it needs where it needs it: most tasks do nothing, or one thing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Optional

from ..errors import InUse, StepError
from .desired import Desired

if TYPE_CHECKING:
    from ..lifecycle.create import CreateRequest

LOCK_TIMEOUT = 30.0


def _progress(desired: Desired) -> Callable[[str], None]:
    """A template's lines go to the container's log as they come, whatever its level: to make a root may take minutes."""
    from ..lifecycle.log import Log

    one = desired.container
    log = Log(one.name, desired.log_file or one.log, 0)
    return lambda line: log.write("INFO", line)


class Effects:
    """`Verbs` for real. What an act returns beside success is a list of warnings, or how a container was stopped."""

    def __init__(self, log: Optional[Callable[[str], None]] = None) -> None:
        self._log = log

    def foresee(self, desired: Desired) -> str:
        from ..lifecycle import create

        return create.foresee(_request(desired))

    def create(self, desired: Desired) -> object:
        from ..lifecycle import create, partial

        one = desired.container
        try:
            return create.create(_request(desired), self._log or _progress(desired))
        except InUse:  # somebody else has begun to make it after we had looked
            if not os.path.lexists(one.directory) or partial.is_abandoned(one, LOCK_TIMEOUT) or not os.path.lexists(one.config):
                raise
            return [f"Somebody else made it in {one.directory} at the same time"]

    def destroy(self, desired: Desired) -> object:
        from ..lifecycle import destroy

        return destroy.destroy(desired.container, desired.delete_snapshots)

    def write_config(self, desired: Desired) -> object:
        """Under LXC's lock, from what the file says now: somebody may have changed it since it was planned."""
        from ..config import parser
        from ..lifecycle import lock
        from . import drift, observe_config

        one = desired.container
        with lock.hold(one, "change the config", LOCK_TIMEOUT):
            text = drift.new_text(observe_config.read_config(one), desired, one.config)
            replace(one.config, text)
        return parser.parse(text, one.config, []).warnings

    def start(self, desired: Desired) -> object:
        from .. import runtime

        for _container, error, warnings in runtime.start([desired.container], desired.wait_timeout, desired.log_file, desired.log_level):
            if error:
                raise error
            return warnings
        return None

    def stop(self, desired: Desired) -> object:
        from ..lifecycle import stop

        return stop.stop(desired.container, desired.stop_timeout)

    def freeze(self, desired: Desired) -> object:
        from ..lifecycle import freeze

        freeze.freeze(desired.container, desired.wait_timeout)
        return None

    def thaw(self, desired: Desired) -> object:
        from ..lifecycle import freeze

        freeze.thaw(desired.container, desired.wait_timeout)
        return None


def _request(desired: Desired) -> CreateRequest:
    from ..lifecycle.create import CreateRequest

    return CreateRequest(
        container=desired.container,
        template=desired.template or "none",
        template_options=desired.template_options,
        backing_store=desired.backing_store or "dir",
        backing_options=desired.backing_options,
        config=desired.config,
        networks=desired.networks,
    )


def replace(path: str, text: str) -> None:
    """A new file in the place of the old one, at once, with its mode and owner."""
    old = os.stat(path, follow_symlinks=False)
    new_path = f"{path}.hostkit-new"
    try:
        descriptor = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fchown(stream.fileno(), old.st_uid, old.st_gid)
            os.fchmod(stream.fileno(), old.st_mode & 0o7777)
            os.fsync(stream.fileno())
        os.rename(new_path, path)
    except OSError as error:
        raise StepError.from_os("config", "Write", path, error) from error
