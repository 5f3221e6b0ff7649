# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pytest in a clean virtual machine. usage: inside.py NAME TREE ARGUMENT...    KIND: of its image

The machine is thrown away afterwards, so the tests may do with it what they may only do to a host of their own.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

from images import Image, VmError
from machine import named

ROOT = Path(__file__).resolve().parents[2]
PLACE = "/opt/ansible_collections/hostkit/lxc"
ENVIRONMENT = {
    "HOSTKIT_HOST_NAMESPACE": "1",
    "HOSTKIT_REQUIRE_ORACLE": "1",
    "HOSTKIT_PATIENCE": "4",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}


def main(name: str, tree: str, *arguments: str) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `with`, which ends the machine
    kind = os.environ.get("KIND") or "plain"
    with named(name, Image(os.environ.get("SUITE") or "bookworm", kind), ROOT) as machine:
        print(f"resumed after {machine.resume():.1f} s", flush=True)
        machine.send(Path(tree), PLACE)
        stores = "lvm zfs" if kind == "zfs" else "lvm"
        environment = {
            **ENVIRONMENT,
            "HOSTKIT_REQUIRE_STORES": stores,
            **{key: value for key, value in os.environ.items() if key == "HOSTKIT_SOAK"},
        }
        words = [
            "env",
            *(f"{key}={value}" for key, value in environment.items()),
            "python3",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
        ]
        words += ["--durations=15", "-o", "faulthandler_timeout=600", *arguments]
        return machine.run(f"cd {PLACE} && {shlex.join(words)} </dev/null")


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except VmError as error:
        sys.exit(f"vm: {error}")
