# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No root file system: the config says where one is, or the container shares the host's (lxc-create -t none)."""

from __future__ import annotations

from . import base


def check(options: base.Options) -> None:
    base.only("none", options, ())


def config_lines(_options: base.Options) -> list[str]:
    return []


def make(options: base.Options, target: base.Target, log: base.Log) -> base.Made:  # noqa: ARG001 - as every template
    return base.Made([], [])
