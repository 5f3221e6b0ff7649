# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge's DHCP and DNS: a dnsmasq(8) of its own, with the settings that LXC's lxc-net gives it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from typing import NamedTuple, Optional

from .. import paths
from ..errors import StepError, Unsupported
from ..kernel import command

_USERS = ("lxc-dnsmasq", "dnsmasq")
_STOP_TIMEOUT = 5.0


class Dhcp(NamedTuple):
    """What it serves: first and last address, and how many they are; `domain` "" for none."""

    first: str
    last: str
    count: int  # type: ignore[assignment]  # a tuple has a method of that name
    domain: str


def directory(name: str) -> str:
    return f"{paths.RUN}/bridge-{name}"


def leases(name: str) -> str:
    return f"/var/lib/misc/dnsmasq.{name}.leases"


def config(name: str, address: str, dhcp: Dhcp) -> str:
    """The config file of the bridge's dnsmasq; `address` is the bridge's own, without prefix."""
    lines = [
        "# Written by the module hostkit.lxc.lxc_bridge: changes are lost",
        "bind-interfaces",
        "except-interface=lo",
        f"listen-address={address}",
        "strict-order",
        f"pid-file={directory(name)}/dnsmasq.pid",
        *[f"user={user}" for user in _user()],
        f"dhcp-range={dhcp.first},{dhcp.last}",
        f"dhcp-lease-max={dhcp.count}",
        f"dhcp-leasefile={leases(name)}",
        "dhcp-no-override",
        "dhcp-authoritative",
    ]
    if dhcp.domain:
        lines += [f"domain={dhcp.domain}", f"local=/{dhcp.domain}/"]
    return "".join(f"{line}\n" for line in lines)


def _user() -> list[str]:
    """The first one that the host has; without one dnsmasq takes nobody."""
    for user in _USERS:
        try:
            pwd.getpwnam(user)
            return [user]
        except KeyError:
            continue
    return []


def read(name: str) -> str:
    """The config that it shall run with, whether it does or not; "" for none."""
    try:
        with open(f"{directory(name)}/dnsmasq.conf", encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def value(text: str, key: str) -> str:
    """What a config says for a key; "" for nothing."""
    return next((line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0] == key), "")


def pid(name: str) -> Optional[int]:
    """The running dnsmasq of this bridge, told by its command line: the number in the file may have passed on to another process."""
    try:
        with open(f"{directory(name)}/dnsmasq.pid", encoding="ascii") as file:
            number = int(file.read())
        with open(f"/proc/{number}/cmdline", "rb") as file:
            arguments = file.read().split(b"\0")
    except (OSError, ValueError):
        return None
    return number if f"--conf-file={directory(name)}/dnsmasq.conf".encode() in arguments else None


def check() -> None:
    """Raises Unsupported where there is no dnsmasq."""
    if command.which("dnsmasq") is None:
        hint = "Install dnsmasq-base (or dnsmasq), or set dhcp to false"
        raise Unsupported("The program dnsmasq is missing, which gives containers their addresses", hint)


def start(name: str, text: str) -> None:
    """Start it anew with this config. dnsmasq detaches itself once its sockets are open, and says on stderr why it cannot."""
    check()
    _end(name)
    place = directory(name)
    try:
        for one in (paths.RUN, place):
            if not os.path.isdir(one):
                os.mkdir(one, 0o700)
        os.makedirs(os.path.dirname(leases(name)), 0o755, exist_ok=True)
        with open(f"{place}/dnsmasq.conf", "w", encoding="utf-8") as file:
            file.write(text)
        result = command.run([command.which("dnsmasq") or "dnsmasq", f"--conf-file={place}/dnsmasq.conf"], cwd="/", timeout=30)
    except OSError as error:
        raise StepError.from_os("network", "Start dnsmasq for", name, error) from error
    if result.rc:
        reason = result.stderr.strip()[-500:] or f"it ended with status {result.rc}"
        hint = "Does LXC's own lxc-net serve this bridge? systemctl disable --now lxc-net" if os.path.exists("/run/lxc/network_up") else ""
        raise StepError("network", "Start dnsmasq for", name, text=reason, hint=hint)
    _leave_session(name)


def _leave_session(name: str) -> None:
    """Out of the cgroup of the task's session or unit, which may be ended as a whole."""
    from ..cgroup import layout

    number = pid(name)
    if number is not None:
        layout.enter_own(_cgroup(name), number)


def _cgroup(name: str) -> str:
    return f"hostkit-lxc.bridge-{name}"


def stop(name: str) -> None:
    """With all that it left: its cgroups, its directory and its leases."""
    from ..kernel import cgroupfs

    _end(name)
    for hierarchy in cgroupfs.hierarchies():
        try:
            os.rmdir(f"{hierarchy.mount_point}/{_cgroup(name)}")
        except OSError:  # it was never there, or something else lives in it
            continue
    shutil.rmtree(directory(name), ignore_errors=True)
    try:
        os.unlink(leases(name))
    except FileNotFoundError:
        pass


def _end(name: str) -> None:
    from ..kernel import process

    number = pid(name)
    if number is None:
        return
    pidfd = process.pidfd_open(number)
    try:
        if pid(name) != number:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            process.pidfd_send_signal(pidfd, sign)
            if process.pidfd_wait(pidfd, _STOP_TIMEOUT):
                return
        raise StepError("network", "Stop dnsmasq of", name, text=f"process {number} does not end")
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
