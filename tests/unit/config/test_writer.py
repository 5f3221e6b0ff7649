# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing values as lines, and showing what changed."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser, writer
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError


@pytest.mark.parametrize("value", ["a", " a", "a\t", "'a'", '"a"', "'", "''", "\"'", "a b", "'a\"", '""a""', "  "])
def test_what_is_written_is_read_back(value: str) -> None:
    assert parser.parse(writer.line("lxc.uts.name", value)).entries[0].value == value


def test_an_empty_value_is_the_line_that_clears() -> None:
    assert writer.line("lxc.cap.drop", "") == "lxc.cap.drop ="


def test_a_new_config() -> None:
    text = writer.render(
        {
            "lxc.utsname": "p1",
            "lxc.cap.drop": ["", "kill"],
            "lxc.net.0.veth.pair": "x",
            "lxc.net.1.type": "empty",
            "lxc.net.0.type": "veth",
        }
    )
    assert text == (
        "lxc.uts.name = p1\nlxc.cap.drop =\nlxc.cap.drop = kill\nlxc.net.0.type = veth\nlxc.net.0.veth.pair = x\nlxc.net.1.type = empty\n"
    )
    assert parser.loads(text).networks[0].veth_pair == "x"
    assert writer.render([]) == ""


@pytest.mark.parametrize(("key", "value"), [("lxc.uts.name", "a\nb"), ("lxc.uts.name", "a\0"), ("lxc.nosuch", "1"), ("lxc.autodev", "x")])
def test_what_lxc_would_not_load_is_not_written(key: str, value: str) -> None:
    with pytest.raises(ConfigError):
        writer.render([(key, value)])
