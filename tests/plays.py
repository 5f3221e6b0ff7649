# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays against a host that is reached over SSH, as a controller sends them. The collection is found by ANSIBLE_COLLECTIONS_PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


def play(
    directory: Path, host: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], timeout: float = 300, fails: bool = False
) -> list[Result]:
    """Run tasks on the host that these variables describe, with their files in `directory`: each task's result, in order.

    A task that waited for its container to end would never have one. Fails unless the play ends as `fails` says.
    """
    book = directory / "play.yml"
    book.write_text(json.dumps([{"hosts": "target", "gather_facts": False, "vars": dict(host), "tasks": list(tasks)}]))
    env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_HOST_PATTERN_MISMATCH": "error"}
    command = [PLAYBOOK, "-i", "target,", str(book)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return [results(part) for part in done.stdout.split("target | ")[1:]]


def results(text: str) -> Result:
    """What the callback `minimal` has written of one task; after an ignored failure more words follow."""
    return dict(json.JSONDecoder().raw_decode(text, text.index("{"))[0])
