# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a container, in LXC's order: directory and marker, storage, first config, template, last config, marker away.

Whatever fails, nothing is left; what a kill leaves is marked by LXC's `partial`, and the next creation starts over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

from ..errors import BadValue
from ..paths import Container
from ..security import posture
from ..storage import backends, base
from ..template import run
from . import claim, configfile, hostconf, intent, lock, newconfig, partial

Log = Callable[[str], None]
_NOTHING: Mapping[str, object] = {}


class CreateRequest(NamedTuple):
    """`config` and `networks` are laid over what the host's default.conf and the template say; None for networks says nothing."""

    container: Container
    template: str
    template_options: Mapping[str, object] = _NOTHING
    backing_store: str = "dir"
    backing_options: Mapping[str, object] = _NOTHING
    config: Mapping[str, newconfig.Value] = {}
    networks: Optional[Sequence[Mapping[str, newconfig.Value]]] = None


def create(request: CreateRequest, log: Log, timeout: float = lock.TIMEOUT) -> list[str]:
    """Make it, and return warnings for the user. `log` gets progress while it works.

    InUse: it exists, or somebody is making it. BadValue and ConfigError come before anything is touched.
    """
    check(request)
    container = request.container
    with claim.claimed(container, timeout) as marker_fd:
        rootfs_path = ""
        if request.template != "none":
            backend, options = _storage(request)
            place, make = functools.partial(backend.place, container, options), functools.partial(backend.create, container, options)
            rootfs_path = claim.step("storage", "Make", container.directory, lambda: intent.carry_out(marker_fd, place, make))
            partial.remember_storage(marker_fd, rootfs_path)
        return _fill(request, rootfs_path, log)


def check(request: CreateRequest) -> None:
    """What the host and the request itself say against it. Nothing is touched."""
    run.check(request.template, request.template_options)
    newconfig.finish("", [], request.config, request.networks)
    backend, options = _storage(request)
    if request.template != "none":
        backend.place(request.container, options)
    elif options:
        raise BadValue("template", "none", f"one that makes a root filesystem, as {', '.join(sorted(options))} is said")


def foresee(request: CreateRequest) -> str:
    """The config that `create` will write, but for what a script or the metadata of an image adds, and with an x for each digit
    that is drawn for a MAC address. Raises what stands against the creation, and touches nothing."""
    check(request)
    container = request.container
    backend, options = _storage(request)
    rootfs_path = backend.place(container, options) if request.template != "none" else ""
    claim.check_room(container, str(options.get("directory", "")))
    include = "" if run.is_script(request.template) else posture.place()[0]
    line = f"lxc.include = {include}\n" if include else ""
    lines = run.config_lines(request.template, request.template_options)
    text = newconfig.begin(_origin(request, include), container.name, rootfs_path)
    changes = _changes(request, rootfs_path)
    return newconfig.foresee(text, (line, posture.common_text()), lines, changes, request.networks)


def _storage(request: CreateRequest) -> tuple[type[base.Backend], dict[str, object]]:
    backend = backends.by_name(request.backing_store, request.container.lxc_path)
    return backend, hostconf.storage_defaults(backend.kind, request.backing_options)


def _fill(request: CreateRequest, rootfs_path: str, log: Log) -> list[str]:
    container = request.container
    is_script = run.is_script(request.template)
    origin = _origin(request, "" if is_script else posture.install())
    configfile.write(container, newconfig.begin(origin, container.name, rootfs_path))
    made = _populate(request, rootfs_path, log)
    text = configfile.read(container)
    if is_script and "\nlxc.include" not in "\n" + text:
        text = f"lxc.include = {posture.install()}\n{text}"
    configfile.write(container, newconfig.finish(text, made.config_lines, _changes(request, rootfs_path), request.networks))
    return made.warnings


def _origin(request: CreateRequest, include: str) -> newconfig.Origin:
    return newconfig.Origin(
        template=run.full_name(request.template),
        parameters=run.parameters(request.template_options),
        default_text=hostconf.default_config(),
        has_bridge=hostconf.has_bridge(),
        include=include,
    )


def _changes(request: CreateRequest, rootfs_path: str) -> dict[str, newconfig.Value]:
    """What the user says. Storage that was there before us is not ours to destroy."""
    changes = dict(request.config)
    if not rootfs_path and changes.get("lxc.rootfs.path"):
        changes.setdefault("lxc.rootfs.managed", "0")
    return changes


def _populate(request: CreateRequest, rootfs_path: str, log: Log) -> run.Made:
    """Run the template on the storage, which is mounted on the container's rootfs where it has to be."""
    container = request.container
    if not rootfs_path:
        return run.make(request.template, request.template_options, run.Target(container, ""), log)
    store = backends.for_rootfs(rootfs_path)
    directory = store.mount_host(container.rootfs)
    try:
        return run.make(request.template, request.template_options, run.Target(container, directory, _uts_name(request)), log)
    finally:
        store.umount(directory)


def _uts_name(request: CreateRequest) -> str:
    value = request.config.get("lxc.uts.name")
    return value if isinstance(value, str) else ""
