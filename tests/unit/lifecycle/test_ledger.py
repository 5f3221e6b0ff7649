# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor leaves in writing about its containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import ledger

ONE = paths.container("one")
KEY = ledger.key_of(ONE)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ledger, "LEDGER", str(tmp_path / "inits"))
    return tmp_path / "inits"


def write(pid: int, start_time: int) -> None:
    ledger.write(KEY, {"pid": pid, "start_time": start_time})


def test_a_process_that_runs_is_a_survivor_until_it_is_forgotten() -> None:
    assert ledger.survivor(ONE) == 0
    write(os.getpid(), process.start_time(os.getpid()))
    assert ledger.survivor(ONE) == os.getpid()
    assert ledger.survivor(paths.container("one", "/elsewhere")) == 0
    with pytest.raises(InUse, match=f"still runs as process {os.getpid()}"):
        ledger.refuse_survivor(ONE)
    ledger.forget(KEY)
    ledger.forget(KEY)
    assert ledger.survivor(ONE) == 0


@pytest.mark.parametrize(("field", "value"), [("start_time", 1), ("boot", "another"), ("pid", "none"), ("pid", None)])
def test_another_process_under_the_same_pid_is_not_it(directory: Path, field: str, value: object) -> None:
    write(os.getpid(), process.start_time(os.getpid()))
    [file] = directory.iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    assert ledger.survivor(ONE) == 0
    ledger.refuse_survivor(ONE)


def test_one_that_has_ended_is_no_survivor() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    started = process.start_time(ended.pid)
    ended.wait()
    write(ended.pid, started)
    assert ledger.survivor(ONE) == 0


def test_the_entries_are_those_of_this_boot(directory: Path) -> None:
    write(7, 8)
    for name, text in (("a" * 32, "{}"), ("b" * 32, "no JSON"), ("c" * 32, '{"boot": "another"}'), ("d" * 32 + ".new", "{")):
        (directory / name).write_text(text)
    [(key, entry)] = ledger.entries()
    assert (key, entry["pid"], entry["start_time"]) == (KEY, 7, 8)
    assert {path.name for path in directory.iterdir()} == {KEY, "d" * 32 + ".new"}, "what no monitor can use is removed"


def test_an_entry_is_replaced_whole_and_only_root_reads_it(directory: Path) -> None:
    write(7, 8)
    write(9, 10)
    [file] = directory.iterdir()
    assert file.stat().st_mode & 0o077 == 0 and directory.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["pid"] == 9
