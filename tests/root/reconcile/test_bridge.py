# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge with everything on the real kernel, in network and mount namespaces that stand for a host.

What a container would do is done by a DHCP client in a second network namespace.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, InUse, StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, command, interfaces, libc, mount_old, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.netlink import Netlink
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import bridge, bridge_dhcp, bridge_firewall
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.bridge import Job

pytestmark = [
    pytest.mark.skipif(not command.which(program), reason=f"{program} is not installed") for program in ("nft", "dnsmasq", "ip", "busybox")
]

NAME = "nbr0"
SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface" && ip route add default via "$router"
echo "$ip $mask $router $dns $domain" > "$RESULT"
"""


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


@pytest.fixture
def host(in_child):
    """Runs the test in namespaces with a /run and a /var/lib/misc of their own; no dnsmasq may outlive it."""

    def call(function):
        def inner():
            for place in ("/run", "/var/lib/misc"):
                os.makedirs(place, exist_ok=True)
                mount_old.mount("tmpfs", place, "tmpfs")
            with Netlink() as links:
                links.set_up("lo")
            try:
                return function()
            finally:
                bridge_dhcp.stop(NAME)

        return in_child(inner, libc.CLONE_NEWNET | libc.CLONE_NEWNS)

    return call


def task(**params):
    return Job({"name": NAME, "state": "present", **params})


def fields(report):
    return [line.split(":")[0] for diff in report.diff for line in diff.after.splitlines()]


def state():
    """All that a bridge consists of, to see that something did not change."""
    tables = run("nft", "list", "ruleset")
    conf = Path(bridge_dhcp.directory(NAME), "dnsmasq.conf")
    links = sorted((name, one.up, one.hwaddr, one.addresses) for name, one in interfaces.read().items())
    return links, tables, conf.exists() and conf.read_text(), bridge_dhcp.pid(NAME), bridge.forwards()


class Client:
    """A network namespace with one end of a veth in it; the other end is in the bridge."""

    def __init__(self, name="nclient"):
        self.outer = name
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        with Netlink() as links:
            links.create_veth(name, "eth0", {"pid": self.process.pid}, master=NAME)
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words, **more):
        return run("nsenter", "-t", str(self.process.pid), "-n", *words, **more)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def lease(tmp_path, client):
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    words = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "10", "-T", "1", "-s", str(script), "-x", "hostname:guest1"]
    client.run(*words, env={**os.environ, "RESULT": str(tmp_path / "lease")})
    return (tmp_path / "lease").read_text().split()


def test_the_four_steps(host):
    def body():
        before = state()
        predicted = task().predict()
        assert predicted.changed
        assert state() == before
        done = task().apply()
        assert done.changed
        assert done.result["actions"] == predicted.result["actions"]
        assert fields(done) == ["state", "ipv4", "up", "forwarding", "firewall", "dhcp"]
        made = done.result["bridge"]
        assert os.stat("/run/hostkit-lxc").st_mode & 0o777 == 0o700
        assert (made["state"], made["ipv4"], made["dhcp_range"], made["nat"]) == ("present", ["10.0.3.1/24"], "10.0.3.2,10.0.3.254", True)
        after = state()
        for again in (task().apply(), task().predict()):
            assert not again.changed
            assert not again.result["actions"]
            assert again.result["bridge"] == made
        assert state() == after
        gone = task(state="absent").predict()
        assert gone.changed
        assert state() == after
        removed = task(state="absent").apply()
        assert removed.changed
        assert removed.result["bridge"]["state"] == "absent"
        links, tables, conf, pid, _forwards = state()
        assert ([name for name, *_rest in links], tables, conf, pid) == (["lo"], "", False, None)
        assert not os.path.exists(bridge_dhcp.leases(NAME))
        assert not task(state="absent").apply().changed

    host(body)


def test_a_client_gets_an_address_a_name_and_the_way_out(host, tmp_path):
    def body():
        os.chmod(tmp_path, 0o755)
        task(domain="lab.example", dhcp_range="10.0.3.100,10.0.3.110").apply()
        client = Client()
        address, mask, router, dns, domain = lease(tmp_path, client)
        assert 100 <= int(address.split(".")[3]) <= 110
        assert (mask, router, dns, domain) == ("24", "10.0.3.1", "10.0.3.1", "lab.example")
        assert address in Path(bridge_dhcp.leases(NAME)).read_text()
        answer = client.run("busybox", "nslookup", "guest1.lab.example", "10.0.3.1")
        assert address in answer
        # Beyond the bridge: a second network, whose only host does not know the first one.
        outside = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        outside.stdout.readline()
        with Netlink() as links:
            links.create_veth("nout", "eth0", {"pid": outside.pid})
            links.add_address("nout", "192.0.2.1", 24)
        enter = ["nsenter", "-t", str(outside.pid), "-n"]
        run(*enter, "ip", "addr", "add", "192.0.2.2/24", "dev", "eth0")
        run(*enter, "ip", "link", "set", "eth0", "up")
        client.run("busybox", "ping", "-c1", "-W5", "192.0.2.2")
        outside.stdin.close()
        outside.wait()
        client.end()

    host(body)


def test_dnsmasq_outlives_the_session_and_leaves_no_cgroup(host):
    """What stays in the cgroup of a session is ended with it."""

    def body():
        own = cgroupfs.own_path()
        task().apply()
        number = bridge_dhcp.pid(NAME)
        assert os.getsid(number) != os.getsid(0)
        theirs = cgroupfs.own_path(number)
        assert {path.rpartition("/")[2] for path in theirs.values()} >= {f"hostkit-lxc.bridge-{NAME}"} or not cgroupfs.hierarchies()
        assert cgroupfs.own_path() == own
        assert {os.readlink(f"/proc/{number}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
        task(state="absent").apply()
        assert not [one for one in cgroupfs.hierarchies() if os.path.exists(f"{one.mount_point}/hostkit-lxc.bridge-{NAME}")]

    host(body)


def test_without_nat_nothing_leaves_with_the_hosts_address(host):
    def body():
        task(nat=False).apply()
        assert "masquerade" not in run("nft", "list", "ruleset")
        assert not bridge.forwards()
        assert not task(nat=False).apply().changed
        assert not task().apply().changed
        changed = task(nat=True).apply()
        assert fields(changed) == ["forwarding", "firewall"]
        assert "masquerade" in run("nft", "list", "ruleset")

    host(body)


def test_only_what_differs_changes(host):
    def body():
        task().apply()
        first = bridge_dhcp.pid(NAME)
        changed = task(domain="lab").apply()
        assert fields(changed) == ["dhcp"]
        assert changed.diff[0].before == "dhcp: 10.0.3.2 to 10.0.3.254\n"
        assert changed.diff[0].after == "dhcp: 10.0.3.2 to 10.0.3.254, domain lab\n"
        assert bridge_dhcp.pid(NAME) not in (first, None)
        assert not process.alive(first)
        assert not task(domain="lab", ipv4="10.0.3.1/24", dhcp=True, nat=True).apply().changed
        moved = task(ipv4="10.7.0.1/16").apply().result["bridge"]
        assert (moved["ipv4"], moved["dhcp_range"], moved["domain"]) == (["10.7.0.1/16"], "10.7.0.2,10.7.255.254", "lab")
        assert not task(ipv4="10.7.0.1/16").apply().changed
        assert fields(task(dhcp=False).apply()) == ["firewall", "dhcp"]
        assert bridge_dhcp.pid(NAME) is None
        assert not task().apply().changed

    host(body)


def test_what_was_taken_away_by_hand_comes_back(host):
    def body():
        task(domain="lab").apply()
        made = task().predict().result["bridge"]
        number = bridge_dhcp.pid(NAME)
        os.kill(number, 9)
        pidfd = process.pidfd_open(number)
        process.pidfd_wait(pidfd)
        os.close(pidfd)
        assert fields(task().apply()) == ["dhcp"]
        run("nft", "flush", "chain", "ip", bridge_firewall.table(NAME), "forward")
        assert fields(task().apply()) == ["firewall"]
        run("ip", "link", "set", NAME, "down")
        assert fields(task().apply()) == ["up"]
        assert task().predict().result["bridge"] == made

    host(body)


def test_tasks_at_once_do_it_once(host):
    def body():
        children = []
        for _number in range(4):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    code = 2 if task(domain="lab").apply().changed else 3
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            children.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        assert sorted(codes) == [2, 3, 3, 3]
        assert not task(domain="lab").predict().changed

    host(body)


def test_a_task_that_waits_too_long_names_who_holds_the_lock(host):
    def body():
        held = pytest.raises(InUse, match=r"bridges\.lock is held by this process, to sleep")
        with bridge.hold("sleep"), held, bridge.hold("wait", timeout=0):
            pass
        with bridge.hold("again", timeout=0):
            pass

    host(body)


def test_a_name_that_something_else_has(host):
    def body():
        with Netlink() as links:
            links.create(NAME, "veth")
        before = state()
        for params in ({}, {"state": "absent"}, {"state": "absent", "force": True}):
            with pytest.raises(InUse, match="is not a bridge"):
                task(**params).apply()
        assert state() == before

    host(body)


def test_somebody_elses_bridge_can_be_used_but_not_removed(host):
    def body():
        with Netlink() as links:
            links.create_bridge(NAME)
        assert fields(task().apply()) == ["up"]
        with pytest.raises(BadValue, match="ipv4"):
            task(dhcp=True).apply()
        assert fields(task(ipv4="10.8.0.1/24", dhcp=True).apply()) == ["ipv4", "firewall", "dhcp"]
        before = state()
        with pytest.raises(InUse, match="not made by this module"):
            task(state="absent", force=True).apply()
        assert state() == before

    host(body)


def test_absent_is_refused_while_there_are_ports(host):
    def body():
        task(dhcp=False).apply()
        client = Client()
        before = state()
        for verb in ("predict", "apply"):
            with pytest.raises(InUse, match="1 port attached: nclient") as caught:
                getattr(task(state="absent"), verb)()
            assert "force" in caught.value.hint
        assert state() == before
        assert task(state="absent", force=True).apply().changed
        assert set(interfaces.read()) == {"lo", "nclient"}
        client.end()

    host(body)


def test_a_bridge_that_cannot_be_made_whole_is_not_left_half_made(host):
    """Something else has the port of DNS on the bridge's address."""

    def body():
        taken = socket.create_server(("0.0.0.0", 53))
        before = state()[:4]
        with pytest.raises(StepError, match="Address already in use"):
            task().apply()
        assert state()[:4] == before
        assert not os.path.exists(bridge_dhcp.directory(NAME))
        taken.close()
        assert task().apply().changed

    host(body)


@pytest.mark.parametrize(("program", "params"), [("nft", {}), ("dnsmasq", {"nat": False})])
def test_a_missing_program_is_named_before_anything_is_done(host, monkeypatch, program, params):
    def body():
        before = state()
        real = command.which
        monkeypatch.setattr(command, "which", lambda name: None if name == program else real(name))
        for verb in ("predict", "apply"):
            with pytest.raises(Unsupported, match=f"The program {program} is missing") as caught:
                getattr(task(**params), verb)()
            assert "nstall" in caught.value.hint
        assert state() == before

    host(body)


def test_without_nft_there_can_be_a_bridge_without_nat(host, monkeypatch):
    def body():
        real = command.which
        monkeypatch.setattr(command, "which", lambda name: None if name == "nft" else real(name))
        assert task(nat=False).apply().changed
        assert not task(nat=False).apply().changed

    host(body)


def test_a_table_that_drops_is_warned_of(host):
    def body():
        run("nft", "-f", "-", input="table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }")
        assert "ip filter" in task(dhcp=False).apply().warnings[0]
        assert not task(dhcp=False).apply().warnings

    host(body)


def test_the_longest_and_oddest_name(host):
    def body():
        name = "b-r.x_1-2345678"
        assert Job({"name": name, "state": "present", "dhcp": False}).apply().changed
        assert not Job({"name": name, "state": "present", "dhcp": False}).apply().changed
        assert Job({"name": name, "state": "absent"}).apply().changed

    host(body)


def test_looking_loads_no_netlink_classes(host):
    """Nothing to do must cost little: a task that changes nothing does not load pyroute2."""

    def body():
        task().apply()
        python = shutil.which("python3") or "python3"
        tests = str(Path(__file__).resolve().parents[2])
        program = (
            f"import sys; sys.path.insert(0, {tests!r}); import conftest\n"
            "base = 'ansible_collections.hostkit.lxc.plugins.module_utils._lxc.'\n"
            "from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile.bridge import Job\n"
            f"assert not Job({{'name': {NAME!r}, 'state': 'present'}}).apply().changed\n"
            "assert base + 'kernel.netlink' not in sys.modules\n"
            "ours = [module.__file__ for name, module in sys.modules.items() if name.startswith(base) and module.__file__]\n"
            "print(sum(len(open(file).readlines()) for file in ours))\n"
        )
        assert int(run(python, "-c", program)) <= 1500

    host(body)
