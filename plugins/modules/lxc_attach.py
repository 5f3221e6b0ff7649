#!/usr/bin/python
# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_attach: a command inside a container."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_attach
short_description: Run a command inside a running LXC container
version_added: 0.1.0
description:
  - Runs a command inside a running LXC container and returns its exit status, its output and its error output.
  - It joins the container's namespaces and cgroups. Nothing is needed inside, neither Python nor a network nor an SSH server.
  - No shell is involved. Where one is wanted, name it in O(argv).
author:
  - hostkit contributors (@hostkit)
extends_documentation_fragment:
  - hostkit.lxc.lxc
  - hostkit.lxc.attributes
  - hostkit.lxc.attributes.action_group
  - hostkit.lxc.attributes.linux
attributes:
  check_mode:
    support: partial
    details:
      - O(creates) and O(removes) are looked at. When neither is given, the task is skipped, because nobody can say what the command
        would do.
  diff_mode:
    support: N/A
    details:
      - What a command changes is not known.
  idempotent:
    support: partial
    details:
      - With O(creates) or O(removes), and as far as the command makes or removes what is named there.
options:
  name:
    description:
      - The name of the container.
    type: str
    required: true
  argv:
    description:
      - The command and its arguments, as a list.
      - One of O(argv) and O(cmd) is needed.
    type: list
    elements: str
  cmd:
    description:
      - The command and its arguments, as one string. It is split as a shell does, and nothing in it is expanded.
    type: str
  stdin:
    description:
      - What the command reads from its standard input. Without it, the input is empty.
    type: str
  namespaces:
    description:
      - The namespaces that are joined. When it is not given, all that the container has of its own are joined.
    type: list
    elements: str
    choices:
      - cgroup
      - ipc
      - mnt
      - net
      - pid
      - time
      - user
      - uts
  elevated:
    description:
      - Whether the command keeps the rights of the host, which the container's processes do not have - capabilities, cgroup and
        security label.
      - When it is not given, the command gets no more rights than the container has.
    type: bool
  user:
    description:
      - The user inside, by name or number. A group may follow after a colon. When it is not given, it is V(root).
    type: str
  chdir:
    description:
      - The directory inside, in which the command is run. When it is not given, it is the home
        of the user, or C(/) when there is none.
    type: str
  environment:
    description:
      - Environment variables for the command, beside those of a clean login.
      - The values stay out of what the module logs and returns.
    type: dict
  timeout:
    description:
      - Seconds after which the command and everything that it has started inside are ended, and the task fails.
      - When it is not given, there is no limit.
    type: int
  creates:
    description:
      - A path inside. When it exists, the command is not run.
    type: str
  removes:
    description:
      - A path inside. When it does not exist, the command is not run.
    type: str
seealso:
  - module: hostkit.lxc.lxc_container
"""

EXAMPLES = r"""
- name: Which system is it
  hostkit.lxc.lxc_attach:
    name: web
    argv:
      - cat
      - /etc/os-release
  register: release
  changed_when: false

- name: Make a file, once
  hostkit.lxc.lxc_attach:
    name: web
    cmd: touch /etc/made
    creates: /etc/made

- name: A shell with input, as another user
  hostkit.lxc.lxc_attach:
    name: web
    argv:
      - sh
      - -c
      - cat > ~/note
    stdin: "{{ note }}"
    user: www-data
    environment:
      LANG: C.UTF-8
"""

RETURN = r"""
rc:
  description: The exit status; 128 and the signal's number when the command was ended by a signal.
  returned: when the command was run
  type: int
  sample: 0
stdout:
  description: Its output; what is not UTF-8 in it is replaced. The end of it, when it is longer than a result may be.
  returned: always
  type: str
  sample: ok
stdout_base64:
  description: The same in base64, with every byte.
  returned: when it is not UTF-8 and at most 48 KiB
  type: str
  sample: //54
stdout_lines:
  description: The same, by lines.
  returned: always
  type: list
  elements: str
  sample: [ok]
stderr:
  description: Its error output.
  returned: always
  type: str
  sample: ""
stderr_base64:
  description: The same in base64, with every byte.
  returned: when it is not UTF-8 and at most 48 KiB
  type: str
  sample: //54
stderr_lines:
  description: The same, by lines.
  returned: always
  type: list
  elements: str
  sample: []
cmd:
  description: The command and its arguments.
  returned: always
  type: list
  elements: str
  sample: [cat, /etc/os-release]
truncated:
  description: Whether the output was too long for a result and lost its beginning.
  returned: when it was
  type: bool
  sample: true
msg:
  description: Why it was not run, or why it failed.
  returned: when it was not run, or failed
  type: str
"""

from ansible_collections.hostkit.lxc.plugins.module_utils import _ansible
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import command


def main() -> None:
    """Run the module."""
    spec = {
        "name": {"type": "str", "required": True},
        "argv": {"type": "list", "elements": "str"},
        "namespaces": {"type": "list", "elements": "str", "choices": ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]},
        "elevated": {"type": "bool"},
        "environment": {"type": "dict"},
        "timeout": {"type": "int"},
        **{key: {"type": "str"} for key in ("cmd", "stdin", "user", "chdir", "creates", "removes")},
    }
    _ansible.run(spec, command.Command, required_one_of=[("argv", "cmd")], mutually_exclusive=[("argv", "cmd")])


if __name__ == "__main__":
    main()
