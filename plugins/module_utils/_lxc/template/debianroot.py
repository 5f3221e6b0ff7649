# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian root after its bootstrap: what all copies have in common, and what each container has for itself alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from . import base, rootfiles, script

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
        rootfiles.remove(rootfs, pattern)
    rootfiles.write(rootfs, "etc/systemd/network/eth0.network", _NETWORK)
    rootfiles.write(rootfs, "etc/machine-id", "")
    take_keys(rootfs, keyrings)
    # Nothing waits for the network: a container without one has to boot too.
    chroot = ["chroot", rootfs, "systemctl"]
    script.run([*chroot, "enable", "systemd-networkd.service", "systemd-resolved.service"], "systemctl enable", log)
    script.run([*chroot, "disable", "systemd-networkd-wait-online.service"], "systemctl disable", log)
    rootfiles.link(rootfs, "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")


def take_keys(rootfs: str, keyrings: Sequence[str]) -> None:
    """The keyrings that sources of the host name, where no package brought them."""
    for keyring in dict.fromkeys(keyrings):
        if not rootfiles.exists(rootfs, keyring):
            with open(keyring, "rb") as file:
                rootfiles.write(rootfs, keyring.lstrip("/"), file.read())


def personalise(rootfs: str, name: str, log: base.Log) -> None:
    """A machine-id of its own (an empty one would be a first boot, with presets: machine-id(5)), its names, SSH host keys where sshd is."""
    rootfiles.write(rootfs, "etc/machine-id", secrets.token_hex(16) + "\n", 0o444)
    rootfiles.write(rootfs, "etc/hostname", name + "\n")
    rootfiles.write(rootfs, "etc/hosts", _HOSTS.format(name=name))
    if rootfiles.exists(rootfs, "usr/sbin/sshd"):
        rootfiles.remove(rootfs, "etc/ssh/ssh_host_*")
        log("Making SSH host keys")
        script.run(["chroot", rootfs, "ssh-keygen", "-A"], "ssh-keygen", log)
