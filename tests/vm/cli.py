# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machines of this checkout, for people. usage: ci/vm up|reset|down|ssh [COMMAND]

The environment chooses: SUITE (bookworm or trixie), KIND (plain or zfs), NAME (of the machine; several may run).
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from images import Image, VmError
from machine import Machine, named, names

ROOT = Path(__file__).resolve().parents[2]


def _running(machine: Machine) -> Machine:
    if not machine.pid():
        raise VmError(f"no machine {machine.directory.name} runs; make vm-up starts it")
    return machine


def main(arguments: list[str]) -> int:
    name = os.environ.get("NAME") or "vm"
    machine = named(name, Image(os.environ.get("SUITE") or "bookworm", os.environ.get("KIND") or "plain"), ROOT)
    verb = arguments[0] if arguments else ""
    if verb == "up" and machine.pid():
        print(f"{name} runs already; make vm-ssh logs in")
    elif verb in ("up", "reset"):
        seconds = machine.resume(stays=True)
        print(f"{name} answers after {seconds:.1f} s: make vm-ssh, or ssh -F {machine.config} vm; for Ansible: -i {machine.inventory}")
    elif verb == "down":
        for each in [name] if os.environ.get("NAME") else names(ROOT):
            named(each, machine.image, ROOT).stop()
    elif verb == "ssh":
        return _running(machine).run(shlex.join(arguments[1:]) if len(arguments) > 2 else "".join(arguments[1:]))
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except VmError as error:
        sys.exit(f"vm: {error}")
