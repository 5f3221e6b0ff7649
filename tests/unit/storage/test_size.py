# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for a size."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.storage import mkfs, size


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("512M", 512 << 20),
        ("2G", 2 << 30),
        ("2 GiB", 2 << 30),
        ("1t", 1 << 40),
        ("64kb", 64 << 10),
        ("1073741824", 1 << 30),
        (1 << 20, 1 << 20),
        ("5000", 8192),
    ],
)
def test_sizes(text: object, bytes_: int) -> None:
    assert size.parse(text) == bytes_


@pytest.mark.parametrize(
    "text", ["", "0", 0, "-1", -5, "1.5G", "G", "1X", "1GG", "999999999999P", True, None, ["1G"], "1G\n2G", "0x10", "\u0661G"]
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(BadValue, match="512M"):
        size.parse(text)


@pytest.mark.parametrize("text", ["1M", "3G", "1T", "12K", "1536M"])
def test_the_words_mean_the_same(text: str) -> None:
    assert size.words(size.parse(text)) == text


def test_what_is_too_small_for_its_type() -> None:
    with pytest.raises(BadValue, match="at least 300M for xfs"):
        mkfs.check("xfs", 299 << 20)
