# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups from a container's files, as anybody may write them."""

from __future__ import annotations

import os

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_user
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach_user import User

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/elsewhere:/bin/csh
+::::::
broken:x:many:0::/:/bin/sh
huge:x:4294967295:0::/:/bin/sh
alice:x:1000:100:Alice,,,:/home/alice:
bob:x:1001:100::relative:/bin/sh
1000:x:55:55:a name of digits:/:/bin/sh
"""
GROUP = "root:x:0:\nusers:x:100:bob\naudio:x:29:alice,bob\nvideo:x:44:bob,alice,\nwrong:x:-5:alice\nshort\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("user", "group", "found"),
    [
        (None, None, User("root", 0, 0, "/root", "/bin/bash", (0,))),
        ("toor", None, User("toor", 0, 0, "/elsewhere", "/bin/csh", (0,))),
        ("alice", None, User("alice", 1000, 100, "/home/alice", "/bin/sh", (100, 29, 44))),
        ("bob", "audio", User("bob", 1001, 29, "/", "/bin/sh", (29, 44, 100))),
        ("1001", "7", User("bob", 1001, 7, "/", "/bin/sh", (7, 29, 44, 100))),
        ("1000", None, User("1000", 55, 55, "/", "/bin/sh", (55,))),  # a name goes before a number, as in chown(1)
        ("77", None, User("77", 77, 77, "/", "/bin/sh", (77,))),
    ],
)
def test_who_it_is(root, user, group, found):
    assert attach_user.resolve(root, user, group) == found


@pytest.mark.parametrize(
    ("user", "group"), [("carol", None), ("broken", None), ("huge", None), ("", None), ("٣", None), ("-1", None), (None, "nogroup")]
)
def test_who_is_not_there(root, user, group):
    with pytest.raises(errors.NotFound):
        attach_user.resolve(root, user, group)


def test_without_the_files_there_is_root_and_numbers(tmp_path):
    fd = os.open(tmp_path, os.O_PATH)
    try:
        assert attach_user.resolve(fd, None, None) == User("root", 0, 0, "/root", "/bin/sh", (0,))
        assert attach_user.resolve(fd, "5", "6") == User("5", 5, 6, "/", "/bin/sh", (6,))
    finally:
        os.close(fd)


def test_bytes_that_are_no_utf8_do_no_harm(tmp_path, root):
    (tmp_path / "etc/passwd").write_bytes(b"\xff\xfe:x:1:1::/\xff:/bin/sh\n\0\0\0\n" + PASSWD.encode())
    assert attach_user.resolve(root, "alice", None).uid == 1000
    assert attach_user.resolve(root, "1", None).home == "/\udcff"


def test_a_file_without_end_is_refused(tmp_path, root, monkeypatch):
    monkeypatch.setattr(attach_user, "_LIMIT", 100)
    with pytest.raises(errors.StepError, match="passwd"):
        attach_user.resolve(root, None, None)
