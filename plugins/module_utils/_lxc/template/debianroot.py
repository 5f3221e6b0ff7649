# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian root after its bootstrap: what all copies have in common, and what each container has for itself alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

from ..errors import StepError
from ..kernel import beneath, tree
from . import base, script

# DHCP on eth0 in both families; the lease goes by the address of the link, which stays when the machine-id is made anew.
_NETWORK = """[Match]
Name=eth0

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
"""
_HOSTS = "127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"
# Identities and traces of the making: none of these may be the same in two containers.
_REMOVED = (
    "etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
    "var/lib/apt/lists/*", "var/cache/apt/*", "var/log/*.log", "var/log/apt/*", "debootstrap", "etc/resolv.conf", "etc/hostname",
)  # fmt: skip


def finish(rootfs: str, keyrings: Sequence[str], log: base.Log) -> None:
    """Before the copies: network and name service by systemd, and the keys of a mirror of one's own."""
    for pattern in _REMOVED:
        _remove(rootfs, pattern)
    write(rootfs, "etc/systemd/network/eth0.network", _NETWORK)
    write(rootfs, "etc/machine-id", "")
    take_keys(rootfs, keyrings)
    # Nothing waits for the network: a container without one has to boot too.
    chroot = ["chroot", rootfs, "systemctl"]
    script.run([*chroot, "enable", "systemd-networkd.service", "systemd-resolved.service"], "systemctl enable", log)
    script.run([*chroot, "disable", "systemd-networkd-wait-online.service"], "systemctl disable", log)
    _remove(rootfs, "etc/resolv.conf")
    os.symlink("../run/systemd/resolve/stub-resolv.conf", f"{rootfs}/etc/resolv.conf")


def take_keys(rootfs: str, keyrings: Sequence[str]) -> None:
    """The keyrings that sources of the host name, where no package brought them."""
    for keyring in dict.fromkeys(keyrings):
        if not os.path.lexists(rootfs + keyring):
            with open(keyring, "rb") as file:
                write(rootfs, keyring.lstrip("/"), file.read())


def personalise(rootfs: str, name: str, log: base.Log) -> None:
    """A machine-id of its own (an empty one would be a first boot, with presets: machine-id(5)), its names, SSH host keys where sshd is."""
    write(rootfs, "etc/machine-id", secrets.token_hex(16) + "\n", 0o444)
    write(rootfs, "etc/hostname", name + "\n")
    write(rootfs, "etc/hosts", _HOSTS.format(name=name))
    if os.path.lexists(f"{rootfs}/usr/sbin/sshd"):
        _remove(rootfs, "etc/ssh/ssh_host_*")
        log("Making SSH host keys")
        script.run(["chroot", rootfs, "ssh-keygen", "-A"], "ssh-keygen", log)


def write(rootfs: str, path: str, text: str | bytes, mode: int = 0o644) -> None:
    """A new file in place of whatever is there."""
    try:
        root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            directory_fd = beneath.make_directories(root_fd, os.path.dirname(path), 0o755)
            try:
                _replace(directory_fd, os.path.basename(path), text.encode() if isinstance(text, str) else text, mode)
            finally:
                os.close(directory_fd)
        finally:
            os.close(root_fd)
    except OSError as error:
        raise StepError.from_os("template", "Write", f"{rootfs}/{path}", error) from error


def _replace(directory_fd: int, name: str, data: bytes, mode: int) -> None:
    try:
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        pass
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory_fd)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)


def _remove(rootfs: str, pattern: str) -> None:
    """Files by a pattern in their last component only. The root was made by us from signed packages, and nobody has run it yet."""
    directory, _slash, last = pattern.rpartition("/")
    place = f"{rootfs}/{directory}"
    prefix, star, suffix = last.partition("*")
    if not star:
        tree.remove(f"{place}/{last}")
    elif os.path.isdir(place):
        for name in os.listdir(place):
            if name.startswith(prefix) and name.endswith(suffix):
                tree.remove(f"{place}/{name}")
