# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest is the same whichever code makes it: names of a host's files and interfaces depend on it."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import digest


@pytest.mark.parametrize("text", ["", "/var/lib/lxc\0c1", "\udcff", "ä" * 1000])
@pytest.mark.parametrize("own", [True, False])
def test_it_is_that_of_the_library(monkeypatch: pytest.MonkeyPatch, text: str, own: bool) -> None:
    monkeypatch.setattr(digest, "_OWN", digest._OWN if own else ())
    monkeypatch.setattr(digest, "_sha256", digest._algorithm())
    assert digest.of(text) == hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
