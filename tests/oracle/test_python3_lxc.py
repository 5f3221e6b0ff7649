# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading and writing of configs against liblxc's, by Debian's python3-lxc. Needs no root.

Skipped where `import _lxc` fails in /usr/bin/python3, unless HOSTKIT_REQUIRE_ORACLE=1 says that it must be there.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import edit, items, keys, parser, writer
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import ConfigError

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("liblxc.py")
Ask = Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]

# At least one good value for every key; of a family and a network as users write them.
SAMPLES: dict[str, list[str]] = {
    "lxc.arch": ["x86_64", "armhf", "linux32"],
    "lxc.apparmor.profile": ["unconfined", "lxc-container-default-cgns"],
    "lxc.apparmor.allow_incomplete": ["1"],
    "lxc.apparmor.allow_nesting": ["1"],
    "lxc.apparmor.raw": ["mount,", "ptrace (read),"],
    "lxc.autodev": ["0", "1", "0x1"],
    "lxc.autodev.tmpfs.size": ["1000000", "-1"],
    "lxc.cap.drop": ["sys_module mac_admin", "sys_time\tsys_rawio", "mac_override"],
    "lxc.cap.keep": ["chown setuid", "none", "kill none net_raw"],
    "lxc.cgroup.memory.limit_in_bytes": ["256M"],
    "lxc.cgroup.devices.allow": ["c 1:3 rwm", "c 1:5 rwm"],
    "lxc.cgroup.devices.deny": ["a"],
    "lxc.cgroup2.memory.max": ["512M", "1G"],
    "lxc.cgroup.dir": ["lxc//x/./y/", "a"],
    "lxc.cgroup.dir.container": ["payload/p1"],
    "lxc.cgroup.dir.container.inner": ["ns"],
    "lxc.cgroup.dir.monitor": ["monitor/p1"],
    "lxc.cgroup.dir.monitor.pivot": ["pivot"],
    "lxc.cgroup.relative": ["1"],
    "lxc.console.buffer.size": ["auto", "16KB", "100", "5000"],
    "lxc.console.logfile": ["/var//log/./x/"],
    "lxc.console.path": ["none", "/dev/tty9"],
    "lxc.console.rotate": ["1"],
    "lxc.console.size": ["1 MB", "auto", "4096"],
    "lxc.environment": ["A=1", "B=x y = z", "C="],
    "lxc.ephemeral": ["1"],
    "lxc.execute.cmd": ["/bin/sh -c true"],
    "lxc.group": ["onboot web", "a,b", "x\ty"],
    "lxc.hook.autodev": ["/bin/a b"],
    "lxc.hook.clone": ["/bin/a"],
    "lxc.hook.destroy": ["/bin/a"],
    "lxc.hook.mount": ["/bin/a"],
    "lxc.hook.post-stop": ["/bin/a"],
    "lxc.hook.pre-mount": ["/bin/a"],
    "lxc.hook.pre-start": ["/bin/a", "/bin/b c"],
    "lxc.hook.start": ["/bin/a"],
    "lxc.hook.start-host": ["/bin/a"],
    "lxc.hook.stop": ["/bin/a"],
    "lxc.hook.version": ["1", "0"],
    "lxc.idmap": ["u 0 100000 65536", "g  0\t100000 65536"],
    "lxc.init.cmd": ["/sbin/init --x"],
    "lxc.init.cwd": ["/root/"],
    "lxc.init.gid": ["1000"],
    "lxc.init.groups": ["10,20", "30"],
    "lxc.init.uid": ["1000", "010"],
    "lxc.keyring.session": ["1", "0"],
    "lxc.log.file": ["/dev/null"],
    "lxc.log.level": ["debug", "5", "Trace"],
    "lxc.log.syslog": ["daemon", "local3"],
    "lxc.monitor.signal.pdeath": ["SIGTERM", "9"],
    "lxc.monitor.unshare": ["1"],
    "lxc.mount.auto": ["proc sys:ro", "cgroup:rw:force", "proc:rw", "cgroup-full", "cgroup2:ro"],
    "lxc.mount.entry": ["proc proc proc nodev 0 0", "/a b none bind,create=dir 0 0"],
    "lxc.mount.fstab": ["/etc//fstab"],
    "lxc.namespace.clone": ["pid mnt", "uts"],
    "lxc.namespace.keep": ["net Ipc", "user"],
    "lxc.namespace.share.net": ["1234"],
    "lxc.no_new_privs": ["1"],
    "lxc.prlimit.nofile": ["1024:4096", "unlimited", "10 : unlimited", "7"],
    "lxc.proc.oom_score_adj": ["10"],
    "lxc.pty.max": ["1024"],
    "lxc.rootfs.managed": ["0"],
    "lxc.rootfs.mount": ["/usr//lib/x/"],
    "lxc.rootfs.options": ["ro,noatime", "idmap=container"],
    "lxc.rootfs.path": ["dir:/var/lib//lxc/x/rootfs/", "/srv/x", "overlay:/a:/b"],
    "lxc.sched.core": ["1"],
    "lxc.seccomp.allow_nesting": ["1"],
    "lxc.seccomp.notify.cookie": ["x y"],
    "lxc.seccomp.notify.proxy": ["unix:/run/p.sock"],
    "lxc.seccomp.profile": ["/usr/share//x"],
    "lxc.selinux.context": ["system_u:system_r:lxc_t:s0:c22"],
    "lxc.selinux.context.keyring": ["system_u:system_r:lxc_t:s0"],
    "lxc.signal.halt": ["SIGRTMIN+3", "SIGPWR", "sigrtmax-2"],
    "lxc.signal.reboot": ["SIGINT", "2"],
    "lxc.signal.stop": ["SIGKILL", "0x9"],
    "lxc.start.auto": ["1"],
    "lxc.start.delay": ["5"],
    "lxc.start.order": ["-3", "+7"],
    "lxc.sysctl.net.ipv4.ip_forward": ["1"],
    "lxc.time.offset.boot": ["5 s", "3h"],
    "lxc.time.offset.monotonic": ["4m", "-3 s"],
    "lxc.tty.dir": ["lxc"],
    "lxc.tty.max": ["4"],
    "lxc.uts.name": ["p1", "'quoted'"],
}
NETWORKS: dict[str, dict[str, list[str]]] = {
    "veth": {
        "veth.pair": ["p1-0"],
        "veth.mode": ["router", "bridge"],
        "veth.ipv4.route": ["192.168.1.0/24", "10.9.0.0/16"],
        "veth.ipv6.route": ["2001:db8:0::/64"],
        "veth.vlan.id": ["17"],
        "veth.vlan.tagged.id": ["5", "6"],
        "link": ["lxcbr0"],
        "flags": ["up"],
        "mtu": ["1400"],
        "name": ["eth0"],
        "hwaddr": ["00:16:3e:01:02:03"],
        "ipv4.address": ["10.0.3.5/24", "10.0.3.6/24 10.0.3.255", "192.168.1.200", "200.1.1.130"],
        "ipv4.gateway": ["10.0.3.1", "auto", "dev"],
        "ipv6.address": ["2001:DB8::0005/64", "fd00::1"],
        "ipv6.gateway": ["fe80::1", "auto", "dev"],
        "script.up": ["/bin/up x"],
        "script.down": ["/bin/down"],
        "l2proxy": ["1", "0"],
    },
    "macvlan": {"macvlan.mode": ["bridge", "passthru"], "link": ["eth0"]},
    "ipvlan": {"ipvlan.mode": ["l3", "l3s", "l2"], "ipvlan.isolation": ["vepa"], "link": ["eth0"]},
    "vlan": {"vlan.id": ["10"], "link": ["eth0"]},
    "phys": {"link": ["eth1"]},
    "empty": {},
    "none": {},
}
# LXC prints these even where nothing is set: "(null)", or where it was built to look.
NEVER_EMPTY = {"lxc.rootfs.mount": "/usr/lib/x86_64-linux-gnu/lxc/rootfs"}
ALL_KEYS = [*SAMPLES, *(f"lxc.net.{index}.{word}" for index in range(3) for kind in NETWORKS.values() for word in ["type", *kind])]
ALL_KEYS += ["lxc.cgroup", "lxc.cgroup2", "lxc.sysctl", "lxc.proc", "lxc.prlimit", "lxc.net", "lxc.hook", "lxc.net.0"]


@pytest.fixture(scope="module")
def ask() -> Ask:
    probe = subprocess.run([PYTHON, "-c", "import _lxc"], capture_output=True, text=True, check=False) if os.path.exists(PYTHON) else None
    if probe is None or probe.returncode:
        if os.environ.get("HOSTKIT_REQUIRE_ORACLE") == "1":
            pytest.fail(f"python3-lxc is required: {probe.stderr if probe else 'no ' + PYTHON}")
        pytest.skip("no python3-lxc in /usr/bin/python3")

    def run(jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        given = [{"keys": ALL_KEYS, **job} for job in jobs]
        done = subprocess.run([PYTHON, str(SCRIPT)], input=json.dumps({"jobs": given}), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        known.extend(answer["keys"])
        return answer["answers"]

    return run


known: list[str] = []


def network(index: int, kind: str) -> list[tuple[str, str]]:
    lines = [(f"lxc.net.{index}.type", kind)]
    return lines + [(f"lxc.net.{index}.{word}", value) for word, found in NETWORKS[kind].items() for value in found]


def lines_of(*names: str) -> list[tuple[str, str]]:
    return [(name, value) for name in names for value in SAMPLES[name]]


def as_lxc(value: Optional[str]) -> Optional[str]:
    return None if value in ("", "(null)") else value


def ours(text: str) -> Optional[dict[str, Optional[str]]]:
    try:
        config = parser.loads(text)
    except ConfigError:
        return None
    return {key: items.item(config, key) for key in ALL_KEYS}


def differences(text: str, answer: dict[str, Any]) -> list[str]:
    mine = ours(text)
    if mine is None or not answer["loaded"]:
        return [] if (mine is None) == (not answer["loaded"]) else [f"loaded: LXC {answer['loaded']}, we {mine is not None}\n{text}"]
    return [
        f"{key}: LXC {answer['items'][key]!r}, we {mine[key]!r}\n{text}"
        for key in ALL_KEYS
        if as_lxc(answer["items"][key]) != (mine[key] or NEVER_EMPTY.get(key))
    ]


def test_every_key_of_liblxc_has_a_row_and_a_sample(ask: Ask) -> None:
    ask([])
    assert len(known) > 80
    here = {name.split(".N")[0] for name in (key.name.rstrip(".") for key in keys.KEYS if key.kind != "dropped")}
    assert set(known) - here == set()
    groups = {"lxc.net", "lxc.hook", "lxc.include", "lxc.cgroup", "lxc.cgroup2", "lxc.prlimit", "lxc.proc", "lxc.sysctl"}
    assert set(known) - set(SAMPLES) == groups
    rows = {key.name[len("lxc.net.N.") :] for key in keys.KEYS if key.name.startswith("lxc.net.N.")}
    assert rows - {word for kind in NETWORKS.values() for word in kind} == {"type", "veth.n_rxqueues", "veth.n_txqueues"}


def test_nothing_set(ask: Ask) -> None:
    assert differences("", ask([{"text": "\n"}])[0]) == []


def test_what_we_write_lxc_loads_with_equal_values(ask: Ask) -> None:
    texts = [writer.render([(name, value)]) for name, found in SAMPLES.items() for value in found]
    texts += [writer.render(lines_of(name)) for name, found in SAMPLES.items() if len(found) > 1]
    texts += [writer.render(network(0, kind)) for kind in NETWORKS]
    texts += [writer.render([*network(2, "veth"), *network(0, "macvlan"), *network(1, "vlan")])]
    texts += [writer.render(lines_of(*(name for name in SAMPLES if name not in ("lxc.cap.keep", "lxc.namespace.keep"))))]
    answers = ask([{"text": text} for text in texts])
    assert [text for text, answer in zip(texts, answers) if not answer["loaded"]] == []
    assert [found for text, answer in zip(texts, answers) for found in differences(text, answer)] == []


def test_what_lxc_saves_we_load_with_equal_values(ask: Ask) -> None:
    # LXC gives the file of a container with lxc.idmap to its mapped root by newuidmap, which is not everywhere.
    samples = {name: found for name, found in SAMPLES.items() if name not in ("lxc.idmap", "lxc.cap.keep", "lxc.namespace.keep")}
    sets = [lines_of(name) for name in samples] + [lines_of("lxc.cap.keep"), lines_of("lxc.namespace.keep")]
    sets += [network(0, kind) for kind in NETWORKS]
    sets += [lines_of(*samples)]
    # It writes quotes that belong to a value as they are, and loses them itself when it loads that.
    sets = [[pair for pair in pairs if pair[1] != "'quoted'"] for pairs in sets]
    answers = ask([{"set": pairs} for pairs in sets])
    assert [pairs for pairs, answer in zip(sets, answers) if not answer["saved"]] == []
    assert [found for answer in answers for found in differences(answer["saved"], answer)] == []


# What LXC 1.0 to 2.1 wrote; LXC refuses it since 3.0.
LEGACY = """\
lxc.utsname = p1
lxc.pts = 1024
lxc.tty = 4
lxc.devttydir = lxc
lxc.kmsg = 0
lxc.pivotdir = lxc_putold
lxc.arch = amd64
lxc.aa_profile = unconfined
lxc.aa_allow_incomplete = 1
lxc.se_context = system_u:system_r:lxc_t:s0
lxc.seccomp = /usr/share/lxc/config/common.seccomp
lxc.id_map = u 0 100000 65536
lxc.mount = /var/lib/lxc/p1/fstab
lxc.mount.entry = /dev/dri dev/dri none bind,optional,create=dir
lxc.rootfs.backend = dir
lxc.rootfs = /var/lib/lxc/p1/rootfs
lxc.console = none
lxc.haltsignal = SIGRTMIN+4
lxc.rebootsignal = SIGTERM
lxc.stopsignal = SIGRTMIN+14
lxc.loglevel = 1
lxc.logfile = /dev/null
lxc.syslog = daemon
lxc.init_cmd = /sbin/init
lxc.init_uid = 0
lxc.init_gid = 0
lxc.limit.nofile = 1024
lxc.cgroup.devices.deny = a
lxc.cgroup.devices.allow = c *:* m
lxc.network.type = veth
lxc.network.flags = up
lxc.network.link = lxcbr0
lxc.network.hwaddr = 00:16:3e:01:02:03
lxc.network.veth.pair = p1-0
lxc.network.ipv4 = 10.0.3.5/24 10.0.3.255
lxc.network.ipv4.gateway = auto
lxc.network.ipv6 = fd00::5/64
lxc.network.type = vlan
lxc.network.vlan.id = 7
lxc.network.script.up = /bin/true
lxc.network.type = macvlan
lxc.network.macvlan.mode = bridge
lxc.network.mtu = 1400
"""


def test_an_upgraded_legacy_file_is_one_that_lxc_reads_as_we_read_the_old(ask: Ask) -> None:
    upgraded = edit.edit(LEGACY, {"lxc.start.auto": "1"})
    assert differences(upgraded, ask([{"text": upgraded}])[0]) == []
    assert ours(upgraded) == ours(LEGACY + "lxc.start.auto = 1\n")


# How lines are read and what they do to each other.
SCENES = [
    "lxc.uts.name=p1",
    "  lxc.uts.name\t =\t p1 \t\n",
    'lxc.uts.name = "a b"\n',
    "lxc.uts.name = 'a\"\n",
    "lxc.uts.name = '\n",
    "lxc.uts.name = a # b\n",
    "# lxc.uts.name = a\nuts.name = b\n\tlxc.uts.name = c",
    "lxc.uts.name = a\nlxc.uts.name = b\nlxc.uts.name =\n",
    "lxc.uts.name\n",
    "lxc.nosuch = 1\n",
    "lxc.cgroup2x = 1\n",
    "lxc.autodev = 2\n",
    "lxc.autodev =\nlxc.autodev.tmpfs.size =\nlxc.monitor.signal.pdeath =\n",
    "lxc.arch = z80\n",
    "lxc.arch =\n",
    "lxc.mount.fstab =\n",
    "lxc.signal.halt = PWR\n",
    "lxc.signal.halt = SIGRTMIN\n",
    "lxc.signal.halt = SIGRTMIN+99\n",
    "lxc.start.order = 1_0\n",
    "lxc.idmap = u 0 1\n",
    "lxc.idmap = x 0 1 2\n",
    "lxc.prlimit.nofile = 1:2:3\n",
    "lxc.time.offset.boot = 5\n",
    "lxc.time.offset.boot = -5s\n",
    "lxc.time.offset.boot = -5h\n",
    "lxc.time.offset.monotonic = -5ns\n",
    "lxc.time.offset.monotonic = 7us\n",
    "lxc.time.offset.boot = 7ms\n",
    "lxc.time.offset.monotonic = 5 ns\n",
    "lxc.time.offset.monotonic = -5ms\n",
    "lxc.tty.max = -1\n",
    "lxc.tty.max = 1x\n",
    "lxc.tty.max = 09\n",
    "lxc.console.size = 2TB\n",
    "lxc.mount.auto = proc:ro\n",
    "lxc.mount.auto = proc\nlxc.mount.auto =\nlxc.mount.auto = sys\n",
    "lxc.cap.drop = a\nlxc.cap.keep = chown\n",
    "lxc.cap.drop = none\n",
    "lxc.cap.drop = sys_time\nlxc.cap.keep =\nlxc.cap.keep = chown\n",
    "lxc.cap.drop = sys_time\nlxc.cap.drop =\nlxc.cap.drop = chown\n",
    "lxc.namespace.clone = net\nlxc.namespace.keep = pid\n",
    "lxc.namespace.clone = foo\n",
    "lxc.namespace.share.foo = 1\n",
    "lxc.hook.pre-start = /a\nlxc.hook.start = /b\nlxc.hook.version = 1\nlxc.hook =\nlxc.hook.start = /c\n",
    "lxc.hook = /a\n",
    "lxc.hook.nosuch = /a\n",
    "lxc.cgroup.dir = x\nlxc.cgroup.memory.a = 1\nlxc.cgroup2.b.c = 2\nlxc.cgroup =\n",
    "lxc.cgroup.a.b = 1\nlxc.cgroup.a.c = 2\nlxc.cgroup.a.b =\nlxc.cgroup.a.b = 3\n",
    "lxc.cgroup.dir = /abs\n",
    "lxc.cgroup.dir = a/../b\n",
    "lxc.cgroup.dir.container.inner = a/b\n",
    "lxc.sysctl.a.b = 1\nlxc.sysctl.c = 2\nlxc.sysctl.a.b = 3\n",
    "lxc.sysctl.a = 1\nlxc.sysctl =\nlxc.proc.x = 1\nlxc.proc.oom_score_adj = 2\nlxc.proc.oom_score_adj = 3\n",
    "lxc.environment = A=1\nlxc.environment =\nlxc.environment = B=2\n",
    "lxc.rootfs.options = create=dir\n",
    "lxc.net.0.link = br0\n",
    "lxc.net.0.link = br0\nlxc.net.0.type = veth\nlxc.net.0.name = eth0\n",
    "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.type = phys\n",
    "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.link =\n",
    "lxc.net.0.type = veth\nlxc.net.1.type = phys\nlxc.net.0 =\n",
    "lxc.net.0.type = veth\nlxc.net.1.type = phys\nlxc.net =\nlxc.net.2.type = empty\n",
    "lxc.net = x\n",
    "lxc.net.0.type = phys\nlxc.net.0.veth.pair = x\n",
    "lxc.net.0.veth.pair = x\n",
    "lxc.net.0.type = carrier\n",
    "lxc.net.0.nosuch = 1\n",
    "lxc.net.x.type = veth\n",
    "lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.0.0.1/33\n",
    "lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.0.0/24\n",
    "lxc.net.0.type = veth\nlxc.net.0.ipv4.gateway = x\n",
    "lxc.net.0.type = veth\nlxc.net.0.ipv6.address = ::g\n",
    "lxc.net.0.type = veth\nlxc.net.0.veth.ipv4.route = 10.0.0.0\n",
    "lxc.net.0.type = veth\nlxc.net.0.veth.vlan.id = 4095\n",
    "lxc.net.0.type = veth\nlxc.net.0.veth.n_rxqueues = 0\n",
    "lxc.net.0.type = veth\nlxc.net.0.l2proxy = 2\n",
    "lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.0.0.1/8\nlxc.net.0.ipv4.address =\nlxc.net.0.ipv4.address = 10.0.0.2/8\n",
    "lxc.log.level = error\n",
]


@pytest.mark.parametrize("text", SCENES)
def test_lines_are_read_as_lxc_reads_them(ask: Ask, text: str) -> None:
    assert differences(text, ask([{"text": text}])[0]) == []


def test_lines_in_any_order_do_what_lxc_lets_them_do(ask: Ask) -> None:
    pick = random.Random(5)
    pool = [*lines_of(*SAMPLES), *((name, "") for name in SAMPLES if name not in ("lxc.arch", "lxc.mount.fstab"))]
    pool = [pair for pair in pool if pair[0] not in ("lxc.log.file", "lxc.log.syslog", "lxc.rootfs.mount")]
    pool += [(name, "") for name in ("lxc.cgroup", "lxc.hook", "lxc.sysctl", "lxc.proc", "lxc.prlimit", "lxc.cgroup2")]
    texts = []
    for _round in range(150):
        pairs = pick.sample(pool, 40)
        for index in range(3):
            kind = pick.choice(list(NETWORKS))
            pairs += [network(index, kind)[0], *pick.sample(network(index, kind), min(4, len(NETWORKS[kind])))]
        texts.append("".join(writer.line(name, value) + "\n" for name, value in pairs))
    answers = ask([{"text": text} for text in texts])
    assert sum(answer["loaded"] for answer in answers) > 20
    assert [found for text, answer in zip(texts, answers) for found in differences(text, answer)] == []
