# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import credentials, process


def test_names_are_numbered_as_in_the_kernel() -> None:
    known = {
        "chown": 0,
        "kill": 5,
        "net_admin": 12,
        "sys_module": 16,
        "sys_admin": 21,
        "mknod": 27,
        "setfcap": 31,
        "checkpoint_restore": 40,
    }
    assert {name: credentials.CAPABILITIES[name] for name in known} == known
    assert len(credentials.CAPABILITIES) == 41


def test_what_proc_shows_is_what_is_said() -> None:
    shown = process.status(os.getpid())
    own = credentials.capget()
    assert [int(shown[key], 16) for key in ("CapEff", "CapPrm", "CapInh", "CapBnd")] == [*own, credentials.bounding()]
    assert credentials.capget(os.getpid()) == own


def test_without_proc_the_kernel_is_asked(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    last = credentials.last_cap()
    monkeypatch.setattr(credentials, "open", _no_file, raising=False)
    assert credentials.last_cap() == last


def _no_file(*_args: object, **_named: object) -> None:
    raise FileNotFoundError


def test_dropping_nothing_and_the_unknown_is_allowed() -> None:
    before = credentials.bounding()
    credentials.drop_bounding([])
    credentials.drop_bounding([credentials.last_cap() + 1, 63])
    assert credentials.bounding() == before
