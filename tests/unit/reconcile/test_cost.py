# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task that has nothing to do loads: where the host has no copy of the runtime (`compiled`), every line of ours is compiled anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, os, sys
sys.path.insert(0, {tests!r})
import conftest
base = "ansible_collections.hostkit.lxc.plugins.module_utils._lxc."
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
query.state = lambda one, **_asker: State.RUNNING
query.init_pid = lambda one, **_asker: os.getpid()
query.config_item = lambda one, key, **_asker: "/"
{call}
loaded = {{name[len(base):]: module.__file__ for name, module in sys.modules.items() if name.startswith(base) and module.__file__}}
print(json.dumps([report.changed, {{name: len(open(file).readlines()) for name, file in loaded.items()}}]))
"""
STARTED = """
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import fleet
report = fleet.job({{"name": ["m1"], "state": "started", "template": "debian", "lxc_path": {path!r}}}).apply()
assert not report.failed, report
"""
INFO = """
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import facts
report = facts.Facts({{"name": ["m1"], "lxc_path": {path!r}}}).apply()
assert [entry["name"] for entry in report.result["containers"]] == ["m1"] and not report.warnings, report
"""


SNAPSHOT = """
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import snapshot
report = snapshot.Job({{"name": "m1", "snapshot": "snap0", "state": "present", "lxc_path": {path!r}}}).apply()
assert report.result["snapshot"]["backing_store"] == "dir", report
"""


CONFIG = """
query.config_item = lambda one, key, **_asker: {{"lxc.uts.name": "m1", "lxc.tty.max": "2", "lxc.net.0.type": "empty"}}.get(key, "/")
""" + STARTED.replace('"debian",', '"debian", "config": {{"lxc.tty.max": 2}}, "hostname": "m1", "network": [],')


# Facts of a container are in its config, so its language is loaded for them. What options mean in it, and whether it says
# so already, takes its keys, the checks of their values and the options themselves.
CALLS = [(STARTED, 1470), (INFO, 2360), (CONFIG, 2660), (SNAPSHOT, 3750)]


@pytest.mark.parametrize(("call", "limit"), CALLS, ids=["started", "info", "config", "snapshot"])
def test_lines_that_are_loaded(tmp_path, call, limit):
    (tmp_path / "m1").mkdir()
    (tmp_path / "m1" / "config").write_text("lxc.uts.name = m1\nlxc.tty.max = 2\nlxc.net.0.type = empty\n")
    (tmp_path / "m1/snaps/snap0").mkdir(parents=True)
    (tmp_path / "m1/snaps/snap0/config").write_text("lxc.rootfs.path = dir:/nowhere\n")
    program = PROGRAM.format(tests=str(TESTS), call=call.format(path=str(tmp_path)))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    changed, lines = json.loads(ran.stdout)
    assert not changed
    assert lines
    assert sum(lines.values()) <= limit, sorted(lines.items(), key=lambda item: -item[1])
