# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was told something by a word, and goes on."""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import orphans

WORD = "hostkit.lxc=0123456789abcdef"


def test_they_are_waited_for() -> None:
    assert orphans.wait_for(WORD, 0)
    with subprocess.Popen([sys.executable, "-c", "input()", WORD], stdin=subprocess.PIPE) as one:
        try:
            while one.pid not in orphans.running(WORD):
                assert one.poll() is None
            assert not orphans.wait_for(WORD, 0) and orphans.wait_for(WORD[:-1], 0)
        finally:
            assert one.stdin
            one.stdin.close()
    assert orphans.wait_for(WORD, 0)
