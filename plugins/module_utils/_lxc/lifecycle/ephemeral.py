# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are gone once they have stopped: `lxc.ephemeral = 1`, as LXC has it.

Whoever cleans up behind init removes them, in a process of its own. A file in the directory says that it has run: what a monitor that
was killed, or a host that went down, has left is known by that, and the next task on it removes it. One that has never run stays.
"""

from __future__ import annotations

import os
import time

from ..errors import BadValue, LxcError, NotFound
from ..paths import SPENT, Container

_SETTLE = 60.0
_POLL = 0.05
# The upper layer's directory comes to lie on a tmpfs that only the container's mount namespace has. What a clone has of its own, its host
# name for one, is copied there at each start. LXC writes a script into the directory, which a container of another name would still run.
_ON_TMPFS = (
    'mount -n --bind "$0/overlay" "$0/rootfs"; mount -n -t tmpfs -o mode=0755 none "$0/overlay"; mkdir "$0/overlay/work"; '
    'cp -a "$0/rootfs/delta" "$0/overlay/delta"; umount -n "$0/rootfs"'
)


def has_run(container: Container) -> bool:
    return os.path.lexists(f"{container.directory}/{SPENT}")


def is_ephemeral(container: Container) -> bool:
    """What its config says now, as LXC has it; False for one that cannot be read."""
    from ..config import parser

    try:
        return parser.load(container.config, []).get_bool("lxc.ephemeral", False)
    except (LxcError, OSError):
        return False


def note(container: Container) -> None:
    """It runs: from now on it is not to be there when it does not."""
    os.close(os.open(f"{container.directory}/{SPENT}", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def is_spent(container: Container) -> bool:
    """Whether it has run, and is to go; whether it runs now is not asked."""
    return has_run(container) and is_ephemeral(container)


def end(container: Container) -> list[str]:
    """Remove it behind its init, when nobody answers for it any more. What went wrong, in words. Runs in the cleaner."""
    from ..wire import query
    from ..wire.protocol import State

    deadline = time.monotonic() + _SETTLE
    while query.state(container) is not State.STOPPED and time.monotonic() < deadline:
        time.sleep(_POLL)
    try:
        clear(container)
    except (LxcError, OSError) as error:
        return [f"It is ephemeral, and could not be removed: {error}"]
    return []


def clear(container: Container) -> bool:
    """Remove one that has run and does not run now, with all that it has; a process that is at it is waited for. False: there is none."""
    from ..wire import query
    from ..wire.protocol import State
    from . import destroy, partial

    if not is_spent(container) or query.state(container) is not State.STOPPED:
        return False
    partial.is_abandoned(container, _SETTLE)
    try:
        destroy.destroy(container, delete_snapshots=True)
    except NotFound:
        if os.path.lexists(container.directory):
            raise
    return True


def await_end(container: Container) -> None:
    """Until whoever answered for it has removed it, ours or LXC's; as long as that may take."""
    deadline = time.monotonic() + _SETTLE
    while os.path.lexists(container.directory) and time.monotonic() < deadline:
        time.sleep(_POLL)


def on_tmpfs(text: str, container: Container, rootfs_path: str) -> str:
    """The config with what puts its upper layer on a tmpfs. BadValue where there is none."""
    import shlex

    from ..config import edit, lines
    from ..storage import backends

    kind = backends.kind_of(rootfs_path) if rootfs_path else "none"
    if kind != "overlayfs":
        raise BadValue("ephemeral_tmpfs", True, f"a clone that is an overlay, as one of a dir or an overlayfs is, not {kind}")
    hook = f"/bin/sh -ec {shlex.quote(_ON_TMPFS)} {shlex.quote(container.directory)}"
    hooks = lines.values(text, container.config).get("lxc.hook.pre-mount", [])
    return edit.edit(text, {"lxc.hook.pre-mount": [*hooks, hook]}, container.config)
