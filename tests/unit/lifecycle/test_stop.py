# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals by number and by name."""

from __future__ import annotations

import signal

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import stop


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("0", 0),
        ("10\n", 10),
        ("SIGPWR", signal.SIGPWR),
        ("pwr", signal.SIGPWR),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMAX-2", signal.SIGRTMAX - 2),
        ("RTMIN-3", 0),
        ("SIGRTMIN+x", 0),
        ("NONESUCH", 0),
        ("_DFL", 0),
    ],
)
def test_number_of(text, number):
    assert stop.number_of(text) == number


@pytest.mark.parametrize(("number", "name"), [(15, "SIGTERM"), (signal.SIGRTMIN + 3, "SIGRTMIN+3"), (signal.SIGPWR, "SIGPWR"), (33, "33")])
def test_name(number, name):
    assert stop.name(number) == name
