# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's terminals: its devpts, /dev/console and /dev/tty1 to /dev/ttyN, each a pty of that devpts.

Runs in the container's mount namespace before the root is changed. A slave is opened through its master (TIOCGPTPEER)
and bound by descriptor: a name below /dev/pts is never looked up, so it cannot be raced (CVE-2025-52565).
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ..config.model import Config
from ..errors import StepError
from ..kernel import beneath, mount, tty


class Terminals(NamedTuple):
    """Descriptors: the devpts directory, the console's two ends (-1: none), the masters of the ttys."""

    devpts_fd: int
    console_fd: int
    console_peer_fd: int
    tty_fds: list[int]


def set_up(config: Config, root_fd: int) -> Terminals:
    """Mount devpts and bind the terminals."""
    try:
        devpts_fd = _devpts(config, root_fd)
        dev_fd = beneath.open_beneath(root_fd, "dev", os.O_RDONLY | os.O_DIRECTORY)
        try:
            return _terminals(config, dev_fd, devpts_fd)
        finally:
            os.close(dev_fd)
    except OSError as error:
        raise StepError.from_os("console", "Set up", "the container's terminals", error) from error


def _devpts(config: Config, root_fd: int) -> int:
    options: dict[str, str | None] = {
        "newinstance": None,
        "ptmxmode": "0666",
        "mode": "0620",
        "gid": "5",
        "max": str((config.get_int("lxc.pty.max", 1024) or 1024) + _own(config)),
    }
    made = mount.new_fs("devpts", options, mount.MOUNT_ATTR_NOSUID | mount.MOUNT_ATTR_NOEXEC, "devpts")
    place = beneath.make_directories(root_fd, "dev/pts")
    mount.attach(made, place)
    os.close(place)
    os.close(made)
    devpts_fd = beneath.open_beneath(root_fd, "dev/pts", os.O_RDONLY | os.O_DIRECTORY)
    _ptmx(root_fd, devpts_fd)
    return devpts_fd


def _own(config: Config) -> int:
    """How many ptys are its terminals: `lxc.pty.max` counts those that are made inside (LXC's busybox template says 1)."""
    return config.get_int("lxc.tty.max", 0) + (config.get("lxc.console.path") != "none")


def _ptmx(root_fd: int, devpts_fd: int) -> None:
    """/dev/ptmx is the one of this devpts: a link in a fresh /dev, a bind where the root brought its own node."""
    dev_fd = beneath.open_beneath(root_fd, "dev", os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            os.symlink("pts/ptmx", "ptmx", dir_fd=dev_fd)
        except FileExistsError:
            if os.path.islink(f"/proc/self/fd/{dev_fd}/ptmx"):
                return
            _bind(beneath.open_beneath(devpts_fd, "ptmx"), beneath.open_beneath(dev_fd, "ptmx"))
    finally:
        os.close(dev_fd)


def _terminals(config: Config, dev_fd: int, devpts_fd: int) -> Terminals:
    directory = config.get("lxc.tty.dir").strip("/")
    console_fd = console_peer_fd = -1
    if config.get("lxc.console.path") != "none":
        console_fd = tty.open_master(devpts_fd)
        console_peer_fd = _place(dev_fd, directory, "console", console_fd)
    masters = []
    for number in range(1, config.get_int("lxc.tty.max", 0) + 1):
        master = tty.open_master(devpts_fd)
        os.close(_place(dev_fd, directory, f"tty{number}", master))
        masters.append(master)
    return Terminals(devpts_fd, console_fd, console_peer_fd, masters)


def _place(dev_fd: int, directory: str, name: str, master: int) -> int:
    """Bind the pty's slave to /dev/NAME, or to /dev/DIRECTORY/NAME with a link beside; returns the slave."""
    peer = tty.open_peer(master)
    os.fchmod(peer, 0o620 if name != "console" else 0o600)
    if directory:
        os.close(beneath.make_directories(dev_fd, directory))
        _link(dev_fd, f"{directory}/{name}", name)
    path = f"{directory}/{name}" if directory else name
    _bind(os.dup(peer), beneath.make_file(dev_fd, path, 0o600))
    return peer


def _link(dev_fd: int, target: str, name: str) -> None:
    """The link takes the place of whatever file the root has there; a directory is an error."""
    if os.path.lexists(f"/proc/self/fd/{dev_fd}/{name}"):
        os.unlink(name, dir_fd=dev_fd)
    os.symlink(target, name, dir_fd=dev_fd)


def _bind(source_fd: int, place_fd: int) -> None:
    try:
        tree = mount.open_tree(source_fd, clone=True)
        try:
            mount.attach(tree, place_fd)
        finally:
            os.close(tree)
    finally:
        os.close(source_fd)
        os.close(place_fd)
