# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container's processes are accounted: one cgroup of the same name in every hierarchy of the host.

LXC 5's names: `lxc.payload.NAME`, with `-1`, `-2` … behind it while an older one is still populated, below
`lxc.cgroup.dir` where that is set; `lxc.cgroup.dir.container` is the whole path. See cgroups(7).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from ..config.model import Config
from ..errors import StepError
from ..kernel import cgroupfs

LEGACY, HYBRID, UNIFIED = 0, 1, 2
_MAX_SUFFIX = 64
_NEW = 60.0  # seconds between making a cgroup and moving somebody into it are milliseconds


class Cgroup(NamedTuple):
    """One directory: its controllers (empty for v2 and for named hierarchies without one), where, and the version."""

    controllers: tuple[str, ...]
    mount_point: str
    path: str
    version: int

    @property
    def directory(self) -> str:
        return f"{self.mount_point}{self.path}"


def kind(cgroups: Iterable[Cgroup]) -> int:
    """LEGACY, HYBRID or UNIFIED, as the command protocol numbers them."""
    versions = {cgroup.version for cgroup in cgroups}
    return UNIFIED if versions == {2} else HYBRID if 2 in versions else LEGACY


def create(config: Config, name: str) -> list[Cgroup]:
    """Make the cgroups, under the first name that is free in all hierarchies.

    Raises StepError when a hierarchy refuses the directory for another reason than that it is taken.
    """
    hierarchies = cgroupfs.hierarchies()
    fixed = config.get("lxc.cgroup.dir.container")
    parent = config.get("lxc.cgroup.dir")
    base = "/" + (fixed or (f"{parent}/" if parent else "") + f"lxc.payload.{name}").strip("/")
    for suffix in [""] + [f"-{number}" for number in range(1, 1 if fixed else _MAX_SUFFIX)]:
        cgroups = [Cgroup(h.controllers, h.mount_point, base + suffix, h.version) for h in hierarchies]
        try:
            return _make(cgroups)
        except FileExistsError:
            if not all(_free(cgroup.directory) for cgroup in cgroups):
                continue
        try:
            return _make(cgroups)
        except FileExistsError:  # a container of the same name elsewhere was quicker
            continue
    raise StepError("cgroup", "Create cgroup", base, errno.EBUSY, "the name is taken by running processes in every form tried")


def _free(directory: str) -> bool:
    """Nothing lives there: what an earlier run left empty is removed, what is populated is left alone.

    One that is empty and new may be another launcher's, of a container of the same name in another lxcpath.
    """
    if not os.path.isdir(directory):
        return True
    try:
        if cgroupfs.populated(directory) or time.time() - os.stat(directory).st_ctime < _NEW:
            return False
        cgroupfs.remove_tree(directory, timeout=0)
    except OSError:
        return False
    return True


def _make(cgroups: list[Cgroup]) -> list[Cgroup]:
    made: list[Cgroup] = []
    for cgroup in cgroups:
        try:
            _make_one(cgroup, exclusive=True)
        except FileExistsError:
            remove(made)
            raise
        except OSError as error:
            remove(made)
            raise StepError.from_os("cgroup", "Create cgroup", cgroup.directory, error) from error
        made.append(cgroup)
    return made


def _make_one(cgroup: Cgroup, exclusive: bool = False) -> None:
    """With those above it; FileExistsError where the last must be new and is not."""
    parts = cgroup.path.strip("/").split("/")
    directory = cgroup.mount_point
    for number, part in enumerate(parts, 1):
        if cgroup.version == 2:
            _enable_controllers(directory)
        directory = f"{directory}/{part}"
        try:
            os.mkdir(directory, 0o755)
        except FileExistsError:
            if exclusive and number == len(parts):
                raise
        if "cpuset" in cgroup.controllers:
            _inherit_cpuset(directory)


def _enable_controllers(directory: str) -> None:
    """Hand every controller down, each for itself: one that is refused (busy, threaded) must not withhold the others."""
    for controller in cgroupfs.read(directory, "cgroup.controllers").split():
        try:
            cgroupfs.write(directory, "cgroup.subtree_control", f"+{controller}")
        except OSError:
            continue


def _inherit_cpuset(directory: str) -> None:
    """A new v1 cpuset is empty, and nothing can join it until it has processors and memory nodes (cpusets(7))."""
    above = os.path.dirname(directory)
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not cgroupfs.read(directory, file).strip():
            cgroupfs.write(directory, file, cgroupfs.read(above, file).strip())
    cgroupfs.write(directory, "cgroup.clone_children", "1")


def enter_own(name: str, pid: int = 0) -> list[str]:
    """Move that process (0: the calling one) to a cgroup of that name below every hierarchy's root; returns what could not be, in words.

    What stays in the cgroup of a session or of a unit is accounted to it, and ended with it.
    """
    problems = []
    for hierarchy in cgroupfs.hierarchies():
        cgroup = Cgroup(hierarchy.controllers, hierarchy.mount_point, f"/{name}", hierarchy.version)
        try:
            _make_one(cgroup)
            cgroupfs.attach(cgroup.directory, pid or os.getpid())
        except OSError as error:
            problems.append(f"{cgroup.directory} could not be entered: {error.strerror}")
    return problems


def enter(cgroups: Iterable[Cgroup], born_in_v2: bool) -> None:
    """The calling process, which must be one thread, goes into all of them; `born_in_v2` says that it was cloned into that one.

    A thread that moves itself by `tasks` does not wait. Whoever writes a pid, or to cgroup.procs, waits for an RCU grace period
    after an idle moment, 5 to 16 ms: the kernel's lock against forks is taken for that (cgroup_procs_write_start).
    """
    for cgroup in cgroups:
        if cgroup.version == 2 and born_in_v2:
            continue
        try:
            cgroupfs.write(cgroup.directory, "cgroup.procs" if cgroup.version == 2 else "tasks", "0")
        except OSError as error:
            raise StepError.from_os("cgroup", "Join cgroup", cgroup.directory, error) from error


def remove(cgroups: Iterable[Cgroup]) -> list[str]:
    """Remove them with what the container made below; returns what could not be removed, in words."""
    problems = []
    for cgroup in cgroups:
        try:
            cgroupfs.remove_tree(cgroup.directory)
        except OSError as error:
            problems.append(f"{cgroup.directory}: {error.strerror}")
    return problems


def kill(cgroups: Iterable[Cgroup]) -> None:
    """End whatever is left in them: a process that was attached from outside the pid namespace outlives the container's init."""
    for cgroup in cgroups:
        if os.path.isdir(cgroup.directory):
            cgroupfs.kill(cgroup.directory)


def find(cgroups: Iterable[Cgroup], controller: str) -> Cgroup | None:
    """The one that a controller's files are in; "" asks for the unified one, else the first.

    Devices have no files in version 2: where it is alone its cgroup has the program.
    """
    listed = list(cgroups)
    if controller == "devices" and kind(listed) == UNIFIED:
        return listed[0]
    for cgroup in listed:
        if controller in cgroup.controllers or (not controller and cgroup.version == 2):
            return cgroup
    if not controller and listed:
        return listed[0]
    return next((cgroup for cgroup in listed if cgroup.version == 2 and _has(cgroup.directory, controller)), None)


def _has(directory: str, controller: str) -> bool:
    """Whether a unified cgroup has it. Freezing is no controller there, but every cgroup can do it, and is asked for by that name."""
    if controller == "freezer":
        return os.path.exists(f"{directory}/cgroup.freeze")
    try:
        return controller in cgroupfs.read(directory, "cgroup.controllers").split()
    except FileNotFoundError:
        return False


def from_fields(fields: list[object]) -> Cgroup:
    """Back from the list that a Cgroup becomes on a socket."""
    controllers, mount_point, path, version = fields
    names = tuple(str(name) for name in controllers) if isinstance(controllers, (list, tuple)) else ()
    return Cgroup(names, str(mount_point), str(path), int(str(version)))
