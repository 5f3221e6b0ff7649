# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that leave a program in a session of its own, and the cgroups that such programs are in."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process


class Daemon:
    """A program that a hook leaves in a session of its own, known by what it waits for."""

    def __init__(self, directory: Path) -> None:
        self.mark = str(int(uuid.uuid4().hex[:7], 16) + 10**9)
        self.directory = directory

    def hook(self, *more: str) -> str:
        """A program that leaves it, says so by the file `left`, and goes on with these commands."""
        path = self.directory / "hook"
        lines = [f"setsid sleep {self.mark} > /dev/null 2>&1 &", f"until grep -q {self.mark} /proc/$!/cmdline; do :; done"]
        path.write_text("\n".join(["#!/bin/sh", *lines, f"touch {self.directory}/left", *more]) + "\n")
        path.chmod(0o755)
        return str(path)

    @property
    def has_run(self) -> bool:
        return (self.directory / "left").exists()

    def pids(self) -> list[int]:
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if self.mark.encode() in Path("/proc", entry, "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry))
            except OSError:
                continue
        return [pid for pid in found if process.alive(pid)]


def scopes() -> list[str]:
    everywhere = (path for h in cgroupfs.hierarchies() for path, *_rest in os.walk(h.mount_point))
    return [path for path in everywhere if os.path.basename(path).startswith("hostkit-lxc.hooks-")]


def lines(kind: str, hook: str) -> list[str]:
    if kind.startswith("script."):
        return ["lxc.net.0.type = empty", f"lxc.net.0.{kind} = {hook}"]
    return [f"lxc.hook.{kind} = {hook}"]
