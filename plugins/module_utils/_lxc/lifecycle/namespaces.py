# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces a container gets of its own, and which it shares (`lxc.namespace.*`, namespaces(7))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..config.model import Config
from ..errors import StepError, Unsupported
from ..kernel import libc, namespace, process
from ..paths import Container
from ..wire import client

_ALIASES = {"mount": "mnt", "utsname": "uts", "network": "net"}
_ALWAYS = ("mnt", "uts", "ipc", "pid", "net", "cgroup")
_ORDER = ("user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time")


def own(config: Config, shares_network: bool) -> set[str]:
    """The names, as in /proc/PID/ns, of the namespaces to make. Raises StepError for an unknown name."""
    clone, keep = config.get_list("lxc.namespace.clone"), config.get_list("lxc.namespace.keep")
    if clone and keep:
        raise StepError("namespaces", "Read", "lxc.namespace.clone and .keep", text="both are set; use one of them")
    names = set(map(_name, clone)) if clone else set(_ALWAYS) - set(map(_name, keep))
    if config.get("lxc.time.offset.boot") or config.get("lxc.time.offset.monotonic"):
        names.add("time")
    shared_names = {_name(kind) for kind, _source in config.prefix("lxc.namespace.share.")}
    if "user" in shared_names:
        raise Unsupported("lxc.namespace.share.user cannot be done by this version", "Remove it")
    names -= shared_names
    if shares_network:
        names.discard("net")
    if "user" in names or config.get_list("lxc.idmap"):
        raise Unsupported("Containers with a user namespace (lxc.idmap) cannot be started by this version", "Remove lxc.idmap")
    if "mnt" not in names:
        raise StepError("namespaces", "Start", "the container", text="it must have a mount namespace of its own")
    return names


def in_order(names: set[str]) -> list[str]:
    """As LXC lists them to its stop hooks."""
    return [name for name in _ORDER if name in names]


def _name(word: str) -> str:
    name = _ALIASES.get(word, word)
    if name not in namespace.FLAGS:
        raise StepError("namespaces", "Find namespace", word, text=f"expected one of {' '.join(namespace.FLAGS)}")
    return name


def at_clone(names: set[str]) -> int:
    """Those that clone3(2) makes; the cgroup and the time namespace are made by the child itself, when it is where it belongs."""
    return namespace.flags(names - {"cgroup", "time"})


@contextmanager
def shared(config: Config, container: Container) -> Iterator[None]:
    """While init is cloned, be in what `lxc.namespace.share.*` names: a pid, a container of this lxcpath, or LXCPATH/NAME.

    Not longer: the host's hooks and the network are made by the launcher, which must not be where another container can reach it.
    """
    own: dict[str, int] = {}
    # First all of them: a container is asked over a socket that is in our network namespace.
    wanted = [(_name(kind), source, _pid_of(source, container)) for kind, source in config.prefix("lxc.namespace.share.")]
    try:
        for name, source, pid in wanted:
            try:
                own[name] = process.open_namespace(os.getpid(), name)
                _join(pid, name)
            except OSError as error:
                raise StepError.from_os("namespaces", "Share", f"{name} of {source}", error) from error
        yield
    finally:
        namespace.join(own)
        namespace.close_all(own)


def _join(pid: int, name: str) -> None:
    namespace_fd = process.open_namespace(pid, name)
    try:
        libc.setns(namespace_fd, namespace.FLAGS[name])
    finally:
        os.close(namespace_fd)


def _pid_of(source: str, container: Container) -> int:
    if source.isdigit():
        return int(source)
    lxc_path, _slash, name = source.rpartition("/")
    return client.init_pid(Container(lxc_path or container.lxc_path, name))
