# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that end in lines of the config: what they become, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import options


def collect(several=False, **params):
    return options.collect(params, "m1", several)


@pytest.mark.parametrize(
    ("params", "changes"),
    [
        ({"config": {"lxc.start.auto": True}}, {"lxc.start.auto": "1"}),
        ({"config": {"lxc.start.auto": False, "lxc.tty.max": 4}}, {"lxc.start.auto": "0", "lxc.tty.max": "4"}),
        ({"config": {"lxc.tty": 4}}, {"lxc.tty.max": "4"}),
        ({"config": {"lxc.tty.max": [4], "lxc.tty.dir": []}}, {"lxc.tty.max": ["4"], "lxc.tty.dir": []}),
        ({"config": {"lxc.cap.drop": ["sys_time", "mknod"]}}, {"lxc.cap.drop": ["sys_time", "mknod"]}),
        (
            {"config": {"lxc.cap.drop": "", "lxc.cap.keep": None, "lxc.group": []}},
            {"lxc.cap.drop": "", "lxc.cap.keep": None, "lxc.group": []},
        ),
        ({"container_config": ["lxc.tty.max=1", "lxc.group = a", "lxc.group=b"]}, {"lxc.tty.max": "1", "lxc.group": ["a", "b"]}),
        ({"hostname": "%n-x"}, {"lxc.uts.name": "m1-x"}),
        ({"arch": "x86_64", "apparmor_profile": "unconfined"}, {"lxc.arch": "x86_64", "lxc.apparmor.profile": "unconfined"}),
        ({"mounts": [{"source": "/a b", "target": "/c"}]}, {"lxc.mount.entry": [r"/a\040b c none bind,create=dir 0 0"]}),
        (
            {"mounts": [{"source": "tmpfs", "target": "t", "type": "tmpfs", "options": ["size=1m", "ro"]}]},
            {"lxc.mount.entry": ["tmpfs t tmpfs size=1m,ro 0 0"]},
        ),
        ({"mounts": [{"source": "tmpfs", "target": "t", "type": "tmpfs"}]}, {"lxc.mount.entry": ["tmpfs t tmpfs create=dir 0 0"]}),
        ({"mounts": []}, {"lxc.mount.entry": []}),
        ({"hooks": {"start": "/a", "pre-start": ["/b 1", "/c"]}}, {"lxc.hook.start": ["/a"], "lxc.hook.pre-start": ["/b 1", "/c"]}),
        (
            {"autostart": {"enabled": True, "delay": 2, "order": None, "groups": ["x"]}},
            {"lxc.start.auto": "1", "lxc.start.delay": "2", "lxc.group": ["x"]},
        ),
        ({"capabilities": {"drop": ["mknod"], "keep": None}}, {"lxc.cap.keep": None, "lxc.cap.drop": ["mknod"]}),
        ({"capabilities": {"keep": ["kill", "chown"]}}, {"lxc.cap.drop": "", "lxc.cap.keep": ["kill", "chown"]}),
        ({"capabilities": {"keep": []}}, {"lxc.cap.drop": "", "lxc.cap.keep": ["none"]}),
        ({"environment": {"A": 1, "B": "x y"}}, {"lxc.environment": ["A=1", "B=x y"]}),
        ({"cgroup": {"memory.max": "1G"}}, {"lxc.cgroup2.memory.max": "1G"}),
        (
            {"cgroup": {"memory.limit_in_bytes": "1G", "cpu.shares": 5}},
            {"lxc.cgroup.memory.limit_in_bytes": "1G", "lxc.cgroup.cpu.shares": "5"},
        ),
        ({"cgroup": {"pids.max": 9}}, {"lxc.cgroup.pids.max": "9", "lxc.cgroup2.pids.max": "9"}),
        ({"config": {"lxc.uts.name": "a"}, "hostname": "a"}, {"lxc.uts.name": "a"}),
        ({"config": {"lxc.prlimit.nofile": "3:unlimited"}}, {"lxc.prlimit.nofile": "3:unlimited"}),
        ({"config": {"lxc.rootfs.path": "zfs:pool/x"}}, {"lxc.rootfs.path": "zfs:pool/x"}),
        ({"config": {"lxc.rootfs.path": "overlay:/a:/b"}}, {"lxc.rootfs.path": "overlay:/a:/b"}),
        ({"hostname": "Web-1.example_x.org"}, {"lxc.uts.name": "Web-1.example_x.org"}),
        ({"config": {"lxc.uts.name": "", "lxc.mount.entry": ""}}, {"lxc.uts.name": "", "lxc.mount.entry": ""}),
        (
            {"config": {"lxc.mount.entry": ["/a a none rbind,ro,nofail,x-systemd.automount 0 0", "tmpfs t tmpfs anything=1"]}},
            {"lxc.mount.entry": ["/a a none rbind,ro,nofail,x-systemd.automount 0 0", "tmpfs t tmpfs anything=1"]},
        ),
    ],
)
def test_what_they_become(params, changes):
    assert collect(**params) == (changes, None)


def test_networks():
    said = [{"type": "veth", "link": "br0", "ipv4": ["10.0.0.2/24"], "mtu": None, "veth_pair": "%n-h"}, {"type": "empty"}]
    assert collect(network=said)[1] == [
        {"type": "veth", "link": "br0", "ipv4.address": ["10.0.0.2/24"], "veth.pair": "m1-h", "flags": "up"},
        {"type": "empty"},
    ]


def test_no_networks_are_a_network_of_its_own():
    assert collect(network=[])[1] == [{"type": "empty"}]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"config": "/etc/lxc/x"}, "a dict"),
        ({"config": {"lxc.nonsense.key": 1}}, "lxc.nonsense.key"),
        ({"config": {"uts.name": 1}}, "a key of LXC"),
        ({"config": {1: 1}}, "a key of LXC"),
        ({"config": {"lxc.uts.name": {"a": 1}}}, "a string, a number"),
        ({"config": {"lxc.uts.name": "a\nlxc.hook.start = /x"}}, r"config\[lxc.uts.name\].*one line"),
        ({"config": {"lxc.uts.name": "a\0"}}, "NUL"),
        ({"config": {"lxc.tty": 1, "lxc.tty.max": 2}}, "one spelling"),
        ({"config": {}, "container_config": ["lxc.tty.max=1"]}, "together"),
        ({"container_config": ["lxc.tty.max"]}, "key=value"),
        ({"config": {"lxc.uts.name": "a"}, "hostname": "b"}, "hostname: expected what config says for lxc.uts.name"),
        ({"container_config": ["lxc.uts.name=a"], "hostname": "b"}, "what container_config says"),
        ({"config": {"lxc.net.0.type": "veth"}, "network": []}, "config has lxc.net.0.type"),
        ({"hooks": {"pre-everything": "/x"}}, "pre-start"),
        ({"mounts": [{"source": "/x", "target": "/"}]}, "source and target"),
        ({"capabilities": {"drop": ["mknod", "sys_nothing"]}}, "'sys_nothing' for capabilities: expected a capability"),
        ({"config": {"lxc.cap.keep": "kill sys_nothing"}}, "'sys_nothing' for config.lxc.cap.keep.: expected a capability"),
        ({"mounts": [{"source": "/x", "target": "/a/../../etc"}]}, "without .."),
        ({"mounts": [{"source": "/x", "target": "/a", "options": ["bind 0 0\t"]}]}, "without blanks"),
        ({"cgroup": {"../memory.max": 1}}, "cgroup file"),
        ({"environment": {"A B": 1}}, "a name of letters"),
        ({"cgroup": {"memory.limit_in_bytes": "many"}}, r"'many' for cgroup\[memory.limit_in_bytes\]: expected a number of bytes"),
        ({"config": {"lxc.cgroup2.pids.max": "some"}}, r"'some' for config\[lxc.cgroup2.pids.max\]"),
        ({"cgroup": {"devices.allow": ["c 1:3 rwm", "zz 1:3 rwm"]}}, r"'zz 1:3 rwm' for cgroup\[devices.allow\]"),
        ({"mounts": [{"source": "/x", "target": "/a", "options": ["ro"]}]}, "bind or rbind among the options"),
        ({"mounts": [{"source": "/x", "target": "/a", "options": ["bind", "nonsense"]}]}, "nonsense is none"),
        ({"config": {"lxc.mount.entry": "/x a"}}, "SOURCE TARGET TYPE OPTIONS"),
        ({"config": {"lxc.mount.entry": ["/x ../a none bind 0 0"]}}, "a target without"),
        ({"config": {"lxc.rootfs.options": "ro noatime"}}, "commas between them"),
        *[
            ({"hostname": name}, "for hostname: expected a host name")
            for name in ("", " ", "a b", "a/b", "é", "-a", "..", "a..b", "a.", "a\tb")
        ],
        (
            {"config": {"lxc.rootfs.path": "rel"}},
            r"config\[lxc.rootfs.path\]: expected an absolute path, perhaps with the name of a backing",
        ),
        ({"config": {"lxc.rootfs.path": "foo:/x"}}, r"config\[lxc.rootfs.path\]"),
        ({"config": {"lxc.include": "rel"}}, r"config\[lxc.include\]: expected an absolute path"),
        ({"config": {"lxc.sysctl.a/../b": 1}}, "the name of a sysctl"),
        ({"config": {"lxc.prlimit.nonsense": 1}}, "'nonsense' for .*a limit of setrlimit"),
        ({"config": {"lxc.prlimit.nofile": "9:3"}}, "no higher soft limit"),
        ({"config": {"lxc.prlimit.nofile": "unlimited:3"}}, "no higher soft limit"),
        ({"network": [{"type": "veth", "mtu": "10"}]}, r"network\[0\].mtu: expected at least 68"),
        ({"network": [{"type": "veth", "hwaddr": "01:00:00:00:00:00"}]}, "an even number"),
        ({"network": [{"type": "veth", "name": "lo"}]}, "another name than lo"),
        ({"network": [{"type": "veth", "veth_pair": "lo"}]}, "another name than lo"),
        ({"network": [{"type": "vlan", "vlan_id": "5000"}]}, "from 0 to 4094"),
        ({"config": {"lxc.uts.name": "a b"}}, r"config\[lxc.uts.name\]: expected a host name"),
        ({"network": [{"link": "br0"}]}, "type"),
        ({"network": [{"type": "veth", "hwaddr": "001122"}]}, "MAC"),
        ({"network": [{"type": "veth", "name": "a\nb"}]}, r"network\[0\].name"),
    ],
)
def test_what_is_refused(params, said):
    with pytest.raises(errors.BadValue, match=said):
        collect(**params)


@pytest.mark.parametrize(
    ("params", "option", "value", "expected"),
    [
        ({"config": {"lxc.tty.max": "many"}}, "config[lxc.tty.max]", "'many'", "a whole number"),
        ({"container_config": ["lxc.signal.halt=SIGHALT"]}, "container_config[lxc.signal.halt]", "'SIGHALT'", "signal"),
        ({"arch": "pdp11"}, "arch", "'pdp11'", "x86_64"),
        ({"autostart": {"order": "first"}}, "autostart.order", "'first'", "a whole number"),
        ({"config": {"lxc.environment": "=secret"}}, "config[lxc.environment]", "'(not shown)'", "NAME"),
        ({"network": [{"type": "veth"}, {"type": "veth", "ipv4": ["10.0.0.1/40"]}]}, "network[1].ipv4", "'10.0.0.1/40'", "ADDRESS/PREFIX"),
        ({"network": [{"type": "veth", "mtu": "large"}]}, "network[0].mtu", "'large'", "a whole number"),
        ({"network": [{"type": "token-ring"}]}, "network[0].type", "'token-ring'", "veth"),
        ({"config": {"lxc.tty.max": [1, 2]}}, "config[lxc.tty.max]", "['1', '2']", "one value"),
        ({"config": {"lxc.sysctl.net.core.somaxconn": [1, 2]}}, "config[lxc.sysctl.net.core.somaxconn]", "['1', '2']", "one value"),
        ({"container_config": ["lxc.tty=1", "lxc.tty=2"]}, "container_config[lxc.tty.max]", "['1', '2']", "lxc.tty.max has only one"),
        ({"network": [{"type": "veth", "script_up": ["/a", "/b"]}]}, "network[0].script_up", "['/a', '/b']", "one value"),
    ],
)
def test_a_value_that_lxc_does_not_take_is_refused_with_the_option(params, option, value, expected):
    with pytest.raises(errors.BadValue) as caught:
        collect(**params)
    details = caught.value.details()
    assert (details["option"], details["value"]) == (option, value)
    assert expected in details["expected"]


def test_a_mac_that_yaml_made_a_number_says_quote_it():
    with pytest.raises(errors.BadValue) as caught:
        collect(network=[{"type": "veth", "hwaddr": "1122334455"}])
    assert "Quote it" in caught.value.hint


def test_a_misspelt_key_names_the_nearest():
    with pytest.raises(errors.BadValue) as caught:
        collect(config={"lxc.utsname.x": "a"})
    assert "lxc.uts.name" in caught.value.hint


def test_the_value_of_an_environment_variable_is_in_no_message():
    with pytest.raises(errors.BadValue) as caught:
        collect(environment={"A": "secret\n"})
    assert "secret" not in str(caught.value) + repr(caught.value.details()) and "environment[A]" in str(caught.value)


@pytest.mark.parametrize("network", [{"hwaddr": "00:16:3e:00:00:01"}, {"ipv4": ["10.0.0.1/24"]}, {"veth_pair": "x"}])
def test_what_two_containers_cannot_share(network):
    with pytest.raises(errors.BadValue, match="%n"):
        collect(several=True, network=[{"type": "veth", **network}])


def test_a_mac_with_random_digits_can_be_shared():
    assert collect(several=True, network=[{"type": "veth", "hwaddr": "00:16:3e:xx:xx:xx"}])[1]
