# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a container that runs would start again with this config, found out before it is stopped.

What start refuses without touching anything is refused here in the same words. What a pre-start hook may yet make is not looked at.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil

from ..cgroup import devices, limits
from ..config import parser
from ..config.model import Config
from ..errors import LxcError, StepError
from ..kernel import cgroupfs, mount
from ..network import types
from ..paths import Container
from ..rootfs import automounts, mounts
from ..storage import backends
from ..wire import client
from . import clocks, hooks, init, namespaces, start

# Signs that a shell makes something else of.
_SHELL = re.compile(r"[$`;&|<>()*?\[\]{}~\\'\"#!]")
_ON_HOST = ("start-host", "pre-mount", "mount", "autodev")
_HINT = "It would not start again, so it has not been stopped"


def check(container: Container, text: str) -> None:
    """Raises what a start would raise; `text` is what the config file will say."""
    try:
        config = parser.loads(text, container.config)
        _words(container, config)
        _cgroups(container, config)
        _programs(config, "pre-start")
        if not config.hooks("pre-start"):
            _host(config)
    except LxcError as error:
        error.hint = f"{error.hint}. {_HINT}" if error.hint else _HINT
        raise


def _words(container: Container, config: Config) -> None:
    """What the config says by itself."""
    start.check_root(config, container.config)
    shares_network = types.shares_host(config.networks)
    namespaces.own(config, shares_network)
    types.check(config.networks)
    backends.preload(config.rootfs_path)
    init.intend(config, hooks.environment(container, config, "/", 0))
    for word in ("boot", "monotonic"):
        key = f"lxc.time.offset.{word}"
        if config.get(key):
            clocks.nanoseconds(config.get(key), key)
    automounts.parse(config.get_list("lxc.mount.auto"))
    start.prlimits(config)
    data = mount.parse_options(config.get("lxc.rootfs.options"))[3]
    if data and backends.kind_of(config.rootfs_path) in ("dir", "btrfs"):
        raise StepError("mount", "Mount", config.rootfs_path, text=f"a directory takes no {data!r} in lxc.rootfs.options")


def _cgroups(container: Container, config: Config) -> None:
    """The rules of devices, and whether there are files for the other settings: it runs, so they are to be seen in its cgroup."""
    if {hierarchy.version for hierarchy in cgroupfs.hierarchies()} == {2}:
        devices.wanted(config)
    else:
        devices.check_v1(config)
    for name, file, version in limits.files(config):
        _check_file(container, name, file, version)


def _check_file(container: Container, name: str, file: str, version: int) -> None:
    """As `limits.apply` looks for it. What is of the other version only is a warning of the start's."""
    controller = file.partition(".")[0]
    listed = cgroupfs.hierarchies()
    mine = next((one for one in listed if one.version == version and (version == 2 or controller in one.controllers)), None)
    directory = _directory(container, mine, controller) if mine else ""
    if version not in [one.version for one in listed] or (mine and not directory):
        return
    if mine and (version == 1 or controller in ("cgroup", *_controllers(directory))):
        if not os.path.exists(f"{directory}/{file}"):
            raise StepError("cgroup", "Find", f"{directory}/{file} ({name})", text="the kernel has no such file")
    elif not any(controller in (*one.controllers, *_controllers(one.mount_point)) for one in listed if one.version != version):
        raise StepError("cgroup", "Set", name, text=f"{directory or 'this host'} has no {controller} controller")


def _controllers(directory: str) -> list[str]:
    """Of version 2; of version 1 there is no such file."""
    path = f"{directory}/cgroup.controllers"
    return cgroupfs.read(directory, "cgroup.controllers").split() if os.path.exists(path) else []


def _directory(container: Container, hierarchy: cgroupfs.Hierarchy, controller: str) -> str:
    """Where it runs; "" where that is not known."""
    try:
        path = client.cgroup(container, controller if hierarchy.version == 1 else "")
    except (LxcError, OSError):
        return ""
    directory = f"{hierarchy.mount_point}{path}"
    return directory if os.path.isdir(directory) else ""


def _host(config: Config) -> None:
    """What the host must have."""
    for kind in _ON_HOST:
        _programs(config, kind)
    for network in config.networks:
        types.check_host(network)
        for script in network.script_up:
            _program(f"lxc.net.{network.index}.script.up", script)
    root = backends.directory(config.rootfs_path) if backends.kind_of(config.rootfs_path) in ("dir", "btrfs", "overlayfs") else ""
    if root and not config.hooks("pre-mount") and not os.path.isdir(root):
        raise StepError("mount", "Mount lxc.rootfs.path", config.rootfs_path, text=f"the directory {root} does not exist")
    for entry in [] if config.hooks("pre-mount") else mounts.entries(config):
        mounts.check_source(entry)


def _programs(config: Config, kind: str) -> None:
    for hook in config.hooks(kind):
        _program(f"lxc.hook.{kind}", hook)


def _program(key: str, command: str) -> None:
    """The shell runs it: of a line that is more than words to it nothing is known."""
    if _SHELL.search(command):
        return
    words = shlex.split(command)
    if words and shutil.which(words[0], path=hooks.PATH) is None:
        text = "it is not executable" if os.path.exists(words[0]) else "there is no such program"
        raise StepError("hook", "Run", f"{key} = {command}", text=text)
