# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules promise about check mode, diff mode, idempotence and platforms."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes, with the support left to each module."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing anything.
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when it runs in C(diff) mode.
  idempotent:
    description: When it runs twice in a row outside C(check_mode) with the same arguments, the second run changes nothing.
  platform:
    description: The operating systems that it works on.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/hostkit.lxc.lxc) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - hostkit.lxc.lxc
"""

    LINUX = r"""
options: {}
attributes:
  platform:
    description: The operating systems that it works on.
    platforms: linux
    support: full
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing anything.
    support: full
    details:
      - It changes nothing in any mode.
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when it runs in C(diff) mode.
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    description: When it runs twice in a row outside C(check_mode) with the same arguments, the second run changes nothing.
    support: full
    details:
      - It changes nothing.
"""
