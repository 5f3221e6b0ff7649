# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A template script of LXC, called as lxc-create calls it: --path --name --rootfs, then the user's options, in an own mount namespace."""

from __future__ import annotations

import os

from ..errors import StepError, Unsupported
from ..kernel import command
from . import base
from .base import Log, Made, Options, Target

_KEPT = 20


def check(path: str) -> None:
    if not os.path.isfile(path):
        raise Unsupported(f"The template script {path} does not exist")
    if not os.access(path, os.X_OK):
        raise Unsupported(f"The template script {path} is not executable")


def make(path: str, options: Options, target: Target, log: Log) -> Made:
    container = target.container
    words = [f"--path={container.directory}", f"--name={container.name}", f"--rootfs={target.rootfs}", *base.arguments(options)]
    run([path, *words], path, log)
    return Made([], [])


def run(argv: list[str], what: str, log: Log, env: dict[str, str] | None = None) -> None:
    """Run a program to its end, with its lines going to `log`. StepError with the last of them.

    In a mount and a pid namespace of its own: what it mounts and whatever it starts goes with it, also when we are killed.
    """
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        del lines[:-_KEPT]
        log(line)

    setpriv, unshare = command.which("setpriv"), command.which("unshare")
    if setpriv is None or unshare is None:
        raise Unsupported(f"The program {'unshare' if unshare is None else 'setpriv'} is missing", hint="Install util-linux")
    prefix = [setpriv, "--pdeathsig", "KILL", "--", unshare, "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "--"]
    prefix += ["/bin/sh", "-c", 'umask 022; exec "$@"', "sh"]  # a root file system made with the caller's umask is of no use
    try:
        result = command.run([*prefix, *argv], on_line=take, env=env)
    except OSError as error:
        raise StepError.from_os("template", "Run", what, error) from error
    if result.rc:
        raise StepError("template", "Run", what, text=f"it ended with status {result.rc}", log=lines)
