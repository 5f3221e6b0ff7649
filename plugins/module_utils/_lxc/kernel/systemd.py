# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd as the host's process 1: a program as a transient service (systemd-run(1)), and its word that it is ready (sd_notify(3))."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence

_PLACE = "/run/systemd/system"
_TIMEOUT = 60.0


def booted() -> bool:
    """Whether it is (sd_booted(3)), and can be asked."""
    from . import command  # not by the monitor, which only says that it is ready

    return os.path.isdir(_PLACE) and command.which("systemd-run") is not None


def run_service(unit: str, description: str, properties: Sequence[str], argv: Sequence[str]) -> str:
    """Start it as a service of that name and wait until it is ready; what went wrong in words, "" for nothing.

    When something that the service left running keeps its unit alive, the new one gets a number behind its name.
    """
    from . import command

    for number in ("", *(f"-{count}" for count in range(2, 10))):
        words = ["systemd-run", "--quiet", "--collect", f"--unit={unit}{number}", f"--description={description}", "--service-type=notify"]
        done = command.run([*words, *(f"--property={one}" for one in properties), "--", *argv], timeout=_TIMEOUT)
        if done.rc == 0:
            return ""
        if "already" not in done.stderr:
            break
    if done.rc == -signal.SIGKILL:
        return f"it was not ready within {_TIMEOUT:.0f} s"
    return done.stderr.strip() or f"systemd-run ended with status {done.rc}"


def notify_ready() -> None:
    """Tell systemd, if it has started us, that we are ready."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.connect("\0" + address[1:] if address.startswith("@") else address)
            link.send(b"READY=1")
