# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that only a new container takes, against a container that is there: nothing makes it anew, so a difference is said.

Where its root filesystem is and how it is kept is in its config: the task asks for what is not so, and fails. Of the template there is
no more than LXC's comment in the first line, which a copy has too and an editor may have changed: that is a warning.
"""

from __future__ import annotations

import os

from ..config import parser
from ..errors import BadValue, StepError, Unsupported
from ..paths import Container
from ..storage import backends
from .desired import Desired, Observed

_HINT = "Nothing moves the root filesystem of a container that exists: leave the option out, or remove the container to have it made anew"

_MIGRATE = "Say migrate: true to have its root filesystem moved, or leave the option out"


def rootfs_path(one: Container) -> str:
    """What its config says, with all that it includes. What is wrong in other lines is not asked here."""
    return parser.load(one.config, []).rootfs_path


def storage(desired: Desired, observed: Observed, one: Container) -> Observed:
    """With where the root of this one is, and how many bytes that may hold if the task says a size."""
    rootfs = rootfs_path(one)
    return observed._replace(rootfs=rootfs, size=_size(rootfs) if rootfs and "size" in desired.backing_options else None)


def _size(rootfs: str) -> int | None:
    """A backing store that is not supported says so where it is asked to do something."""
    try:
        return backends.for_rootfs(rootfs).size()
    except Unsupported:
        return None
    except OSError as error:
        raise StepError.from_os("storage", "Measure", rootfs, error) from error


def check_storage(desired: Desired, rootfs: str) -> None:
    """Raise BadValue where backing_store or directory ask for something else."""
    kind = backends.kind_of(rootfs) if rootfs else "none"
    directory = desired.backing_options.get("directory")
    if desired.backing_store not in (None, "best", kind):
        raise BadValue("backing_store", desired.backing_store, _there(desired, kind, rootfs), _MIGRATE if rootfs else _HINT)
    if not {"vg_name", "lv_name", "thinpool", "zfs_root"}.isdisjoint(desired.backing_options):
        _check_named(desired, kind, rootfs)
    if "size" in desired.backing_options and not rootfs:
        raise BadValue("size", desired.backing_options["size"], _there(desired, kind, rootfs), _HINT)
    if directory and (kind != "dir" or os.path.normpath(directory) != os.path.normpath(backends.directory(rootfs))):
        raise BadValue("directory", directory, _there(desired, backends.directory(rootfs) if kind == "dir" else "none", rootfs), _HINT)


def _check_named(desired: Desired, kind: str, rootfs: str) -> None:
    """The same for what has a name: a volume in a group, a dataset below another."""
    said = desired.backing_options
    for option, store in (("vg_name", "lvm"), ("lv_name", "lvm"), ("zfs_root", "zfs"), ("thinpool", "lvm")):
        if option in said and kind != store:
            raise BadValue(option, said[option], _there(desired, "none", rootfs), _HINT)
    from ..storage import named, naming

    one = named.of(rootfs)
    if one is None:
        return
    for option, value in one.place_options().items():
        if option in said and not (naming.means(said[option], value) if option == "lv_name" else said[option] == value):
            raise BadValue(option, said[option], _there(desired, value, rootfs), _HINT)


def _there(desired: Desired, value: str, rootfs: str) -> str:
    name = desired.container.name
    if not rootfs:
        return f"none, as {name} exists without a root filesystem"
    return f"{value}, as {name} exists and its root filesystem is {rootfs}"


def other_template(made_from: str, asked: str) -> str:
    """A sentence where the first line names another template; a script is the same by its path and by its name."""
    if _word(made_from) == _word(asked):
        return ""
    return f"It exists and was made from template {made_from.removeprefix('hostkit.lxc ')}, not {asked}: it stays as it is"


def _word(template: str) -> str:
    return template.removeprefix("hostkit.lxc ").rpartition("/")[2].removeprefix("lxc-")
