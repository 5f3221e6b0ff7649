# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A very small system: the host's static busybox, its init, an address by DHCP where a server answers."""

from __future__ import annotations

import os
import platform
import struct

from ..errors import BadValue, StepError, Unsupported
from ..kernel import beneath, command
from . import base

_DIRECTORIES = (
    "bin", "dev", "etc", "etc/init.d", "home", "lib", "mnt", "proc", "run", "sbin", "sys",
    "usr", "usr/bin", "usr/lib", "usr/sbin", "usr/share", "usr/share/udhcpc", "var", "var/empty", "var/log",
)  # fmt: skip

# Without a server udhcpc must not hold up rcS: busybox' init takes no signals before sysinit is through. It would take away the
# addresses that the config gives (lxc.net.N.ipv4.address), so where there are some it is not run.
_RCS = """#!/bin/sh
/sbin/ip link set lo up
if /sbin/ip link show dev eth0 >/dev/null 2>&1; then
    script=/usr/share/udhcpc/default.script
    case "$(/sbin/ip -4 addr show dev eth0)" in
        *inet*) ;;
        *) /sbin/udhcpc -b -S -i eth0 -x "hostname:$(/bin/hostname)" -s $script -p /run/udhcpc.eth0.pid </dev/null >/dev/null 2>&1 & ;;
    esac
fi
"""

_UDHCPC = """#!/bin/sh
case "$1" in
    deconfig)
        ip -4 addr flush dev "$interface"
        ip link set "$interface" up
        ;;
    renew | bound)
        ip -4 addr flush dev "$interface"
        ip addr add "$ip/${mask:-24}" ${broadcast:+broadcast "$broadcast"} dev "$interface"
        for address in $router; do
            ip route add default via "$address" dev "$interface"
            break
        done
        {
            [ -z "$domain" ] || echo "search $domain"
            for address in $dns; do echo "nameserver $address"; done
        } > /etc/resolv.conf.new
        mv /etc/resolv.conf.new /etc/resolv.conf
        ;;
esac
"""

# Nothing is unmounted at its end: of the root that makes the host's file system read-only (umount(2)), and the rest goes anyway.
_INITTAB = """::sysinit:/etc/init.d/rcS
console::askfirst:-/bin/sh
tty1::askfirst:-/bin/sh
::ctrlaltdel:/sbin/reboot
"""

# Nobody has a password that could be typed; who reaches the console has the host's root already.
_FILES = {
    "etc/inittab": (0o644, _INITTAB),
    "etc/init.d/rcS": (0o755, _RCS),
    "usr/share/udhcpc/default.script": (0o755, _UDHCPC),
    "etc/passwd": (0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/false\n"),
    "etc/shadow": (0o640, "root:*:19700:0:99999:7:::\nnobody:*:19700:0:99999:7:::\n"),
    "etc/group": (0o644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    "etc/fstab": (0o644, ""),
    "etc/resolv.conf": (0o644, ""),
}


def check(options: base.Options) -> None:
    base.only("busybox", options, ("busybox_path",))
    _find(options)


def make(options: base.Options, target: base.Target, log: base.Log) -> base.Made:
    source = _find(options)
    log(f"Copying {source}")
    root_fd = os.open(target.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in _DIRECTORIES:
            _directory(root_fd, name, 0o755)
        _directory(root_fd, "tmp", 0o1777)
        _directory(root_fd, "root", 0o700)
        for name, (mode, text) in _FILES.items():
            _write(root_fd, name, text.encode(), mode)
        name = target.hostname
        _write(root_fd, "etc/hostname", f"{name}\n".encode(), 0o644)
        _write(root_fd, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n".encode(), 0o644)
        with open(source, "rb") as file:
            _write(root_fd, "bin/busybox", file.read(), 0o755)
        _link(root_fd, source)
    except OSError as error:
        raise StepError.from_os("template", "Write", f"{target.rootfs}: {error.filename or ''}".rstrip(": "), error) from error
    finally:
        os.close(root_fd)
    return base.Made(config_lines(options), [])


def config_lines(_options: base.Options) -> list[str]:
    """busybox' init(8) halts on SIGUSR1 and boots again on SIGTERM; it knows neither SIGPWR nor SIGINT so."""
    return [f"lxc.arch = {platform.machine()}", "lxc.signal.halt = SIGUSR1", "lxc.signal.reboot = SIGTERM", "lxc.tty.max = 1"]


def is_static(path: str) -> bool:
    """Whether an ELF file needs no dynamic loader: it has no PT_INTERP (elf(5))."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 64:
            return False
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
        file.seek(offset)
        rows = file.read(size * count)
    return all(struct.unpack_from(order + "I", rows, size * index)[0] != 3 for index in range(len(rows) // size if size else 0))


def _find(options: base.Options) -> str:
    said = base.text(options, "busybox_path")
    if said and not (said.startswith("/") and os.path.isfile(said) and is_static(said)):
        raise BadValue("template_options[busybox_path]", said, "the absolute path of a busybox that is linked statically")
    path = said or command.which("busybox")
    if path is None or not os.path.isfile(path):
        raise Unsupported("The program busybox is missing", hint="Install busybox-static")
    if not is_static(path):
        raise Unsupported(f"{path} is not linked statically", hint="Install busybox-static")
    return path


def _applets(source: str) -> list[str]:
    result = command.run([source, "--list-full"])
    found = [line for line in result.stdout.split() if line and not line.startswith("/") and ".." not in line]
    if result.rc or "sbin/init" not in found:
        raise StepError("template", "Use", source, text="it has no applet sbin/init", hint="Install busybox-static")
    return found


def _link(root_fd: int, source: str) -> None:
    """Every applet by a hard link: 270 inodes fewer to find, to copy and to take away than by symbolic ones."""
    places: dict[str, list[str]] = {}
    for applet in _applets(source):
        directory, _slash, name = applet.rpartition("/")
        if directory and applet != "bin/busybox":
            places.setdefault(directory, []).append(name)
    program_fd = beneath.make_directories(root_fd, "bin", 0o755)
    try:
        for directory, names in places.items():
            _link_all(program_fd, root_fd, directory, names)
    finally:
        os.close(program_fd)


def _link_all(program_fd: int, root_fd: int, directory: str, names: list[str]) -> None:
    directory_fd = beneath.make_directories(root_fd, directory, 0o755)
    try:
        for name in names:
            try:
                os.link("busybox", name, src_dir_fd=program_fd, dst_dir_fd=directory_fd, follow_symlinks=False)
            except FileExistsError:
                continue
    finally:
        os.close(directory_fd)


def _write(root_fd: int, path: str, data: bytes, mode: int) -> None:
    fd = beneath.open_beneath(root_fd, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)


def _directory(root_fd: int, path: str, mode: int) -> None:
    """With this mode whatever the umask is; a descriptor of a place only has no fchmod(2)."""
    fd = beneath.make_directories(root_fd, path, mode)
    try:
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)
