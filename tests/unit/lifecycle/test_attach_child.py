# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attached command finds in its environment, and which files are tried for it."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_child
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach_user import User

ALICE = User("alice", 1000, 100, "/home/alice", "/bin/ash", (100,))
LOGIN = {"PATH": attach_child.PATH, "HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice", "SHELL": "/bin/ash", "container": "lxc"}


def plan(**given):
    fields = {
        "argv": ["true"],
        "user": None,
        "group": None,
        "chdir": None,
        "environment": {},
        "host_environment": {"TERM": "vt100", "SECRET": "x", "HOME": "/host"},
        "keep_environment": False,
        "order": None,
        "streams": (0, 1, 2),
        "pty": False,
        "status_fd": -1,
        "signals": set(),
    }
    return attach_child.Plan(**{**fields, **given})


@pytest.mark.parametrize(
    ("config", "given", "more"),
    [
        ([], {}, {}),
        ([], {"pty": True}, {"TERM": "vt100"}),
        ([], {"pty": True, "host_environment": {}}, {"TERM": "xterm"}),
        (["A=1=2", "SECRET", "UNSET", "HOME=/config"], {}, {"A": "1=2", "SECRET": "x", "HOME": "/config"}),
        (["A=1"], {"environment": {"A": "2", "PATH": "/x"}}, {"A": "2", "PATH": "/x"}),
        ([], {"environment": {"container": "other"}}, {}),
        ([], {"keep_environment": True}, {"TERM": "vt100", "SECRET": "x"}),
    ],
)
def test_environment(config, given, more):
    assert attach_child._environment(plan(**given), config, ALICE) == {**LOGIN, **more}


def test_candidates_are_execvps():
    assert attach_child._candidates("a", {"PATH": "/x::/y"}) == [b"/x/a", b"./a", b"/y/a"]
    assert attach_child._candidates("./a\udcff", {"PATH": "/x"}) == [b"./a\xff"]
    assert attach_child._candidates("a", {})[0] == b"/usr/local/sbin/a"
