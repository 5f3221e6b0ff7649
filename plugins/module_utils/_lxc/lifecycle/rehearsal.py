# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch works out without touching anything, done once before the first fork, with a config that says something of most kinds.

Expressions are compiled then (2 ms each), and the interpreter has made its code quicker in place: each launcher would do so
again, in pages of its own.
"""

from __future__ import annotations

from ..cgroup import devices
from ..config import parser
from ..kernel import mount
from ..network import base, types
from ..paths import Container
from ..rootfs import automounts, mounts
from ..storage import backends
from . import clocks, hooks, init, namespaces, unapplied

_CONTAINER = Container("/var/lib/lxc", "rehearsal")
_ROUNDS = 8  # so many calls it takes before the interpreter looks at a function
_CONFIG = """
lxc.rootfs.path = dir:/rootfs
lxc.rootfs.options = noatime
lxc.uts.name = rehearsal
lxc.arch = x86_64
lxc.autodev.tmpfs.size = 500000
lxc.init.cmd = /sbin/init
lxc.init.uid = 0
lxc.init.groups = 1,2
lxc.signal.halt = SIGPWR
lxc.signal.stop = SIGRTMIN+3
lxc.tty.max = 4
lxc.pty.max = 1024
lxc.console.buffer.size = auto
lxc.console.size = 1MB
lxc.console.logfile = /var/log/lxc/rehearsal.console
lxc.log.level = INFO
lxc.environment = LANG=C.UTF-8
lxc.start.auto = 1
lxc.group = onboot
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.mount.entry = tmpfs tmp tmpfs nosuid,nodev,size=1m,create=dir 0 0
lxc.cap.drop = sys_module mac_admin mac_override sys_time
lxc.cgroup.devices.deny = a
lxc.cgroup2.memory.max = 1073741824
lxc.cgroup2.devices.deny = a
lxc.cgroup2.devices.allow = c 1:3 rwm
lxc.cgroup2.devices.allow = b *:* m
lxc.prlimit.nofile = 1024:4096
lxc.sysctl.net.ipv4.ip_forward = 1
lxc.time.offset.boot = 1s
lxc.apparmor.profile = unconfined
lxc.hook.version = 1
lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.mtu = 1500
lxc.net.0.hwaddr = 00:16:3e:xx:xx:xx
lxc.net.0.veth.pair = vethrehearsal
lxc.net.0.ipv4.address = 10.0.3.2/24
lxc.net.0.ipv4.gateway = 10.0.3.1
lxc.net.0.ipv6.address = fd00::2/64
lxc.net.0.ipv6.gateway = auto
"""


def rehearse() -> None:
    """Raises what would be wrong with every launch."""
    for _round in range(_ROUNDS):
        config = parser.loads(_CONFIG, _CONTAINER.config)
        unapplied.warnings(config)
        namespaces.own(config, types.shares_host(config.networks))
        init.intend(config, hooks.environment(_CONTAINER, config, "/"))
        devices.program(devices.wanted(config)[0] or devices.Rules())
        clocks.nanoseconds(config.get("lxc.time.offset.boot"), "lxc.time.offset.boot")
        automounts.parse(config.get_list("lxc.mount.auto"))
        for entry in mounts.entries(config):
            mount.parse_options(entry.options)
        for network in types.named(config.networks):
            base.host_name(_CONTAINER, network.index)
            base.mark(_CONTAINER, network.index)
        parser.from_pairs(config.pairs(), _CONTAINER.config)
    backends.preload("overlay:/:/")
    backends.preload(config.rootfs_path)
    types.preload(config.networks)
