# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's lxc tools say of a container that we started, and do to it, what they say and do of one that lxc-start started."""

from __future__ import annotations

import hierarchies
import pytest
from parity import Both, Side

# A line: the status that the stock one has, the command, perhaps what it reads. After a | the status where there is no cgroup v1.
COMMANDS = {
    "info": """
        0 info
        0 info -s
        0 info -p
        0 info -i
        0 info -S
        0 info -H
        0 info -H -s -p -i -S
        0 info -sH
        0 info -c lxc.uts.name -c lxc.group -c lxc.rootfs.path
        0 info -c lxc.net.0.veth.pair
        0 info -H -c lxc.net.0.type
        0 info -c lxc.net
        0 info -c lxc.nonesuch
        1 info --nonesuch
        1 info -n nonesuch""",
    "ls": """
        0 ls
        0 ls -1
        0 ls -f
        0 ls -f -F NAME,STATE,PID,RAM,SWAP,AUTOSTART,GROUPS,INTERFACE,IPV4,IPV6,UNPRIVILEGED
        0 ls --active
        0 ls --active -f
        0 ls --running
        0 ls --frozen
        0 ls --stopped
        0 ls --defined
        0 ls -g web
        0 ls -g nonesuch
        0 ls --filter c.*
        0 ls nonesuch
        0 ls --nesting
        1 ls --nonesuch""",
    "attach": """
        0 attach -- /bin/true
        1 attach -- /bin/false
        42 attach -- /bin/sh -c 'exit 42'
        137 attach -- /bin/sh -c 'kill -KILL $$'
        143 attach -- /bin/sh -c 'kill -TERM $$'
        127 attach -- /nonesuch
        126 attach -- /etc/passwd
        127 attach -- nonesuch
        3 attach < echo read by the shell; exit 3
        0 attach -- /bin/cat < some lines
        0 attach -- /bin/sh -c 'echo out; echo err >&2'
        0 attach -- /bin/hostname
        0 attach -- /bin/id
        0 attach -- /bin/ls /proc/self/fd
        0 attach -- /bin/readlink /proc/self/cwd
        0 attach -- /bin/cat /proc/self/cgroup
        0 attach -- /bin/cat /proc/self/limits
        0 attach -- /bin/grep -E ^(Umask|Uid|Gid|Groups|Sig...|Cap...|NoNewPrivs|Seccomp|Cpus_allowed_list): /proc/self/status
        0 attach -- /bin/grep -E ^(Umask|Uid|Gid|Groups|Sig...|Cap...|NoNewPrivs|Seccomp|Cpus_allowed_list): /proc/1/status
        0 attach -- /bin/sh -c 'for n in /proc/self/ns/*; do [ $(readlink $n) = $(readlink /proc/1/ns/${n##*/}) ] && echo $n; done'
        1 attach -n nonesuch -- /bin/true
        1 attach --nonesuch -- /bin/true""",
    "attach's environment": """
        0 attach -- /bin/env
        0 attach --clear-env -- /bin/env
        0 attach --keep-env -- /bin/env
        0 attach -v A=1 -v B=two -- /bin/env
        0 attach --clear-env -v A=1 --keep-var HOME -- /bin/env""",
    "attach with a part": """
        0 attach -s NETWORK -- /bin/ip -4 -o addr
        0 attach -s 'NETWORK|UTSNAME' -- /bin/hostname
        0 attach -s MOUNT -- /bin/hostname
        0 attach -s 'MOUNT|PID' -- /bin/cat /proc/self/comm
        1 attach -s USER -- /bin/true
        0 attach -e -- /bin/id
        0 attach -e -- /bin/grep -E ^(Cap...|NoNewPrivs): /proc/self/status
        0 attach -e -- /bin/sh -c 'grep -v ^0: /proc/self/cgroup'
        0 attach --elevated-privileges=CGROUP -- /bin/sh -c 'grep -v ^0: /proc/self/cgroup'
        0 attach --elevated-privileges=CAP -- /bin/cat /proc/self/cgroup
        0 attach -a i686 -- /bin/uname -m
        0 attach -u 1000 -g 100 -- /bin/id
        0 attach -u 1000 -- /bin/id
        1 attach -R -- /bin/sh -c 'echo x > /proc/sys/kernel/hostname'
        0 attach -s NETWORK -R -- /bin/true""",
    "freeze": """
        0 freeze
        0 info
        0 info -sH
        0 ls -f
        0 ls --frozen
        0 ls --running
        0 ls --active
        0 wait -s FROZEN
        0 freeze
        0|1 cgroup freezer.state
        1 console -t 9
        0 unfreeze
        0 info -sH
        0 attach -- /bin/true
        0 unfreeze
        1 freeze -n nonesuch
        1 freeze --nonesuch""",
    "cgroup": """
        0|1 cgroup memory.limit_in_bytes
        0|1 cgroup memory.limit_in_bytes 64M
        0|1 cgroup memory.limit_in_bytes
        1 cgroup memory.nonesuch
        1 cgroup memory.nonesuch 1
        1 cgroup nonesuch.x
        0|1 cgroup cpu.shares 512
        0|1 cgroup cpu.shares
        1 cgroup cpu.shares nonsense
        0|1 cgroup cpuset.cpus
        0|1 cgroup pids.max 77
        0|1 cgroup pids.max
        0|1 cgroup devices.list
        0 cgroup devices.deny 'c 10:200 rwm'
        0|1 cgroup devices.list
        1 cgroup memory.max
        1 cgroup cgroup.procs
        1 cgroup""",
    "others": """
        0 device add /dev/kmsg
        0 attach -- /bin/stat -c '%F %u %g %t %T' /dev/kmsg
        0 device del /dev/kmsg
        1 attach -- /bin/ls /dev/kmsg
        1 device add /dev/nonesuch
        1 device nonsense /dev/full
        0 autostart -L -a
        1 start -n nonesuch
        1 stop --nolock -t 10
        1 stop --nonesuch
        1 checkpoint -s -D /nonesuch
        0 info -sH""",
}


# As LXC's common.conf has them. Without any, version 2's first rule of stock LXC takes everything else away, /dev/null too; not so ours.
RULES = ["deny = a", *(f"allow = {rule}" for rule in ("c *:* m", "b *:* m", "c 1:* rwm", "c 5:* rwm", "c 136:* rwm"))]
DEVICES = [f"lxc.cgroup{version}.devices.{rule}" for version in ("", "2") for rule in RULES]


@pytest.mark.parametrize("group", COMMANDS)
def test_a_running_one(both: Both, group: str) -> None:
    def scene(side: Side) -> None:
        for status, command, stdin in lines:
            assert side.run(command, stdin).status == status, side.said[-1]

    lines = []
    for line in COMMANDS[group].strip().splitlines():
        statuses, _blank, rest = line.strip().partition(" ")
        status = statuses.split("|")[0 if hierarchies.has(1) else -1]
        command, _mark, stdin = rest.partition(" < ")
        lines.append((int(status), command, stdin))
    both(scene, DEVICES)


# What a config has to do with it.
VARIANTS = {
    "the host's network": ["lxc.net.0.type = none"],
    "no network": ["lxc.net.0.type = empty"],
    "two networks": ["lxc.net.1.type = veth", "lxc.net.1.veth.pair = second0", "lxc.net.1.flags = up"],
    "dropped capabilities": ["lxc.cap.drop = sys_admin", "lxc.cap.drop = sys_time net_raw"],
    "kept capabilities": ["lxc.cap.keep = kill chown setuid setgid"],
    "no_new_privs": ["lxc.no_new_privs = 1"],
    "32 bits": ["lxc.arch = i686"],
    "environment": ["lxc.environment = A=1", "lxc.environment = B=two words"],
    "no terminals": ["lxc.console.path = none", "lxc.tty.max = 0"],
    "a cgroup of its own": ["lxc.cgroup.dir = par/ity"],
    "limits": ["lxc.cgroup.memory.limit_in_bytes = 64M", "lxc.cgroup.pids.max = 50", "lxc.prlimit.nofile = 123"],
    "no name": ["lxc.uts.name ="],
}
STATUS = "grep -E '^(Cap...|NoNewPrivs):' /proc/self/status; ulimit -n; uname -m; hostname; cat /proc/self/cgroup"


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_config_is_obeyed_by_both(both: Both, variant: str) -> None:
    def scene(side: Side) -> None:
        assert side.run("info").status == 0
        side.run("ls -f")
        assert side.run(f'attach -- /bin/sh -c "{STATUS}"').status == 0
        side.run("attach --clear-env -- /bin/env")
        side.run("cgroup memory.limit_in_bytes")
        side.run("console -t 3")
        side.run("console -t 0 -n nonesuch")
        assert side.run("freeze").status == side.run("unfreeze").status == side.run("stop -t 10").status == 0

    both(scene, VARIANTS[variant])


def test_each_state_can_be_waited_for(both: Both) -> None:
    def scene(side: Side) -> None:
        for command, status in {"RUNNING": 0, "RUNNING -t 0": 0, "'RUNNING|STOPPED' -t 5": 0, "STOPPED -n nonesuch": 0}.items():
            assert side.run(f"wait -s {command}").status == status
        assert side.run("wait -s nonsense -t 1").status == side.run("wait").status == 1
        others = ("STOPPED", "STARTING", "STOPPING", "ABORTING", "FREEZING", "FROZEN", "THAWED")
        begun = {state: side.begin(f"wait -s {state} -t 1") for state in others}
        assert {side.end(state, process).status for state, process in begun.items()} == {1}
        begun = side.waiters("FREEZING", "FROZEN", "THAWED")
        assert side.run("freeze").status == side.run("unfreeze").status == 0
        assert {side.end(state, process).status for state, process in begun.items()} == {0}

    both(scene)
