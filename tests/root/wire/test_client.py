# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against LXC's own monitor: what it says is what LXC's tools say and what /proc shows."""

from __future__ import annotations

import errno
import os
import select
import subprocess

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State
from stock import need_lxc


def lxc(tool, container, *arguments):
    need_lxc()
    command = [tool, "-P", container.lxc_path, "-n", container.name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_state_and_pid_are_lxc_infos(containers):
    container = containers.start()
    assert client.state(container).name == lxc("lxc-info", container, "-sH") == "RUNNING"
    assert str(client.init_pid(container)) == lxc("lxc-info", container, "-pH")
    pidfd = client.init_pidfd(container)
    assert process.pidfd_pid(pidfd) == client.init_pid(container) and not os.get_inheritable(pidfd)
    os.close(pidfd)


def test_clone_flags_are_the_namespaces_that_differ(containers):
    container = containers.start()
    own, theirs = process.namespaces(os.getpid()), process.namespaces(client.init_pid(container))
    flags = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000}
    assert client.clone_flags(container) == sum(bit for name, bit in flags.items() if own[name] != theirs[name])


def test_cgroups(containers):
    container = containers.start()
    paths = hierarchies.of(client.init_pid(container))
    hierarchy = min(cgroupfs.hierarchies(), key=lambda one: one.version)
    some = hierarchy.controllers[0] if hierarchy.version == 1 else "freezer"  # which a unified host has by that name too
    assert client.cgroup(container, some) == client.limit_cgroup(container, some) == paths[hierarchy.mount_point]
    _layout, fds = client.cgroup_fds(container)
    places = {os.readlink(f"/proc/self/fd/{fd}") for fd in fds}
    client.close(fds)
    assert places == {cgroupfs.directory(h, paths[h.mount_point]) for h in cgroupfs.hierarchies()}
    with pytest.raises(client.Refused) as caught:
        client.limit_cgroup_fd(container, "nonesuch")
    assert caught.value.errno == errno.ENOENT


def test_config_items(containers):
    container = containers.start("lxc.environment = A=1", "lxc.environment = B=2")
    assert client.config_item(container, "lxc.uts.name") == container.name
    assert client.config_item(container, "lxc.environment") == "A=1\nB=2\n"
    assert client.config_item(container, "lxc.nonesuch") is None
    address = protocol.address(*container)
    assert (client.name(address), client.lxcpath(address)) == (container.name, container.lxc_path)


def test_a_long_path_has_the_hashed_socket_that_lxc_makes(containers, tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    container = containers.start(lxc_path=str(deep))
    assert protocol.address(*container).startswith(b"\0lxc/")
    assert client.state(container) == State.RUNNING
    assert client.listening(str(deep)) == [container.name]
    assert client.listening(str(tmp_path)) == []


def test_the_console_is_a_terminal_that_talks(containers):
    container = containers.start(init="#!/bin/sh\nexec </dev/console >/dev/console 2>&1\nwhile read line; do echo said $line; done\n")
    link, master_fd, number = client.tty_fd(container, 0)
    with link:
        assert number == 0
        os.write(master_fd, b"hello\n")
        heard = b""
        while b"said hello" not in heard:
            assert select.select([master_fd], [], [], 20)[0]
            heard += os.read(master_fd, 4096)
    os.close(master_fd)


def test_the_console_log(containers):
    container = containers.start(
        "lxc.console.buffer.size = auto", init="#!/bin/sh\necho from-init >/dev/console\nwhile :; do sleep 3600; done\n"
    )
    link, master_fd, _number = client.tty_fd(container, 0)  # the monitor has read the console when it serves us after it
    link.close()
    os.close(master_fd)
    heard = b""
    for _attempt in range(1000):
        heard += client.console_log(container, payloads.ConsoleLog(clear=False, read=True))
        if b"from-init" in heard:
            break
    assert b"from-init" in heard
    assert client.console_log(container, payloads.ConsoleLog(clear=True, read=False)) == b""
    assert client.console_log(container, payloads.ConsoleLog()) == b""


def test_devpts_is_the_containers(containers):
    container = containers.start()
    fd = client.devpts_fd(container)
    assert os.fstat(fd).st_dev == os.stat(f"/proc/{client.init_pid(container)}/root/dev/pts").st_dev
    os.close(fd)


def test_wait_and_stop(containers):
    container = containers.start()
    assert client.wait(container, [State.RUNNING]) == State.RUNNING
    link, now = client.watch(container, [State.STOPPED])
    assert now is None
    with link:
        client.stop(container, 30)
        link.settimeout(30)
        link.recv(4096)
    assert client.wait(container, [State.STOPPED], 30) == State.STOPPED
    with pytest.raises(NotRunning):
        client.wait(container, [State.RUNNING], 5)


@pytest.mark.parametrize("watch", [client.watch, client.watch_changes])
def test_a_state_client_that_has_left_leaves_nothing_in_the_way_of_the_next(containers, watch):
    """LXC's monitor keeps one that only closes its connection, and sends its message to whoever has the descriptor's number next."""
    container = containers.start()
    for _turn in range(20):
        gone = watch(container, [State.STOPPING, State.THAWED])
        assert client.state(container) == State.RUNNING and client.init_pid(container)
        (gone[0] if isinstance(gone, tuple) else gone).close()
        client.set_state(container, State.THAWED)
