# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a real host has: systemd as process 1, cgroup v2 with its controllers, AppArmor, sessions, and a reboot.

A task takes about three seconds here: the scenarios are few and rich, in the order in which an administrator would come to them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import plays
import pytest
from guest import Play, attach, container, host
from machine import Machine

LIMITS = {"memory.max": "64M", "pids.max": "50"}
INFO = {"hostkit.lxc.lxc_container_info": {}}


def cgroup(machine: Machine, pid: int) -> str:
    """Of that process, where it is mounted on the host."""
    return "/sys/fs/cgroup" + machine.ssh(f"cat /proc/{pid}/cgroup").stdout.strip().removeprefix("0::")


def states(results: plays.Result) -> dict[str, tuple[str, int]]:
    return {one["name"]: (one["state"], one["init_pid"]) for one in results["containers"]}


def service(machine: Machine) -> dict[str, str]:
    """What systemd knows of the monitor."""
    shown = machine.ssh("systemctl show --property=ActiveState,MainPID hostkit-lxc.service").stdout
    return dict(line.split("=", 1) for line in shown.splitlines())


@pytest.fixture(scope="module")
def c1(play: Play) -> int:
    """A busybox with limits, running: its init."""
    [made] = play(container("c1", template="busybox", network=[], cgroup=LIMITS))
    assert made["changed"] and made["container"]["state"] == "RUNNING", made
    return int(made["container"]["init_pid"])


def test_it_is_such_a_host(machine: Machine) -> None:
    """Else what follows would show nothing."""
    said = machine.ssh(
        "cat /proc/1/comm; stat -fc %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers; aa-status --enabled && echo enforcing"
    )
    init, kind, controllers, apparmor = said.stdout.splitlines()
    assert (init, kind, apparmor) == ("systemd", "cgroup2fs", "enforcing")
    assert {"cpu", "cpuset", "io", "memory", "pids"} <= set(controllers.split())
    machine.ssh("! grep -q ' cgroup ' /proc/self/mounts")


def test_what_the_development_kernel_lacks_is_here(machine: Machine) -> None:
    machine.ssh(
        "set -e; ip link add dum9 type dummy; ip link del dum9; ip link add br9 type bridge vlan_filtering 1; ip link del br9;"
        "ip link add link eth0 name v7 type vlan id 7; ip link del v7; ip link add ipv9 link eth0 type ipvlan mode l2; ip link del ipv9;"
        "mkfs.ext4 -q -O quota,project -E quotatype=prjquota /dev/vdb; mount -o prjquota /dev/vdb /mnt; umount /mnt; wipefs -qa /dev/vdb;"
        "modprobe dm-thin-pool; test -e /dev/mapper/control; test -e /dev/mem; test -e /proc/sysrq-trigger"
    )


def test_limits_of_cgroup_v2(machine: Machine, play: Play, c1: int) -> None:
    place = cgroup(machine, c1)
    assert machine.ssh(f"cd {place} && cat memory.max pids.max").stdout.split() == [str(64 << 20), "50"]
    over, forks = play(
        {**attach("c1", "dd if=/dev/zero of=/dev/null bs=100M count=1"), "failed_when": False},
        {**attach("c1", "for n in $(seq 60); do sleep 5 & done"), "failed_when": False},
    )
    assert over["rc"] == 137, over
    assert "can't fork" in forks["stderr"], forks
    events = dict(line.split() for line in machine.ssh(f"cat {place}/memory.events").stdout.splitlines())
    assert int(events["oom_kill"]) >= 1
    assert machine.ssh(f"cat /proc/{c1}/comm").stdout == "init\n", "what was over the limit was ended, and not its init"


def test_devices_by_a_program(machine: Machine, play: Play, c1: int) -> None:
    """The host's disk and its loop devices: a node can be made, and not be opened. And no key of the kernel's is pressed."""
    numbers = {name: machine.ssh(f"stat -c '%Hr %Lr' /dev/{name}").stdout.strip() for name in ("vda", "loop-control")}
    machine.ssh("head -c 1 /dev/vda >/dev/null; exec 3</dev/loop-control")
    script = (
        f"mknod /tmp/disk b {numbers['vda']}; mknod /tmp/loop c {numbers['loop-control']}; for f in disk loop; do head -c 1 /tmp/$f; done;"
        "echo h > /proc/sysrq-trigger; rm -f /tmp/disk /tmp/loop; head -c 1 /dev/zero | wc -c"
    )
    [tried] = play(attach("c1", script))
    assert tried["stdout"] == "1", tried
    assert [f"/tmp/{name}: Operation not permitted" in tried["stderr"] for name in ("disk", "loop")] == [True, True], tried["stderr"]
    assert "sysrq-trigger" in tried["stderr"], "it is read-only in there"


def test_freeze_and_kill(machine: Machine, play: Play, c1: int) -> None:
    place = cgroup(machine, c1)
    [frozen] = play(container("c1", state="frozen"))
    assert frozen["changed"] and "frozen 1" in machine.ssh(f"cat {place}/cgroup.events").stdout.splitlines()
    [stopped] = play(container("c1", state="stopped", stop_timeout=0))
    assert stopped["changed"] and stopped["container"]["state"] == "STOPPED"
    machine.ssh(f"! test -e {place} && ! test -e /proc/{c1}")


def test_the_quickstart_with_debian(machine: Machine, tmp_path: Path) -> None:
    """The playbook as it is, its host reached over SSH: Debian from the cache in the image, then nothing to do."""
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": machine.variables}}}))
    command = [plays.PLAYBOOK, "-i", str(inventory), "-e", "quickstart_template=debian", "hostkit.lxc.quickstart"]
    said = []
    for _turn in range(2):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
    for text in said:
        assert any(
            line.split()[:2] == ["p1", "RUNNING"] and "10.0.3." in line for line in text.replace('"', "").replace("\\n", "\n").splitlines()
        ), text
    assert "changed=0 " in said[1], said[1]


def test_what_is_delegated_to_the_systemd_inside(play: Play) -> None:
    """It boots whole, and gives limits of its own to its services."""
    look = "cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup) && cat memory.max pids.max"
    run = f"systemd-run --quiet --pipe --wait -p MemoryMax=32M -p TasksMax=20 sh -c '{look}'"
    [inside] = play(attach("p1", f"systemctl is-system-running; {run}"))
    assert inside["stdout"].split() == ["running", str(32 << 20), "20"], inside


def test_apparmor_is_not_in_the_way(machine: Machine, play: Play) -> None:
    """The host enforces its own profiles, and none is laid on what has none."""
    [one] = play(INFO)
    pid = states(one)["p1"][1]
    assert machine.ssh(f"cat /proc/{pid}/attr/current").stdout.strip() == "unconfined"
    assert int(machine.ssh("aa-status --enforced").stdout) > 0


def test_the_monitor_is_a_service_and_its_restart_harms_nobody(machine: Machine, play: Play) -> None:
    [before] = play(INFO)
    unit = service(machine)
    assert unit["ActiveState"] == "active" and machine.ssh(f"cat /proc/{unit['MainPID']}/comm").stdout == "hostkit-keeper\n"
    machine.ssh("systemctl restart hostkit-lxc.service")
    assert service(machine)["MainPID"] != unit["MainPID"]
    after, ran = play(INFO, attach("p1", "systemctl is-system-running"))
    assert states(before) == states(after) and states(after)["p1"][0] == "RUNNING"
    assert ran["stdout"] == "running"


def test_a_container_outlives_the_session_that_kills_its_processes(machine: Machine, play: Play) -> None:
    """By an ordinary user with become, on a host with KillUserProcesses=yes; the connection ends with the task."""
    machine.ssh(
        "mkdir -p /etc/systemd/logind.conf.d && cd /etc/systemd/logind.conf.d &&"
        "printf '[Login]\\nKillUserProcesses=yes\\nUserStopDelaySec=0\\n' >kill.conf && systemctl restart systemd-logind"
    )
    machine.ssh("systemctl stop hostkit-lxc.service")  # the next monitor is begun in that session
    user = {"ansible_user": "admin", "ansible_become": True, "ansible_ssh_args": "-o ControlMaster=no"}
    [made] = play(container("c2", template="busybox", network=[]), **user)
    deadline = time.monotonic() + 60
    while machine.ssh("loginctl --no-legend list-users | grep -w admin", check=False).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    machine.ssh("! pgrep -u admin")
    [seen] = play(INFO)
    assert states(seen)["c2"] == ("RUNNING", made["container"]["init_pid"])
    assert service(machine)["ActiveState"] == "active"


def test_two_controllers_at_once(machine: Machine, tmp_path: Path) -> None:
    """Each makes and starts three containers, one of them the same: that is made once and started once, by whichever."""
    running = []
    for number, names in enumerate((["t1", "t2", "t3"], ["t3", "t4", "t5"])):
        place = tmp_path / str(number)
        place.mkdir()
        book = place / "play.yml"
        task = container(names, template="busybox", network=[])
        book.write_text(json.dumps([{"hosts": "target", "gather_facts": False, "vars": host(machine), "tasks": [task]}]))
        env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_HOME": str(place)}
        running.append(
            subprocess.Popen(
                [plays.PLAYBOOK, "-i", "target,", str(book)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    seen = [plays.results(text) for text in said]
    done = Counter(action for result in seen for one in result["containers"] for action in one["actions"])
    names = [f"t{number}" for number in range(1, 6)]
    assert done == Counter(words for name in names for words in (f"make {name} from template busybox", f"start {name}")), seen
    assert all(one["state"] == "RUNNING" and one["changed"] == bool(one["actions"]) for result in seen for one in result["containers"])


def test_an_image_grows_while_its_container_runs(machine: Machine, play: Play) -> None:
    """An ext4, by the kernel alone: many a sandbox does not let its root do that (CAP_SYS_RESOURCE)."""
    said = {"template": "busybox", "network": [], "backing_store": "loop", "fs_type": "ext4"}
    made, grown, again = play(*(container("g1", **said, size=size) for size in ("64M", "192M", "192M")))
    pid = made["container"]["init_pid"]
    assert grown["container"]["actions"] == ["resize g1 to 192M"] and grown["container"]["init_pid"] == pid and not again["changed"]
    blocks = machine.ssh(f"stat -f -c '%S %b' /proc/{pid}/root; stat -c %s /var/lib/lxc/g1/rootdev").stdout.split()
    assert int(blocks[0]) * int(blocks[1]) > 160 << 20 and int(blocks[2]) == 192 << 20
    [gone] = play(container("g1", state="absent", stop_timeout=0))
    assert gone["changed"] and machine.ssh("losetup -a").stdout == ""


def test_a_second_host_beside_it(machine: Machine, tmp_path: Path) -> None:
    """One play for both; each is a host of its own."""
    with Machine(machine.image, machine.directory.with_name("second")) as second:
        print(f"the second resumed after {second.resume():.1f} s")
        inventory, book = tmp_path / "hosts.json", tmp_path / "play.yml"
        inventory.write_text(json.dumps({"all": {"hosts": {"first": machine.variables, "second": second.variables}}}))
        task = container("both", template="busybox", network=[])
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        command = [plays.PLAYBOOK, "-i", str(inventory), str(book)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
        assert done.returncode == 0 and done.stdout.count("changed=1 ") == 2, done.stdout + done.stderr
        assert second.ssh("ls /var/lib/lxc").stdout.split() == ["both"]
        machine.ssh("test -d /var/lib/lxc/both && test -d /var/lib/lxc/c1")


def test_after_a_reboot_nothing_stale_is_believed(machine: Machine, play: Play) -> None:
    [before] = play(INFO)
    running = {name for name, (state, _pid) in states(before).items() if state == "RUNNING"}
    assert {"p1", "c2", "t3"} <= running
    # A host without the role that ends its containers waits for them as long as for anything else, and kills them then.
    machine.ssh(
        "mkdir -p /run/systemd/system.conf.d && cd /run/systemd/system.conf.d && echo '[Manager]' >stop.conf && "
        "echo DefaultTimeoutStopSec=15s >>stop.conf && systemctl daemon-reload"
    )
    print(f"reboot: {machine.reboot():.0f} s")
    after, foreseen, started = play(INFO, {**container("c2"), "check_mode": True}, container("c2"))
    assert {state for state, _pid in states(after).values()} == {"STOPPED"}, states(after)
    assert set(states(after)) == set(states(before))
    assert foreseen["changed"] and started["changed"] and started["container"]["state"] == "RUNNING"
