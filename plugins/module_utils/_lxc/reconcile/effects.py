# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects that a plan names. Each imports what it needs where it needs it: most tasks do nothing, or one thing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Optional

from ..errors import InUse, LxcError, NotFound, StepError
from ..paths import Container
from .desired import Desired
from .verbs import Outcome

if TYPE_CHECKING:
    from ..lifecycle.clone import CloneRequest
    from ..lifecycle.create import CreateRequest
    from .besides import Besides

LOCK_TIMEOUT = 30.0


def _progress(desired: Desired) -> Callable[[str], None]:
    """A template's lines go to the container's log as they come, whatever its level: to make a root may take minutes."""
    from ..lifecycle.log import Log

    one = desired.container
    log = Log(one.name, desired.log_file or one.log, 0)
    return lambda line: log.write("INFO", line)


class Effects:
    """`Verbs` for real. The host is not ours alone: what somebody else has done since it was planned is no failure, and not ours."""

    def __init__(self, log: Optional[Callable[[str], None]] = None) -> None:
        self._log = log

    def foresee(self, desired: Desired) -> str:
        from ..lifecycle import room

        options = desired.backing_options
        room.check(desired.container, options)
        if desired.backing_store == "loop" and "size" in options:
            room.check_image(desired.container, options["size"])
        try:
            return self._foresee(desired)
        except LxcError as error:
            raise room.in_words_of_the_task(error, options) from error

    def _foresee(self, desired: Desired) -> str:
        if desired.clone is not None:
            from ..lifecycle import clone

            return clone.foresee(_clone_request(desired, *desired.clone))
        from ..lifecycle import create

        return create.foresee(_request(desired))

    def rehearse(self, desired: Desired, config: str) -> None:
        """Raise what would keep it from starting with this config ("": the one that it has), and touch nothing."""
        from ..lifecycle import startable
        from . import observe_config

        startable.check(desired.container, config or observe_config.read_config(desired.container))

    def foresee_renaming(self, desired: Desired) -> str:
        from ..lifecycle import rename

        return rename.foresee(_besides(desired).former or desired.container, desired.container)

    def rename(self, desired: Desired) -> Outcome:
        from ..lifecycle import rename

        was_done, warnings = rename.rename(_besides(desired).former or desired.container, desired.container)
        return Outcome(warnings, was_so=not was_done)

    def foresee_move(self, desired: Desired) -> str:
        from ..lifecycle import migrate

        return migrate.foresee(desired.container, desired.backing_store or "", desired.backing_options)

    def is_unfinished(self, desired: Desired) -> bool:
        from ..lifecycle import migrate

        return migrate.is_unfinished(desired.container)

    def move(self, desired: Desired) -> Outcome:
        from ..lifecycle import migrate

        log = self._log or _progress(desired)
        was_done, warnings = migrate.migrate(desired.container, desired.backing_store or "", desired.backing_options, log)
        return Outcome(warnings, was_so=not was_done)

    def has_archive(self, desired: Desired) -> bool:
        from ..lifecycle import archive

        path = _besides(desired).archive
        archive.check(desired.container, path)
        return os.path.lexists(path)

    def is_atomic(self, desired: Desired) -> bool:
        from ..lifecycle import archive

        return archive.is_atomic(desired.container)

    def archive(self, desired: Desired) -> Outcome:
        from ..lifecycle import archive

        besides = _besides(desired)
        return Outcome(was_so=not archive.write(desired.container, besides.archive, besides.force, self._log or _progress(desired)))

    def create(self, desired: Desired) -> Outcome:
        from ..lifecycle import partial

        one = desired.container
        try:
            return Outcome(self._make(desired))
        except InUse:  # somebody else has begun to make it
            if not os.path.lexists(one.directory) or partial.is_abandoned(one, LOCK_TIMEOUT) or not os.path.lexists(one.config):
                raise
            return Outcome([f"Somebody else made it in {one.directory} at the same time"], was_so=True)

    def _make(self, desired: Desired) -> Sequence[str]:
        log = self._log or _progress(desired)
        if desired.clone is not None:
            from ..lifecycle import clone

            return clone.clone(_clone_request(desired, *desired.clone), log)
        from ..lifecycle import create

        return create.create(_request(desired), log)

    def destroy(self, desired: Desired) -> Outcome:
        from ..lifecycle import destroy, recovery

        if recovery.bring_to_end(desired.container, "destroy it"):  # what a killed restore has left goes with it
            return Outcome()
        try:
            return Outcome(destroy.destroy(desired.container, desired.delete_snapshots))
        except NotFound:
            if os.path.lexists(desired.container.directory):
                raise
            return Outcome(was_so=True)

    def write_config(self, desired: Desired) -> Outcome:
        """Under LXC's lock, from what the file says now."""
        from ..config import parser
        from ..lifecycle import configfile, lock
        from . import drift, observe_config

        one = desired.container
        with lock.hold(one, "change the config", LOCK_TIMEOUT):
            before = observe_config.read_config(one)
            text = drift.new_text(before, desired, one.config)
            configfile.write(one, text, mode=None)
        return Outcome(parser.parse(text, one.config, []).warnings, was_so=text == before)

    def resize(self, desired: Desired) -> Outcome:
        from ..lifecycle import lock
        from ..storage import backends, size
        from .origin import rootfs_path

        one = desired.container
        with lock.hold(one, "resize it", LOCK_TIMEOUT):
            try:
                backends.for_rootfs(rootfs_path(one)).resize(size.parse(desired.backing_options["size"]))
            except OSError as error:
                raise StepError.from_os("storage", "Resize", str(error.filename or one.directory), error) from error
        return Outcome()

    def start(self, desired: Desired) -> Outcome:
        from .. import runtime

        [started] = runtime.start([desired.container], desired.wait_timeout, desired.log_file, desired.log_level)
        if started.error:
            raise started.error
        return Outcome(started.warnings, started.was_up)

    def stop(self, desired: Desired) -> Outcome:
        from ..lifecycle import ephemeral, stop

        is_going = ephemeral.is_ephemeral(desired.container)
        stopped = stop.stop(desired.container, desired.stop_timeout)
        if is_going:
            ephemeral.await_end(desired.container)
        return Outcome(was_so=stopped.how == "already", how=_how(stopped.how, stopped.signal))

    def freeze(self, desired: Desired) -> Outcome:
        from ..lifecycle import freeze

        return Outcome(was_so=not freeze.freeze(desired.container, desired.wait_timeout))

    def thaw(self, desired: Desired) -> Outcome:
        from ..lifecycle import freeze

        return Outcome(was_so=not freeze.thaw(desired.container, desired.wait_timeout))


def _besides(desired: Desired) -> Besides:
    from .besides import Besides

    return desired.besides or Besides()


def _how(how: str, signal: str) -> str:
    """How a container came to its end."""
    if how == "killed":
        return f"killed, it did not end in time after {signal}" if signal else "killed"
    return f"by {signal}" if signal else ""


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


def _clone_request(desired: Desired, source: Container, is_snapshot: bool) -> CloneRequest:
    from ..lifecycle.clone import CloneRequest

    if not os.path.lexists(source.config) and not os.path.lexists(source.partial):
        from .missing import no_source

        raise no_source(source)
    return CloneRequest(
        source=source,
        target=desired.container,
        snapshot=is_snapshot,
        backing_store=desired.backing_store or "",
        backing_options=desired.backing_options,
        config=desired.config,
        networks=desired.networks,
        tmpfs=_besides(desired).tmpfs,
    )
