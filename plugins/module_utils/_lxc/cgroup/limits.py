# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.cgroup.*` and `lxc.cgroup2.*`: values written to the container's cgroups before its init runs, devices last.

Order matters for device rules: `deny = a` first, then what is allowed (kernel document cgroup-v1/devices.rst). Version 1's
controller is written to; where version 2 is alone the rules are a program (`devices.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..config.model import Config
from ..errors import StepError
from ..kernel import cgroupfs
from . import devices
from .layout import UNIFIED, Cgroup, find, kind

# Words below lxc.cgroup. that say where the cgroup is, not what is written into it.
_PLACES = ("dir", "relative")


def apply(config: Config, cgroups: list[Cgroup]) -> list[str]:
    """Write every value; returns warnings for those that this host's kind of hierarchy does not have.

    Raises StepError naming the key, the value and the file that refused it.
    """
    warnings = []
    plain = [(1, key, value) for key, value in _settings(config, "lxc.cgroup.")]
    plain += [(2, key, value) for key, value in _settings(config, "lxc.cgroup2.")]
    plain.sort(key=lambda setting: setting[1].startswith("devices."))
    versions = {cgroup.version for cgroup in cgroups}
    is_unified = kind(cgroups) == UNIFIED
    for version, key, value in plain:
        name = f"lxc.cgroup{'2' if version == 2 else ''}.{key}"
        if key.startswith("devices.") and (is_unified or (version == 2 and 2 in versions)):
            continue
        if version not in versions:
            warnings.append(f"{name} has no effect: this host has no cgroup v{version} hierarchy")
        elif _is_elsewhere(cgroups, version, key.split(".")[0]):
            warnings.append(f"{name} has no effect: here the {key.split('.')[0]} controller is one of cgroup v{3 - version}")
        else:
            _write([cgroup for cgroup in cgroups if cgroup.version == version], key, value, name)
    if is_unified:
        warnings += devices.apply(config, cgroups[0].directory)
    return list(dict.fromkeys(warnings))


def files(config: Config) -> Iterable[tuple[str, str, int]]:
    """(the key, the file, the version) of every setting but the rules of devices."""
    for version, prefix in ((1, "lxc.cgroup."), (2, "lxc.cgroup2.")):
        yield from ((prefix + key, key, version) for key, _value in _settings(config, prefix) if not key.startswith("devices."))


def _is_elsewhere(cgroups: list[Cgroup], version: int, controller: str) -> bool:
    """On a hybrid host each controller is in one of the two versions; a config that is for any host names both."""
    found = find(cgroups, controller)
    return found is not None and found.version != version


def _settings(config: Config, prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in config.prefix(prefix):
        if key.split(".")[0] not in _PLACES:
            yield key, value


def _write(cgroups: list[Cgroup], key: str, value: str, name: str) -> None:
    controller = key.split(".")[0]
    cgroup = find(cgroups, controller)
    if cgroup is None and cgroups[0].version == 2 and controller == "cgroup":
        cgroup = cgroups[0]
    if cgroup is None:
        # Version 2 may have it and not hand it down as far as this.
        where = cgroups[0].directory if cgroups[0].version == 2 else "this host"
        raise StepError("cgroup", "Set", f"{name} = {value}", text=f"{where} has no {controller} controller")
    try:
        cgroupfs.write(cgroup.directory, key, value)
    except OSError as error:
        raise StepError.from_os("cgroup", "Write", f"{value!r} to {cgroup.directory}/{key} ({name})", error) from error
