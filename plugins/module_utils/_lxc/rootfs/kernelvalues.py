# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.sysctl.*` and `lxc.proc.*`: values of /proc that belong to the new namespaces or to init itself.

Written through a proc file system of our own that is mounted nowhere, so that nothing the container's volumes cover or
link can send a value elsewhere (CVE-2025-52881). Runs as the container's init, before the root is changed; which is process 1
only in a pid namespace of its own.
"""

from __future__ import annotations

import os

from ..config.model import Config
from ..errors import StepError
from ..kernel import beneath, mount


def write_all(config: Config) -> None:
    """Raises StepError naming the key that could not be written, as LXC fails the start then."""
    values = [(f"lxc.sysctl.{key}", f"sys/{_path(key)}", value) for key, value in config.prefix("lxc.sysctl.")]
    values += [(f"lxc.proc.{key}", f"{os.getpid()}/{_path(key)}", value) for key, value in config.prefix("lxc.proc.")]
    if not values:
        return
    proc_fd = mount.new_fs("proc", {}, 0, "proc")
    try:
        for key, path, value in values:
            _write(proc_fd, key, path, value)
    finally:
        mount.discard(proc_fd)


def _path(key: str) -> str:
    """Dots separate, as in sysctl(8), unless the key has slashes; then dots belong to the names."""
    return key if "/" in key else key.replace(".", "/")


def _write(proc_fd: int, key: str, path: str, value: str) -> None:
    try:
        value_fd = beneath.open_beneath(proc_fd, path, os.O_WRONLY)
        try:
            os.write(value_fd, value.encode())
        finally:
            os.close(value_fd)
    except OSError as error:
        raise StepError.from_os("sysctl", "Write", f"{key} = {value}", error) from error
