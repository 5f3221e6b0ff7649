# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be meant is refused, with the option and what was expected, and nothing is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from module import Module

NOTHING = {"name": "m-nothing"}
# Options, the one that is named, and words of what was expected or is advised.
CONTAINER: list[tuple[dict[str, Any], str, str]] = [
    ({"config": "/etc/lxc/x.conf"}, "config", "a dict of LXC key to value"),
    ({"clone_name": "other"}, "clone_name", "name is always the container"),
    ({**NOTHING, "clone_from": "m-refused", "template": "none"}, "clone_from", "no template with it"),
    ({**NOTHING, "clone_from": "m-nothing"}, "clone_from", "another container than those of name"),
    ({**NOTHING, "clone_from": "not/absolute"}, "clone_from", "the absolute path of its directory"),
    ({**NOTHING, "clone_snapshot": True}, "clone_snapshot", "clone_from with it"),
    ({"container_command": "ls"}, "container_command", "lxc_attach"),
    ({"template_options": "--release trixie"}, "template_options", "a dict of option to value"),
    ({"config": {"lxc.nonsense.key": 1}}, "config[lxc.nonsense.key]", "a key of LXC's configuration"),
    ({"config": {"lxc.tty.max": "many"}}, "config[lxc.tty.max]", "a whole number"),
    ({"config": {"lxc.tty.max": [1, 2]}}, "config[lxc.tty.max]", "one value"),
    ({"container_config": ["lxc.tty.max=1", "lxc.tty.max=2"]}, "container_config[lxc.tty.max]", "one value"),
    ({"config": {"lxc.uts.name": "one"}, "hostname": "two"}, "hostname", "what config says for lxc.uts.name"),
    ({"config": {"lxc.uts.name": "x\nlxc.hook.pre-start = /bin/id"}}, "config[lxc.uts.name]", "one line"),
    ({"config": {"lxc.uts.name": "x\0"}}, "config[lxc.uts.name]", "without NUL"),
    ({"hostname": "x\ny"}, "hostname", "one line"),
    ({"environment": {"A": "x\nlxc.hook.pre-start = /bin/id"}}, "environment[A]", "one line"),
    ({"network": [{"type": "veth", "hwaddr": 1122334455}]}, "network[0].hwaddr", "Quote it"),
    ({"name": "../m-refused"}, "name", "1 to 64 of the characters"),
    ({"name": "-m"}, "name", "not beginning with -"),
    ({"name": ".."}, "name", "not . or .."),
    ({"name": "m" * 65}, "name", "1 to 64"),
    ({"config": {"lxc.net.0.type": "veth"}, "network": []}, "network", "the only one that says the networks"),
    ({"network": [{"type": "veth", "mtu": "large"}]}, "network[0].mtu", "a whole number"),
    ({**NOTHING, "template": "none", "backing_store": "dir"}, "backing_store", "none makes no root filesystem"),
    ({**NOTHING, "template": "none", "directory": "/m-root"}, "directory", "none makes no root filesystem"),
    ({**NOTHING, "template": "busybox", "backing_store": "overlayfs", "directory": "/m-root"}, "directory", "backing_store dir"),
    ({"hooks": {"post-everything": "/bin/true"}}, "hooks", "one of pre-start"),
]


def test_of_a_container(container: Module, lxc_path: Path) -> None:
    container.done(name="m-refused", state="stopped", template="busybox", network=[])
    config = lxc_path / "m-refused/config"
    before = config.read_bytes()
    for check in (True, False):
        for options, option, expected in CONTAINER:
            refused = container.refused(check=check, **{"name": "m-refused", "state": "present", **options})
            assert (refused["error"], refused["option"]) == ("BadValue", option), refused
            assert expected in f"{refused['expected']} {refused.get('hint', '')}"
    assert config.read_bytes() == before
    assert [path.name for path in lxc_path.iterdir()] == ["m-refused"]


def test_no_state_is_accepted_that_does_nothing(container: Module, lxc_path: Path) -> None:
    """Defect 2 of community.general.lxc_container: an accepted choice without code behind it."""
    refused = container.refused(name="m-refused", state="clone", clone_name="m-nothing")
    assert "value of state must be one of" in refused["msg"] and "got: clone" in refused["msg"]
    assert not list(lxc_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value"),
    [("ipv4", "10.0.3.0/24"), ("dhcp_range", "10.0.4.2,10.0.4.9"), ("domain", "a b"), ("name", "no/such")],
)
def test_of_a_bridge(option: str, value: str) -> None:
    refused = Module("lxc_bridge")(**{"name": "itbr0", option: value})
    assert (refused["error"], refused["option"], refused["value"]) == ("BadValue", option, repr(value))


SNAPSHOT: list[tuple[str, dict[str, Any]]] = [
    ("snapshot", {"snapshot": "../up"}),
    ("snapshot", {"snapshot": ".hidden", "check": True}),
    ("snapshot", {"state": "absent"}),
    ("snapshot", {"state": "restored"}),
    ("all", {"all": True}),
    ("keep", {"keep": 0}),
    ("keep", {"keep": 1, "state": "absent", "all": True}),
    ("restore_as", {"restore_as": "other", "snapshot": "snap0"}),
    ("force", {"force": True}),
]


def test_of_a_snapshot(container: Module, snapshot: Module) -> None:
    container.done(name="r-web", template="busybox", network=[])
    for option, options in SNAPSHOT:
        refused = snapshot.refused(name="r-web", **options)
        assert (refused["error"], refused["option"]) == ("BadValue", option), refused
