# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which capabilities a config leaves a container."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import credentials
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.security import capabilities

LAST = 40


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "last_cap", lambda: LAST)


def dropped(text: str) -> list[int]:
    return capabilities.dropped(parser.loads(text))


@pytest.mark.parametrize(("name", "number"), [("chown", 0), ("CAP_KILL", 5), ("cap_sys_admin", 21), ("SYS_ADMIN", 21), ("39", 39)])
def test_names(name: str, number: int) -> None:
    assert capabilities.number(name) == number


@pytest.mark.parametrize("name", ["", "sysadmin", "cap_", "-1", "²"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(StepError):
        capabilities.number(name)


def test_drop() -> None:
    assert dropped("") == []
    assert dropped("lxc.cap.drop = sys_time kill\nlxc.cap.drop = kill 0\n") == [0, 5, 25]
    assert dropped("lxc.cap.drop = kill\nlxc.cap.drop =\nlxc.cap.drop = chown\n") == [0], "an empty line clears"


def test_what_an_older_kernel_does_not_know_is_not_there_to_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "last_cap", lambda: 37)
    assert dropped("lxc.cap.drop = bpf kill\n") == [5]


def test_keep() -> None:
    everything = set(range(LAST + 1))
    assert set(dropped("lxc.cap.keep = kill chown\n")) == everything - {0, 5}
    assert set(dropped("lxc.cap.keep = none\n")) == everything
    assert set(dropped("lxc.cap.keep = chown none kill\n")) == everything - {5}
    assert set(dropped("lxc.cap.keep = chown\nlxc.cap.keep = none\n")) == everything


def test_both_are_an_error() -> None:
    with pytest.raises(LxcError):
        dropped("lxc.cap.drop = kill\nlxc.cap.keep = chown\n")
