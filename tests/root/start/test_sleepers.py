# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As many hooks that sleep as launchers may work at once: another container starts all the same."""

from __future__ import annotations

import os
import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State
from daemons import lines

SLEEPERS = max(2, 2 * (os.cpu_count() or 1))
SLEEP = "#!/bin/sh\ntouch {place}/begun-$LXC_NAME\nuntil [ -e {place}/go ]; do sleep 0.1; done\n"


@pytest.mark.parametrize("kind", ["pre-start", "script.up", "pre-mount", "mount", "autodev", "start-host", "start"])
def test_hooks_that_sleep_hold_up_nobody_else(make_box, tmp_path, until, kind):
    places = {}
    for number in range(SLEEPERS):
        box = make_box(f"s{number}")
        inside = kind == "start"  # which runs in the container
        places[box] = box.root / "tmp" if inside else tmp_path
        hook = box.root / "bin/hook" if inside else tmp_path / "hook"
        hook.write_text(SLEEP.format(place="/tmp" if inside else tmp_path))
        hook.chmod(0o755)
        box.configure(*lines(kind, "/bin/hook" if inside else str(hook)))
    results = []
    asking = threading.Thread(target=lambda: results.extend(runtime.start([box.container for box in places], 120)), daemon=True)
    asking.start()
    for box, place in places.items():
        until((place / f"begun-{box.container.name}").exists, f"the hook of {box.container.name} runs")
    other = make_box("other")
    other.start(timeout=60)
    assert {box.state for box in places} == {State.STARTING}
    for place in places.values():
        (place / "go").touch()
    asking.join(60)
    assert [started.error for started in results] == [None] * SLEEPERS
