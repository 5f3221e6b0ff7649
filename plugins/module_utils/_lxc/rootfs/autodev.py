# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lxc.autodev`: a small tmpfs as the container's /dev, with the devices that every container may have.

Runs in the container's mount namespace before the root is changed, with umask 0.
"""

from __future__ import annotations

import errno
import os
import stat

from ..config.model import Config
from ..errors import StepError
from ..kernel import beneath, mount

# Names and numbers: kernel document admin-guide/devices.txt.
_NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_DEFAULT_SIZE = "500000"


def enabled(config: Config) -> bool:
    """LXC's default since 1.1 is yes."""
    return config.get_bool("lxc.autodev", True)


def mount_dev(config: Config, root_fd: int) -> None:
    """The tmpfs, on the root's /dev; a root without one gets the directory, one with a link there is refused."""
    size = config.get("lxc.autodev.tmpfs.size") or _DEFAULT_SIZE
    try:
        made = mount.new_fs("tmpfs", {"size": size, "mode": "0755"}, 0, "none")
        place = beneath.make_directories(root_fd, "dev")
        mount.attach(made, place)
        os.close(place)
        os.close(made)
    except OSError as error:
        raise StepError.from_os("autodev", "Mount", "a tmpfs on /dev", error) from error


def populate(root_fd: int) -> None:
    """The device nodes and the four links. Where mknod(2) is not allowed, the host's node is bound instead."""
    dev_fd = beneath.open_beneath(root_fd, "dev", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name, (major, minor) in _NODES.items():
            _node(dev_fd, name, os.makedev(major, minor))
        make_links(dev_fd)
    finally:
        os.close(dev_fd)


def make_links(dev_fd: int) -> None:
    """/dev/fd and the standard streams, where they are missing."""
    for name, target in _LINKS.items():
        try:
            os.symlink(target, name, dir_fd=dev_fd)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno != errno.EROFS:
                raise StepError.from_os("autodev", "Link", f"/dev/{name}", error) from error


def _node(dev_fd: int, name: str, device: int) -> None:
    try:
        os.mknod(name, stat.S_IFCHR | 0o666, device, dir_fd=dev_fd)
    except FileExistsError:
        return
    except PermissionError:
        _bind(dev_fd, name, device)
    except OSError as error:
        raise StepError.from_os("autodev", "Make device node", f"/dev/{name}", error) from error


def _bind(dev_fd: int, name: str, device: int) -> None:
    source = os.open(f"/dev/{name}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(source)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != device:
            raise StepError("autodev", "Bind", f"/dev/{name}", errno.ENODEV, "the host's node has other numbers")
        place, tree = beneath.make_file(dev_fd, name, 0o666), mount.open_tree(source, clone=True)
        mount.attach(tree, place)
        os.close(place)
        os.close(tree)
    finally:
        os.close(source)
