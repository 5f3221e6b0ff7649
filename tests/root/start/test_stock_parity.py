# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's lxc tools say of a container that we started, and do to it, what they say and do of one that lxc-start started."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import hierarchies
import parity
import pytest
from parity import Both, Side
from patience import until

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


KINDS = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop", "post-stop")
ENDING = ("down", "stop", "post-stop")
# Nothing but its hooks goes on in it, and no console is there to be spoken to.
QUIET_INIT = "#!/bin/sh\ntrap 'exit 0' PWR\ntrap '/bin/reboot -f' INT\necho > /ready\nwhile :; do sleep 3600 & wait $!; done\n"
# Each has a file of its own: of those before RUNNING some are run at the same time.
HOOK = """#!/bin/sh
kind=${0##*/}
number=0
while ! mkdir DUMP/$kind.$number 2>/dev/null; do number=$((number+1)); done
{ for word; do echo "argument $word"; done; env | grep -E '^(LXC_|FROM_CONFIG=)' | sort; } > DUMP/$kind.$number/said
echo $kind.$number >> DUMP/order
"""


def with_hooks(directory: Path, version: int) -> list[str]:
    """The config lines for a hook of each kind, which notes below `directory`/dump what it was given."""
    hooks, dump = directory / "hooks", directory / "dump"
    for path in (hooks, dump, hooks / "dump"):
        path.mkdir()
    for kind in (*KINDS, "up", "down"):
        place = "/hooks/dump" if kind == "start" else str(dump)
        (hooks / kind).write_text(HOOK.replace("DUMP", place))
        (hooks / kind).chmod(0o755)
    return [
        "lxc.net.0.type = veth",
        f"lxc.net.0.link = {parity.BRIDGE}",
        "lxc.net.0.flags = up",
        f"lxc.net.0.script.up = {hooks}/up own",
        f"lxc.net.0.script.down = {hooks}/down own",
        "lxc.console.path = none",
        f"lxc.console.logfile = {directory}/console.log",
        f"lxc.mount.entry = {hooks} hooks none bind,create=dir 0 0",
        f"lxc.mount.entry = {dump} hooks/dump none bind,create=dir 0 0",
        f"lxc.hook.version = {version}",
        "lxc.hook.start = /hooks/start",  # LXC wants the file by that name to be there: no words of its own
        *(f"lxc.hook.{kind} = {hooks}/{kind} own words" for kind in KINDS if kind != "start"),
    ]


def given(side: Side, place: Path, pid: int) -> list[str]:
    """What one of them was given, without what is each starter's own: the place of the mount, a descriptor's, the level it was told."""
    text = side.same(place.read_bytes(), pid)
    text = re.sub(r"/proc/[0-9]+/fd/[0-9]+", "<descriptor>", text)
    text = re.sub(r"(?m)^LXC_ROOTFS_MOUNT=/.*", "LXC_ROOTFS_MOUNT=<mount>", text)
    text = re.sub(rf"(?m)^LXC_LOG_LEVEL={'INFO' if side.starter == 'stock' else 'DEBUG'}$", "LXC_LOG_LEVEL=<as asked>", text)
    return [line for line in text.splitlines() if not is_stale(place.parent.name.partition(".")[0], line)]


def is_stale(kind: str, line: str) -> bool:
    """LXC puts them into its monitor's own environment and never takes one away: what an earlier hook was given, a later one has, too."""
    return line.startswith("LXC_TARGET=" if kind in ("up", "down") else ("LXC_NET_TYPE=", "LXC_NET_PARENT=", "LXC_NET_PEER="))


@pytest.mark.parametrize("version", [0, 1])
def test_each_hook_is_given_the_same(both: Both, tmp_path: Path, version: int) -> None:
    """At a start, at the reboot that ends it, and at the stop of what that has started."""
    dump = tmp_path / "dump"

    def scene(side: Side) -> None:
        pids = [side.pid]
        side.ready.unlink()
        assert side.run("stop -r").status == 0
        until(lambda: side.pid not in (0, pids[0]) and side.ready.exists(), "it runs again")
        pids.append(side.pid)
        assert side.run("stop").status == 0
        until(lambda: (dump / "order").read_text().count("post-stop") == 2, "the last hook has run")
        for kind in (*KINDS, "up", "down"):
            for number in (0, 1) if kind in ENDING else (0,):
                side.said.append((kind, number, given(side, dump / f"{kind}.{number}/said", pids[number])))
        side.said.append([kind for kind in (dump / "order").read_text().split() if kind.partition(".")[0] in ENDING])
        for path in dump.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    said = both(scene, with_hooks(tmp_path, version), QUIET_INIT)
    assert said[-1] == [f"{kind}.{number}" for number in (0, 1) for kind in ENDING]
    by_kind = {(one[0], one[1]): one[2] for one in said if isinstance(one, tuple) and len(one) == 3}
    for number, target in ((0, "reboot"), (1, "stop")):
        for kind in ("stop", "post-stop"):
            assert {f"LXC_TARGET={target}", "LXC_PID=<pid>", "LXC_CONSOLE=none", "LXC_CGNS_AWARE=1"} <= set(by_kind[kind, number])
