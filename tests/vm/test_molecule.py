# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenario `vm`: the plays of `default` over OpenSSH, by an ordinary user with become. HOSTKIT_TREE is the collection's tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from machine import Machine


@pytest.mark.parametrize("pipelining", ["true", "false"])
def test_the_scenario(machine: Machine, pipelining: str) -> None:
    programs = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "HOSTKIT_VM_PORT": str(machine.port),
        "HOSTKIT_VM_SSH_CONFIG": str(machine.config),
        "HOSTKIT_VM_PIPELINING": pipelining,
    }
    command = [str(programs / "molecule"), "test", "--scenario-name", "vm"]
    done = subprocess.run(command, cwd=os.environ["HOSTKIT_TREE"], env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout + done.stderr
    machine.ssh("! test -e /var/lib/lxc-molecule")
