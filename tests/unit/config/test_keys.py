# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of keys in both spellings, and what values they take."""

from __future__ import annotations

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import keys, values
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError

LEGACY = {
    "lxc.utsname": "lxc.uts.name",
    "lxc.aa_profile": "lxc.apparmor.profile",
    "lxc.aa_allow_incomplete": "lxc.apparmor.allow_incomplete",
    "lxc.se_context": "lxc.selinux.context",
    "lxc.seccomp": "lxc.seccomp.profile",
    "lxc.id_map": "lxc.idmap",
    "lxc.pts": "lxc.pty.max",
    "lxc.tty": "lxc.tty.max",
    "lxc.devttydir": "lxc.tty.dir",
    "lxc.mount": "lxc.mount.fstab",
    "lxc.console": "lxc.console.path",
    "lxc.haltsignal": "lxc.signal.halt",
    "lxc.rebootsignal": "lxc.signal.reboot",
    "lxc.stopsignal": "lxc.signal.stop",
    "lxc.syslog": "lxc.log.syslog",
    "lxc.loglevel": "lxc.log.level",
    "lxc.logfile": "lxc.log.file",
    "lxc.init_cmd": "lxc.init.cmd",
    "lxc.init_uid": "lxc.init.uid",
    "lxc.init_gid": "lxc.init.gid",
    "lxc.limit": "lxc.prlimit",
    "lxc.limit.nofile": "lxc.prlimit.nofile",
    "lxc.rootfs": "lxc.rootfs.path",
    "lxc.network": "lxc.net",
    "lxc.network.type": "lxc.net.4.type",
    "lxc.network.ipv4": "lxc.net.4.ipv4.address",
    "lxc.network.ipv6": "lxc.net.4.ipv6.address",
    "lxc.network.ipv4.gateway": "lxc.net.4.ipv4.gateway",
    "lxc.network.veth.pair": "lxc.net.4.veth.pair",
    "lxc.network.script.up": "lxc.net.4.script.up",
    "lxc.network.1.ipv6": "lxc.net.1.ipv6.address",
}
# Every key that LXC 1.0 knew (its confile.c) and that is the same today.
UNCHANGED = """
    lxc.arch lxc.cgroup.memory.limit_in_bytes lxc.cgroup lxc.mount.entry lxc.mount.auto lxc.rootfs.mount lxc.rootfs.options
    lxc.hook.pre-start lxc.hook.pre-mount lxc.hook.mount lxc.hook.autodev lxc.hook.start lxc.hook.post-stop lxc.hook.clone
    lxc.cap.drop lxc.cap.keep lxc.console.logfile lxc.include lxc.autodev lxc.start.auto lxc.start.delay lxc.start.order lxc.group
""".split()


@pytest.mark.parametrize(("old", "new"), LEGACY.items())
def test_a_legacy_name_is_known_by_its_modern_one(old: str, new: str) -> None:
    match = keys.find(old, network=4)
    assert match is not None
    assert (match.name, match.legacy) == (new, True)
    again = keys.find(new)
    assert again is not None
    assert (again.name, again.legacy, again.key) == (new, False, match.key)


@pytest.mark.parametrize("name", UNCHANGED)
def test_a_name_that_never_changed(name: str) -> None:
    match = keys.find(name)
    assert match is not None
    assert (match.name, match.legacy) == (name, False)


@pytest.mark.parametrize("name", ["lxc.pivotdir", "lxc.kmsg", "lxc.rootfs.backend"])
def test_a_dropped_key_is_known_but_cannot_be_set(name: str) -> None:
    match = keys.find(name)
    assert match is not None
    assert match.key.kind == "dropped"
    with pytest.raises(ConfigError, match="LXC has none of that name"):
        keys.check(name, "1")


@pytest.mark.parametrize(
    "name",
    [
        "lxc.nosuch", "lxc.uts", "lxc.", "lxc.net.x.type", "lxc.net.0.nosuch", "lxc.net.type", "lxc.net.N.type", "lxc.net.0.ipv4",
        "lxc.cgroup.", "lxc.cgroup2x", "lxc.sysctl.", "lxc.namespace.share.", "lxc.namespace.share.disk", "lxc.hook.nosuch",
        "lxc.net.-1.type", "lxc.net.\u0663.type", "lxc.limit.", "utsname", "",
    ],
)  # fmt: skip
def test_no_such_key(name: str) -> None:
    assert keys.find(name) is None
    with pytest.raises(ConfigError, match="no such key"):
        keys.check(name, "1")


def test_parts_of_a_name() -> None:
    network = keys.find("lxc.net.12.veth.vlan.tagged.id")
    assert network is not None
    assert (network.index, network.suffix, network.key.name) == (12, "veth.vlan.tagged.id", "lxc.net.N.veth.vlan.tagged.id")
    cgroup = keys.find("lxc.cgroup2.io.max")
    assert cgroup is not None
    assert (cgroup.index, cgroup.suffix, cgroup.key.name) == (-1, "io.max", "lxc.cgroup2.")


GOOD = {
    "lxc.autodev": ["0", "1", "0x1", "01", ""],
    "lxc.start.order": ["-5", "+5", "0"],
    "lxc.signal.halt": ["SIGPWR", "sigrtmin+3", "SIGRTMAX-10", "30", "SIGCLD", "SIGSTKFLT", ""],
    "lxc.net.0.hwaddr": ["00:16:3e:xx:xx:xx", "00:16:3E:01:0X:ff"],
    "lxc.net.0.ipv4.address": ["10.0.3.5/24", "10.0.3.5/24 10.0.3.255", "10.0.3.5"],
    "lxc.net.0.ipv4.gateway": ["10.0.3.1", "auto", "dev"],
    "lxc.net.0.ipv6.address": ["fd00::1/64", "fd00::1", "::ffff:1.2.3.4/128"],
    "lxc.net.0.veth.vlan.id": ["none", "4094", "0"],
    "lxc.net.0.link": ["br0", "eth0.100", "phys+"],
    "lxc.log.level": ["DEBUG", "trace", "8"],
    "lxc.prlimit.nofile": ["1024", "1024:unlimited", "unlimited", "1 : 2", "5:"],
    "lxc.idmap": ["u 0 100000 65536"],
    "lxc.mount.auto": ["proc:mixed sys:ro cgroup:rw:force", "cgroup-full", "shmounts:/a:/b", "cgroup2:ro:force"],
    "lxc.console.size": ["auto", "16KB", "1 mb", "0"],
    "lxc.cap.drop": ["sys_module 38"],
    "lxc.cap.keep": ["none", "chown none"],
    "lxc.environment": ["A=1", "HOME"],
    "lxc.time.offset.boot": ["5s", "5 h", "-5s", "7ms"],
    "lxc.seccomp.notify.proxy": ["unix:/run/x"],
    "lxc.cgroup.dir": ["a/b", "a..b"],
    "lxc.init.groups": ["1,2", "1, 2"],
}
BAD = {
    "lxc.autodev": ["2", "yes", "true", "-0x", "1_0", "\u0661"],
    "lxc.tty.max": ["-1", "4294967296", "1.5", "0b1", "0o7", "09", "+ 1"],
    "lxc.start.order": ["--5", "1_000", "x"],
    "lxc.signal.halt": ["PWR", "SIGRTMIN", "SIGRTMIN+99", "SIGNOSUCH", "SIG_DFL", "65", "-1"],
    "lxc.net.0.hwaddr": ["00:16:3e:01:02", "00163e010203", "00:16:3e:01:02:gg", "1.5e3"],
    "lxc.net.0.ipv4.address": ["10.0.3.5/33", "10.0.3/24", "10.0.3.5/-1", "10.0.3.5/24 x", "fd00::1/64"],
    "lxc.net.0.ipv4.gateway": ["10.0.3.1/24", "none"],
    "lxc.net.0.ipv6.address": ["fd00::1/129", "10.0.0.1"],
    "lxc.net.0.veth.ipv4.route": ["10.0.0.0"],
    "lxc.net.0.veth.vlan.id": ["4095", "-1"],
    "lxc.net.0.type": ["VETH", "bridge"],
    "lxc.net.0.link": ["a b", "sixteen-letters-", "a/b"],
    "lxc.net.0.flags": ["down"],
    "lxc.net": ["x"],
    "lxc.hook": ["x"],
    "lxc.log.level": ["LOUD", "9"],
    "lxc.log.syslog": ["user"],
    "lxc.arch": ["z80", ""],
    "lxc.mount.fstab": [""],
    "lxc.prlimit.nofile": ["x", "1:2:3", "infinity", "-1"],
    "lxc.idmap": ["u 0 100000", "x 0 1 2", "u 0 -1 5"],
    "lxc.mount.auto": ["proc:ro", "cgroup:rw:now", "shmounts:", "nosuch"],
    "lxc.console.size": ["16K", "1TB", "-1", "KB"],
    "lxc.cap.drop": ["CAP_CHOWN", "none", "chown,setuid"],
    "lxc.namespace.keep": ["disk"],
    "lxc.time.offset.boot": ["5", "5  s", "-5h", "s"],
    "lxc.cgroup.dir": ["/a", "a/../b"],
    "lxc.cgroup.dir.container.inner": ["a/b", ".."],
    "lxc.rootfs.options": ["ro,create=dir", "optional"],
    "lxc.seccomp.notify.proxy": ["/run/x"],
    "lxc.init.groups": ["1;2", "-1"],
    "lxc.uts.name": ["x" * 65, "a\nlxc.hook.pre-start = /evil", "a\0b", "a\r"],
    "lxc.mount.entry": ["a\nb"],
    "lxc.environment": ["A=1\n", "=x"],
    "lxc.net.0.veth.n_rxqueues": ["0"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, found in GOOD.items() for value in found])
def test_a_good_value(name: str, value: str) -> None:
    keys.check(name, value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, found in BAD.items() for value in found])
def test_a_bad_value_says_where_and_what_was_expected(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match="expected") as caught:
        keys.check(name, value, ("/x/config", 7))
    assert (caught.value.file, caught.value.line, caught.value.key) == ("/x/config", 7, name)
    assert caught.value.message.startswith("/x/config:7: " + name)


def test_the_value_of_a_variable_stays_out_of_the_message() -> None:
    with pytest.raises(ConfigError) as caught:
        keys.check("lxc.environment", "PASSWORD=secret\nx")
    assert "secret" not in caught.value.message


def test_every_kind_of_a_row_has_a_check() -> None:
    kinds = {key.kind for key in keys.KEYS}
    assert kinds - set(values._CHECKS) == {"text"}
    assert set(values._CHECKS) - kinds == set()


@pytest.mark.parametrize(("text", "number"), [("SIGPWR", 30), ("SIGRTMIN+3", 37), ("SIGRTMAX-1", 63), ("0x9", 9), ("SIGUNUSED", 31)])
def test_signal_numbers(text: str, number: int) -> None:
    assert values.signal_number(text) == number
