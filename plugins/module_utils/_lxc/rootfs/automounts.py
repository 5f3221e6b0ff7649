# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.mount.auto`: /proc, /sys and the cgroups of a container, with what must not be written made read-only.

What the words mean stands in lxc.container.conf(5). Runs in the container's namespaces before the root is changed.
Every bind below /proc and /sys is taken from the file system that was just mounted, by descriptor, so that nothing a
container keeps at these names can take its place (CVE-2025-31133, CVE-2019-19921).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..config.model import Config
from ..errors import StepError
from ..kernel import beneath, mount

_PROC_ATTRS = mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NODEV | mount.MOUNT_ATTR_NOEXEC
_CHOICES = {
    "proc": ("mixed", "rw"),
    "sys": ("mixed", "ro", "rw"),
    "cgroup": ("mixed", "ro", "rw", "force"),
    "cgroup-full": ("mixed", "ro", "rw", "force"),
    "cgroup2": ("ro", "force"),
    "shmounts": (),
}


def parse(words: Iterable[str]) -> dict[str, str]:
    """{"proc": "mixed", "sys": "ro", "cgroup": "mixed:force"} from LXC's words; the later word of a kind wins."""
    wanted = {}
    for word in words:
        kind, _colon, mode = word.partition(":")
        choices = _CHOICES.get(kind)
        if choices is None or (mode and kind != "shmounts" and mode.split(":")[0] not in choices):
            raise StepError("mount", "Read", f"lxc.mount.auto = {word}", text=f"expected one of {', '.join(_CHOICES)} with its mode")
        wanted[kind] = mode
    return wanted


def mount_proc_and_sys(config: Config, root_fd: int, shares_network: bool) -> None:
    """Mount what `lxc.mount.auto` asks for of the two."""
    wanted = parse(config.get_list("lxc.mount.auto"))
    if "proc" in wanted:
        _step("proc", lambda: _proc(root_fd, wanted["proc"] or "mixed"))
    if "sys" in wanted:
        _step("sysfs", lambda: _sys(root_fd, "ro" if shares_network and wanted["sys"] != "rw" else wanted["sys"] or "mixed"))


def _step(what: str, act: object) -> None:
    try:
        if callable(act):
            act()
    except OSError as error:
        raise StepError.from_os("mount", "Mount", f"{what} (lxc.mount.auto)", error) from error


def _proc(root_fd: int, mode: str) -> None:
    made = mount.new_fs("proc", {}, _PROC_ATTRS, "proc")
    try:
        _attach(made, beneath.make_directories(root_fd, "proc"))
        if mode == "mixed":
            _cover(made, ["sys", "sysrq-trigger"], again_writable=["sys/net"])
    finally:
        os.close(made)


def _sys(root_fd: int, mode: str) -> None:
    attributes = _PROC_ATTRS | (0 if mode == "rw" else mount.MOUNT_ATTR_RDONLY)
    made = mount.new_fs("sysfs", {}, attributes, "sysfs")
    try:
        _attach(made, beneath.make_directories(root_fd, "sys"))
        if mode == "mixed":
            _writable(made, "devices/virtual/net")
    finally:
        os.close(made)


def _cover(made: int, names: list[str], again_writable: list[str]) -> None:
    """Bind each name onto itself read-only; what is again writable below is taken before it is covered.

    A kernel without sysrq has no sysrq-trigger: what is not there needs no cover.
    """
    kept = [(name, _tree(made, name)) for name in again_writable]
    for name in names:
        try:
            tree = _tree(made, name)
        except FileNotFoundError:
            continue
        mount.set_attr(tree, set=mount.MOUNT_ATTR_RDONLY)
        _attach(tree, beneath.open_beneath(made, name))
        os.close(tree)
    for name, tree in kept:
        _attach(tree, beneath.open_beneath(made, name))
        os.close(tree)


def _writable(made: int, name: str) -> None:
    try:
        tree = _tree(made, name)
    except FileNotFoundError:
        return
    mount.set_attr(tree, clear=mount.MOUNT_ATTR_RDONLY)
    _attach(tree, beneath.open_beneath(made, name))
    os.close(tree)


def _tree(made: int, name: str) -> int:
    place = beneath.open_beneath(made, name)
    try:
        return mount.open_tree(place, clone=True)
    finally:
        os.close(place)


def _attach(made: int, place: int) -> None:
    try:
        mount.attach(made, place)
    finally:
        os.close(place)


def mount_cgroups(config: Config, root_fd: int, in_cgroup_namespace: bool, keeps_sys_admin: bool, names: list[tuple[str, int]]) -> None:
    """Mount the cgroup file systems, unless the container's init can do that itself (a cgroup namespace and CAP_SYS_ADMIN).

    `names` are the hierarchies as (controllers with commas or name=NAME, version). Inside a cgroup namespace each shows
    only the container's own part, so `cgroup` and `cgroup-full` are the same there.
    """
    wanted = parse(config.get_list("lxc.mount.auto"))
    mode = wanted.get("cgroup", wanted.get("cgroup-full", wanted.get("cgroup2")))
    if mode is None or (in_cgroup_namespace and keeps_sys_admin and "force" not in mode.split(":")):
        return
    if not in_cgroup_namespace:
        raise StepError("mount", "Mount", "cgroup (lxc.mount.auto)", text="the container has no cgroup namespace")
    read_only = mode.split(":")[0] == "ro"
    _step("cgroup", lambda: _cgroups(root_fd, names, mount.MOUNT_ATTR_RDONLY if read_only else 0))


def _cgroups(root_fd: int, names: list[tuple[str, int]], attributes: int) -> None:
    if all(version == 2 for _name, version in names):
        made = mount.new_fs("cgroup2", {}, _PROC_ATTRS | attributes, "cgroup")
        _attach(made, beneath.make_directories(root_fd, "sys/fs/cgroup"))
        os.close(made)
        return
    base = mount.new_fs("tmpfs", {"mode": "0755", "size": "10240k"}, _PROC_ATTRS, "cgroup_root")
    _attach(base, beneath.make_directories(root_fd, "sys/fs/cgroup"))
    for name, version in names:
        directory = "unified" if version == 2 else name.replace("name=", "")
        place = beneath.make_directories(base, directory)
        options: dict[str, str | None] = {"none": None, "name": name[5:]} if name.startswith("name=") else dict.fromkeys(name.split(","))
        made = mount.new_fs("cgroup2" if version == 2 else "cgroup", {} if version == 2 else options, _PROC_ATTRS | attributes, "cgroup")
        _attach(made, place)
        os.close(made)
    os.close(base)
