# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that every module of the action group takes."""

from __future__ import annotations


class ModuleDocFragment:
    """The shared block."""

    DOCUMENTATION = r"""
options:
  lxc_path:
    description:
      - The directory that holds the containers.
      - When it is not given, C(lxc.lxcpath) of C(/etc/lxc/lxc.conf) is used, and without that C(/var/lib/lxc).
    type: path
  log_file:
    description:
      - A file on the host that gets a line for each thing that the task did, in the form of LXC's log files.
      - It is an absolute path in a directory that exists. What cannot be written is an error before anything is done.
    type: path
  log_level:
    description:
      - What is written to O(log_file), and everything that is more important than it.
      - When it is not given, V(ERROR) is used.
    type: str
    choices:
      - TRACE
      - DEBUG
      - INFO
      - NOTICE
      - WARN
      - ERROR
      - CRIT
      - ALERT
      - FATAL
requirements:
  - Root rights on the host of the containers.
  - Linux 5.4 or later.
  - Python 3.9 or later on the host of the containers.
"""
