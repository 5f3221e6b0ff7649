# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a new config."""

from __future__ import annotations

import re

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import newconfig

ORIGIN = newconfig.Origin("hostkit.lxc debian", ["--release", "bookworm"], None, False, "")


def test_without_a_word_of_the_host_and_without_a_bridge_the_network_is_empty() -> None:
    config = parser.loads(newconfig.begin(ORIGIN, "one", "dir:/r"))
    assert [network.type for network in config.networks] == ["empty"]
    assert config.get("lxc.uts.name") == "one" and config.rootfs_path == "dir:/r"


def test_a_bridge_gives_a_veth_with_an_address_that_stays() -> None:
    text = newconfig.finish(newconfig.begin(ORIGIN._replace(has_bridge=True), "one", "dir:/r"), [], {}, None)
    [network] = parser.loads(text).networks
    assert (network.type, network.link, network.flags) == ("veth", "lxcbr0", "up")
    assert re.fullmatch("00:16:3e(:[0-9a-f]{2}){3}", network.hwaddr)
    assert newconfig.with_addresses(text) == text


def test_the_hosts_default_comes_with_its_comments_and_before_the_bridge() -> None:
    default = "# mine\nlxc.net.0.type = macvlan\nlxc.net.0.link = eth9\nlxc.apparmor.profile = generated\n"
    text = newconfig.begin(ORIGIN._replace(default_text=default, has_bridge=True), "one", "dir:/r")
    assert default in text and [network.type for network in parser.loads(text).networks] == ["macvlan"]


def test_an_empty_default_of_the_host_is_a_word_too() -> None:
    assert parser.loads(newconfig.begin(ORIGIN._replace(default_text="", has_bridge=True), "one", "dir:/r")).networks == []


def test_what_the_user_says_comes_last_and_replaces() -> None:
    text = newconfig.begin(ORIGIN._replace(default_text="lxc.start.auto = 0\nlxc.net.0.type = empty\n"), "one", "dir:/r")
    text = newconfig.finish(text, ["lxc.arch = amd64"], {"lxc.start.auto": "1", "lxc.uts.name": "two", "lxc.arch": "arm64"}, None)
    assert text.count("lxc.start.auto") == 1 and text.count("lxc.arch") == 1
    config = parser.loads(text)
    assert (config.get("lxc.start.auto"), config.get("lxc.uts.name"), config.get("lxc.arch")) == ("1", "two", "arm64")


@pytest.mark.parametrize("said", ["networks", "config"])
def test_networks_that_are_said_replace_the_hosts(said: str) -> None:
    text = newconfig.begin(ORIGIN._replace(has_bridge=True), "one", "dir:/r")
    if said == "networks":
        text = newconfig.finish(text, [], {}, [{"type": "empty"}])
    else:
        text = newconfig.finish(text, [], {"lxc.net.0.type": "empty"}, None)
    assert [(network.type, network.link) for network in parser.loads(text).networks] == [("empty", "")]


def test_no_networks_at_all() -> None:
    text = newconfig.finish(newconfig.begin(ORIGIN._replace(has_bridge=True), "one", "dir:/r"), [], {}, [])
    assert parser.loads(text).networks == []


def test_every_x_of_an_address_is_expanded_once() -> None:
    text = "lxc.net.0.type = veth\nlxc.net.0.hwaddr = 4a:49:43:49:79:xX\nlxc.net.1.type = phys\nlxc.net.1.link = eth7\n"
    digits = iter("ab")
    found = parser.loads(newconfig.with_addresses(text, lambda: next(digits))).networks
    assert [network.hwaddr for network in found] == ["4a:49:43:49:79:ab", ""]


def test_the_comment_lines_stay_comments() -> None:
    origin = ORIGIN._replace(template="/t\nlxc.hook.pre-start = /evil", parameters=["--x", "a\nlxc.hook.stop = /evil"])
    assert parser.loads(newconfig.begin(origin, "one", "dir:/r")).hooks("pre-start") == []
    assert "evil" in newconfig.begin(origin, "one", "dir:/r").splitlines()[0]


def test_a_value_with_a_newline_is_refused() -> None:
    with pytest.raises(LxcError):
        newconfig.finish("", [], {"lxc.environment": ["A=b\nlxc.hook.pre-start = /evil"]}, None)
