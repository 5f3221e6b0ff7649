# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces of a started container: veth in a bridge, its addresses inside, its scripts on the host, leftovers."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

HWADDR = "00:16:3e:11:22:33"


def ip(*arguments: str) -> list[dict]:
    done = subprocess.run(["ip", "-j", "-d", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def inside(box, *arguments: str) -> list[dict]:
    command = ["nsenter", "-t", str(box.pid), "-n", "ip", "-j", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout or "[]")


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"zb{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "link", "add", name, "mtu", "1400", "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", "10.77.0.1/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


def veth(bridge: str, *more: str) -> list[str]:
    return ["lxc.net.0.type = veth", f"lxc.net.0.link = {bridge}", "lxc.net.0.flags = up", "lxc.net.0.name = eth7", *more]


def test_a_veth_has_what_the_config_says(make_box, bridge, until):
    wanted = (
        "lxc.net.0.ipv4.address = 10.77.0.9/24",
        "lxc.net.0.ipv4.gateway = auto",
        f"lxc.net.0.hwaddr = {HWADDR}",
        "lxc.net.0.mtu = 1380",
    )
    box = make_box("s1", *veth(bridge, *wanted, "lxc.net.0.ipv6.address = fd77::9/64"))
    box.start()
    [link] = inside(box, "link", "show", "eth7")
    assert (link["address"], link["mtu"], "UP" in link["flags"]) == (HWADDR, 1380, True)
    [shown] = inside(box, "address", "show", "eth7")
    addresses = {f"{entry['local']}/{entry['prefixlen']}" for entry in shown["addr_info"]}
    assert {"10.77.0.9/24", "fd77::9/64"} <= addresses
    assert inside(box, "route", "show", "default")[0]["gateway"] == "10.77.0.1"
    assert "UP" in inside(box, "link", "show", "lo")[0]["flags"]
    host_name = client.config_item(box.container, "lxc.net.0.veth.pair")
    [host_end] = ip("link", "show", host_name)
    assert (host_end["master"], "UP" in host_end["flags"]) == (bridge, True)
    box.kill()
    until(lambda: not os.path.exists(f"/sys/class/net/{host_name}"), "the pair is gone")


@pytest.mark.parametrize("version", [0, 1])
def test_scripts_run_on_the_host_with_lxc_s_arguments_and_environment(make_box, bridge, tmp_path, until, version):
    box = make_box("s1")
    for name in ("up", "down"):
        (tmp_path / name).write_text(
            f'#!/bin/sh\n{{ echo "args: $*"; env | grep ^LXC_; readlink /proc/self/ns/net; ls /sys/class/net; }} > {tmp_path}/{name}.out\n'
        )
        (tmp_path / name).chmod(0o755)
    scripts = [f"lxc.net.0.script.{name} = {tmp_path}/{name} own" for name in ("up", "down")]
    box.configure(*veth(bridge, "lxc.net.0.veth.pair = zpair0", *scripts), f"lxc.hook.version = {version}")
    box.start()
    box.kill()
    until((tmp_path / "down.out").exists, "the down script ran")
    for name in ("up", "down"):
        lines = (tmp_path / f"{name}.out").read_text().splitlines()
        assert lines[0] == f"args: own {'' if version else f's1 net {name} '}veth {bridge} zpair0"
        assert os.readlink("/proc/self/ns/net") in lines
        assert "zpair0" in lines, "the host's end is there while the script runs"
        if version:
            env = dict(line.split("=", 1) for line in lines if line.startswith("LXC_"))
            shown = [env[f"LXC_{key}"] for key in ("HOOK_TYPE", "HOOK_SECTION", "NET_TYPE", "NET_PARENT", "NET_PEER")]
            assert shown == [name, "net", "veth", bridge, "zpair0"]


def test_a_network_without_an_interface_has_its_scripts_too(make_box, tmp_path, until):
    box = make_box("s1")
    for name in ("up", "down"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/{name}.out\n')
        (tmp_path / name).chmod(0o755)
    box.configure("lxc.net.0.type = empty", *(f"lxc.net.0.script.{name} = {tmp_path}/{name}" for name in ("up", "down")))
    box.start()
    assert (tmp_path / "up.out").read_text().split() == ["s1", "net", "up", "empty"]
    box.kill()
    until(
        lambda: (tmp_path / "down.out").exists() and (tmp_path / "down.out").read_text().split() == ["s1", "net", "down", "empty"],
        "down ran",
    )


def test_an_up_script_that_fails_aborts_the_start_and_leaves_no_interface(make_box, bridge, tmp_path, until):
    box = make_box("s1")
    (tmp_path / "up").write_text("#!/bin/sh\necho because; exit 4\n")
    (tmp_path / "up").chmod(0o755)
    box.configure(*veth(bridge, "lxc.net.0.veth.pair = zpair0", f"lxc.net.0.script.up = {tmp_path}/up"))
    error = box.fails()
    assert isinstance(error, StepError) and error.step == "hook" and "lxc.net.0.script.up" in str(error) and "status 4" in str(error)
    until(lambda: not os.path.exists("/sys/class/net/zpair0"), "the pair is gone")


def test_a_leftover_of_ours_is_replaced_and_a_strangers_is_named(make_box, bridge):
    box = make_box("s1", *veth(bridge, "lxc.net.0.veth.pair = zpair0"))
    box.start()
    [ours] = ip("link", "show", "zpair0")
    box.kill()
    subprocess.run(["ip", "link", "add", "zpair0", "type", "veth", "peer", "name", "zpeer0"], check=True)
    try:
        error = box.fails()
        assert isinstance(error, InUse) and "zpair0" in str(error)
        assert os.path.exists("/sys/class/net/zpair0")
        subprocess.run(["ip", "link", "set", "zpair0", "alias", ours["ifalias"]], check=True)
        before = ip("link", "show", "zpair0")[0]["ifindex"]
        box.start()
        assert ip("link", "show", "zpair0")[0]["ifindex"] != before
    finally:
        subprocess.run(["ip", "link", "del", "zpeer0"], check=False, capture_output=True)


def test_a_bridge_that_is_missing_is_named(make_box):
    box = make_box("s1", *veth("zmissing"))
    assert "zmissing" in str(box.fails())


def test_one_that_shares_another_s_network_gets_no_interface_there(make_box, bridge, tmp_path):
    """LXC passes over the networks of a container that shares (lxc-start --share-net)."""
    first = make_box("s1")
    first.start()
    second = make_box("s2")
    where = tmp_path / "where"
    (tmp_path / "hook").write_text(f"#!/bin/sh\nreadlink /proc/self/ns/net /proc/self/ns/ipc > {where}\n")
    (tmp_path / "hook").chmod(0o755)
    shares = ("lxc.namespace.share.net = s1", "lxc.namespace.share.ipc = s1")
    second.configure(*veth(bridge, "lxc.net.0.veth.pair = zpair1"), *shares, f"lxc.hook.start-host = {tmp_path}/hook")
    second.start()
    assert [link["ifname"] for link in inside(second, "link")] == [link["ifname"] for link in inside(first, "link")]
    assert not os.path.exists("/sys/class/net/zpair1")
    assert where.read_text().split() == [os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/ipc")], (
        "the host's hook stays on the host"
    )
    assert os.readlink(f"/proc/{second.pid}/ns/net") == os.readlink(f"/proc/{first.pid}/ns/net")
    assert Path(f"/proc/{second.pid}/ns/ipc").exists()
