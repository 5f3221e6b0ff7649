# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a task's lines go to: what cannot take any is refused before, and what goes wrong later is told."""

from __future__ import annotations

import os

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import log


def test_a_file_that_can_be_written_is_taken_and_nothing_is_made(tmp_path):
    (tmp_path / "old").write_text("a line\n")
    log.check_file(str(tmp_path / "old"))
    log.check_file(str(tmp_path / "new"))
    log.check_file("/dev/null")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "a line\n")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "absolute path"),
        ("log/below", "absolute path"),
        ("/var/log/a\nb", "absolute path"),
        ("{}/directory", "it is a directory"),
        ("{}/fifo", "it is a FIFO"),
        ("{}/link", "it is a symbolic link"),
        ("{}/none/log", "{}/none does not"),
        ("{}/old/log", "Not a directory"),
    ],
)
def test_what_no_line_can_be_added_to_is_refused(tmp_path, path, expected):
    (tmp_path / "directory").mkdir()
    (tmp_path / "old").write_text("")
    (tmp_path / "link").symlink_to("old")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadValue) as caught:
        log.check_file(path.format(tmp_path))
    assert expected.format(tmp_path) in caught.value.expected
    assert caught.value.option == "log_file"


def test_a_place_that_only_others_may_write_to_is_refused(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "file").touch(mode=0o400)
    for name in ("closed/log", "file"):
        with pytest.raises(BadValue, match="can be written"):
            log.check_file(str(tmp_path / name))


def test_a_line_that_is_not_in_the_file_is_told(tmp_path):
    one = log.Log("n", str(tmp_path / "file"), 0)
    one.write("INFO", "there")
    assert one.problem == ""
    gone = log.Log("n", str(tmp_path / "none/file"), 0)
    gone.write("INFO", "not there")
    assert gone.problem == "No such file or directory"
