# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that go through check, apply, apply again and check again in tests/root/modules, as tasks give them.

modules/test_rituals.py names an option that is missing here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

Options = dict[str, Any]

# Of a stopped container, one after the other; the first two say what the template and the test have written already.
ALREADY: list[Options] = [{"arch": "x86_64"}, {"config": {"lxc.signal.halt": "SIGUSR1"}}]
CONTAINER: list[Options] = [
    {"hostname": "some-name"},
    {
        "network": [
            {
                "type": "veth",
                "link": "lxcbr0",
                "name": "eth0",
                "hwaddr": "00:16:3e:11:22:33",
                "ipv4": ["10.0.3.77/24"],
                "ipv4_gateway": "auto",
                "ipv6": ["fd97::77/64"],
                "ipv6_gateway": "auto",
                "mtu": "1400",
                "flags": "up",
                "veth_pair": "m-options-0",
                "script_up": "/bin/true up",
                "script_down": "/bin/true down",
            },
            {"type": "vlan", "link": "eth7", "vlan_id": 7},
            {"type": "macvlan", "link": "eth7", "macvlan_mode": "bridge"},
            {"type": "ipvlan", "link": "eth7", "ipvlan_mode": "l3s"},
            {"type": "empty"},
        ]
    },
    {"network": []},
    {
        "mounts": [
            {"source": "/usr/share", "target": "/mnt/a b"},
            {"source": "tmpfs", "target": "mnt/tmpfs", "type": "tmpfs", "options": ["size=1m", "create=dir"]},
        ]
    },
    {"mounts": []},
    {"hooks": {"pre-start": ["/bin/true one", "/bin/true"], "post-stop": "/bin/true"}},
    {"autostart": {"enabled": True, "delay": 5, "order": 7, "groups": ["onboot", "web"]}},
    {"capabilities": {"drop": ["sys_module", "sys_time"]}},
    {"environment": {"A": "one", "B": 2}},
    {"cgroup": {"memory.max": "64M", "memory.limit_in_bytes": "64M", "pids.max": 100}},
    {"apparmor_profile": "unconfined"},
    {"seccomp_profile": "/usr/share/lxc/config/common.seccomp"},
    {"selinux_context": "system_u:system_r:container_t:s0"},
    {"container_config": ["lxc.tty.max=1", "lxc.group=a", "lxc.group=b"]},
    {"config": {"lxc.tty.max": 3, "lxc.start.auto": True, "lxc.cap.drop": ["sys_module", "mac_admin"], "lxc.environment": ["A=1", "B=2"]}},
    {"config": {"lxc.tty.max": 2, "lxc.start.auto": None, "lxc.cap.drop": ""}},
]

# Of one of its own: what is dropped and what is kept exclude each other.
KEEP: Options = {"capabilities": {"keep": ["chown", "kill"]}}

# Of one that runs and whose host name is to be another, and of one that has a snapshot.
RESTART: Options = {"state": "started", "hostname": "another", "restart": "if_needed", "stop_timeout": 30}
REMOVAL: Options = {"state": "absent", "stop_timeout": 0, "delete_snapshots": True}
ENDS = [RESTART, REMOVAL]


class Creation(NamedTuple):
    """How a container is made, and what is then found of it."""

    options: Options
    rootfs: str
    backing_store: str = "dir"


def creations(place: Path, source: Path, tarball: str, checksum: str) -> dict[str, Creation]:
    """Each with a container m-made of its own below `place`, from the root of another one or a tarball of it."""
    return {
        "overlayfs": Creation(
            {
                "template": "busybox",
                "backing_store": "overlayfs",
                "wait_for": ["running", "path:/etc/passwd"],
                "wait_timeout": 30,
                "log_file": f"{place}/made.log",
                "log_level": "INFO",
            },
            f"overlay:{place}/m-made/rootfs:{place}/m-made/overlay/delta",
            "overlayfs",
        ),
        "directory": Creation(
            {
                "template": "busybox",
                "template_options": {"busybox_path": "/bin/busybox"},
                "backing_store": "dir",
                "directory": f"{place}/roots/%n",
            },
            f"{place}/roots/m-made",
        ),
        "loop": Creation(
            {"template": "busybox", "backing_store": "loop", "size": "64M", "fs_type": "ext4"}, f"loop:{place}/m-made/rootdev", "loop"
        ),
        "local": Creation(
            {
                "template": "local",
                "template_options": {"fstree": tarball, "checksum": checksum},
                "config": {"lxc.signal.halt": "SIGUSR1"},
                "container_log": True,
                "container_log_level": "DEBUG",
            },
            f"{place}/m-made/rootfs",
        ),
        "none": Creation(
            {"template": "none", "config": {"lxc.rootfs.path": f"dir:{source}/rootfs", "lxc.signal.halt": "SIGUSR1"}}, f"{source}/rootfs"
        ),
    }


def clones(place: Path) -> dict[str, Options]:
    """By the new container's name, in an order in which each finds its source; the source of all is m-origin."""
    return {
        "m-full": {"clone_from": "m-origin"},
        "m-over": {"clone_from": "m-origin", "clone_snapshot": True},
        "m-layers": {
            "state": "present",
            "clone_from": "m-origin",
            "backing_store": "overlayfs",
            "hostname": "%n.example.org",
            "config": {"lxc.tty.max": 2},
        },
        "m-there": {"state": "present", "clone_from": f"{place}/m-layers", "backing_store": "dir", "directory": f"{place}/there-%n"},
    }


def motions(place: Path) -> list[Options]:
    """One after the other, of the stopped container m-old, which becomes m-new."""
    return [
        {"name": "m-once", "clone_from": "m-old", "ephemeral": True, "ephemeral_tmpfs": True},
        {"name": "m-once", "state": "stopped", "clone_from": "m-old", "ephemeral": True},
        {"name": "m-old", "new_name": "m-new"},
        {"name": "m-new", "state": "stopped", "backing_store": "overlayfs", "migrate": True},
        {"name": "m-new", "state": "present", "archive": f"{place}/m-new.tar.gz", "force": False},
        {
            "name": "m-again",
            "template": "local",
            "template_options": {"fstree": f"{place}/m-new.tar.gz", "devices": True},
            "network": [],
        },
    ]


class Step(NamedTuple):
    """Options, how many actions they take, and whether they are a change each time."""

    options: Options
    actions: int
    always: bool = False


BRIDGE = [
    Step({"ipv4": "10.91.0.1/24"}, 6),
    Step({"domain": "lab.example"}, 1),
    Step({"dhcp_range": "10.91.0.50,10.91.0.60"}, 1),
    Step({"ipv4": "10.92.0.1/16", "dhcp_range": "10.92.1.1,10.92.2.254"}, 3),
    Step({"nat": False}, 1),
    Step({"dhcp": False}, 2),
    Step({"dhcp": True, "nat": True, "domain": ""}, 2),
    Step({"state": "absent", "force": True}, 3),
]


def snapshot_life(store: str) -> list[Step]:
    """Of the container s-STORE, from whose second snapshot t-STORE is made."""
    return [
        Step({"snapshot": "first", "comment": "before\nthe upgrade"}, 2),
        Step({"snapshot": "first", "comment": "after it"}, 1),
        Step({"comment": "the second"}, 2, always=True),
        Step({"keep": 2}, 2, always=True),
        Step({"snapshot": "snap1", "state": "restored", "restore_as": f"t-{store}"}, 1),
        Step({"snapshot": "snap1", "state": "restored", "force": False}, 1, always=True),
        Step({"snapshot": "snap0", "state": "absent"}, 1),
    ]


def snapshot_end(store: str) -> Step:
    """A container that was made from a snapshot of layers needs files of its own first."""
    return Step({"state": "absent", "all": True, "force": True}, 1 if store == "dir" else 2)
