# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes our containers safe, as a config file that every container includes: stock LXC reads the same and does the same.

A container keeps the file that it was made with. So a version is written once and never changed; another content is another version.
"""

from __future__ import annotations

import os

from .. import paths

VERSION = 1

# Numbers of the nodes that a container may use, after everything is denied; those that LXC's templates allow since 1.0. mknod alone
# is allowed for all: a node that cannot be opened is harmless, and packages and archives contain them.
_DEVICES = (
    "c *:* m",  # and the next: mknod
    "b *:* m",
    "c 1:3 rwm",  # null
    "c 1:5 rwm",  # zero
    "c 1:7 rwm",  # full
    "c 1:8 rwm",  # random
    "c 1:9 rwm",  # urandom
    "c 5:0 rwm",  # tty
    "c 5:1 rwm",  # console
    "c 5:2 rwm",  # ptmx
    "c 136:* rwm",  # pts/*
    "c 254:0 rm",  # rtc
    "c 10:200 rwm",  # net/tun
    "c 10:228 rwm",  # hpet
    "c 10:229 rwm",  # fuse
    "c 10:232 rwm",  # kvm
)


def common_text() -> str:
    """The text of common.conf."""
    lines = [
        f"# hostkit.lxc, version {VERSION} of what every container gets. Never changed: containers rely on it.",
        "lxc.tty.max = 4",
        "lxc.pty.max = 1024",
        "lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio",
    ]
    for hierarchy in ("lxc.cgroup.devices", "lxc.cgroup2.devices"):
        lines.append(f"{hierarchy}.deny = a")
        lines += [f"{hierarchy}.allow = {rule}" for rule in _DEVICES]
    lines += [
        "lxc.mount.auto = cgroup:mixed proc:mixed sys:mixed",
        "lxc.mount.entry = mqueue dev/mqueue mqueue rw,nodev,noexec,nosuid,optional,create=dir 0 0",
        "lxc.mount.entry = /sys/fs/fuse/connections sys/fs/fuse/connections none bind,optional 0 0",
    ]
    return "\n".join(lines) + "\n"


def install() -> str:
    """The path of common.conf for a new container's `lxc.include`, written first where it is not there."""
    while True:
        path, is_there = place()
        if is_there or _write_once(path, common_text()):
            return path


def place() -> tuple[str, bool]:
    """That path, and whether it is there.

    A file of this version with another content stays as it is (a container includes it): the next free version takes ours.
    """
    text = common_text()
    version = VERSION
    while True:
        path = f"{paths.STATE}/config/{version}/common.conf"
        try:
            with open(path, encoding="utf-8") as file:
                if file.read() == text:
                    return path, True
        except FileNotFoundError:
            return path, False
        version += 1


def _write_once(path: str, text: str) -> bool:
    """Atomically and durably, for all to read; False when someone else was quicker."""
    directory = os.path.dirname(path)
    for place in (paths.STATE, os.path.dirname(directory), directory):
        if not os.path.isdir(place):
            os.makedirs(place, exist_ok=True)
            os.chmod(place, 0o755)
    directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _write_and_link(directory, directory_fd, path, text)
    except FileExistsError:
        return False
    finally:
        os.close(directory_fd)
    return True


def _write_and_link(directory: str, directory_fd: int, path: str, text: str) -> None:
    """A name when it is whole, and none until then where the file system knows that (open(2), O_TMPFILE): a kill leaves nothing."""
    temporary = ""
    try:
        fd = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:
        import tempfile  # of the monitor, which reads the text only, it would be a part for good

        fd, temporary = tempfile.mkstemp(dir=directory)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(fd, 0o644)
            os.fsync(fd)
            # With a directory's descriptor it is linkat(2), which follows the link in /proc.
            os.link(temporary or f"/proc/self/fd/{fd}", path, src_dir_fd=directory_fd)
    finally:
        if temporary:
            os.unlink(temporary)
