# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own lxc tools on a container that we started."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def lxc(tool: str, box, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess:
    program = shutil.which(f"lxc-{tool}")
    if program is None:
        if os.environ.get("HOSTKIT_REQUIRE_ORACLE") == "1":
            pytest.fail(f"lxc-{tool} is not installed")
        pytest.skip(f"lxc-{tool} is not installed")
    name = [] if tool == "ls" else ["-n", box.container.name]
    command = [program, "-P", box.container.lxc_path, *name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)


def test_lxc_info(box):
    box.start()
    done = lxc("info", box)
    assert done.returncode == 0, done.stderr
    shown = {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in done.stdout.splitlines())}
    assert (shown["Name"], shown["State"], shown["PID"]) == ("s1", "RUNNING", str(box.pid))
    assert ("Memory use" in shown) == ("memory" in hierarchies.controllers())


CROWD = """#!/usr/bin/python3 -IS
import os, signal, socket, struct
links = []
for address in {addresses!r}:
    for _number in range(300):
        links.append(socket.socket(socket.AF_UNIX))
        links[-1].connect(address)
        try:  # until the container stops; the answer says that the wait has begun
            links[-1].sendall(struct.pack("@iiQ8i", 10, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0))
            links[-1].recv(16)
        except OSError:
            continue
os.mknod("/tmp/done")
signal.pause()
"""


def test_a_container_of_the_hosts_network_that_crowds_a_socket_locks_nobody_out(make_box, until):
    """Abstract sockets are the network namespace's (CVE-2020-15257); a connection that is closed unread is STOPPED to stock tools."""
    victim = make_box("s1")
    hostile = make_box("s2", "lxc.net.0.type = none", "lxc.mount.entry = /usr usr none rbind,ro,create=dir 0 0")
    for name in ("lib", "lib64"):
        (hostile.root / name).symlink_to(f"usr/{name}")
    program = hostile.root / "bin/crowd"
    program.write_text(CROWD.format(addresses=[protocol.address(*box.container) for box in (victim, hostile)]))
    program.chmod(0o755)
    hostile.init("/bin/crowd > /tmp/out 2>&1 &")
    victim.start()
    waiting, _state = client.watch(victim.container, [State.STOPPED])
    hostile.start()
    with waiting:
        waiting.settimeout(20)
        until((hostile.root / "tmp/done").exists, "600 wait", 60)
        for box in (victim, hostile) * 2:
            assert lxc("info", box, "-sH").stdout.strip() == "RUNNING"
            assert box.state == State.RUNNING and client.init_pid(box.container) > 0
        assert not (hostile.root / "tmp/out").read_text()
        assert lxc("stop", victim, "-t", "10").returncode == 0
        assert waiting.recv(512), "who waited on the host was not driven out"


def test_lxc_ls_shows_it_running(make_box):
    make_box("s2")
    box = make_box("s1", "lxc.group = web", "lxc.start.auto = 1")
    box.start()
    done = lxc("ls", box, "-f", "-F", "NAME,STATE,AUTOSTART,GROUPS,PID")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["s1", "RUNNING", "1", "web", str(box.pid)] in rows, done
    assert ["s2", "STOPPED"] in [row[:2] for row in rows]
    assert lxc("ls", box, "--running").stdout.split() == ["s1"]


def test_lxc_attach_joins_namespaces_and_cgroups(make_box):
    box = make_box("s1", "lxc.mount.auto = proc")
    box.start()
    done = lxc("attach", box, "--", "/bin/sh", "-c", "hostname; cat /proc/self/cgroup; readlink /proc/self/ns/mnt; exit 5")
    assert done.returncode == 5, done.stderr
    assert done.stdout.splitlines()[0] == "s1"
    assert os.readlink(f"/proc/{box.pid}/ns/mnt") in done.stdout
    assert "0::/" in done.stdout and "lxc.payload" not in done.stdout


def test_lxc_stop_ends_it_cleanly_and_by_force(box):
    box.start()
    assert lxc("stop", box, "-t", "10").returncode == 0
    assert box.state == State.STOPPED
    box.start()
    assert lxc("stop", box, "-k").returncode == 0
    assert box.state == State.STOPPED
    assert lxc("stop", box).returncode == 2


def test_lxc_freeze_and_unfreeze_are_known_to_us(box):
    box.start()
    assert lxc("freeze", box).returncode == 0
    assert box.state == State.FROZEN
    assert lxc("unfreeze", box).returncode == 0
    assert box.state == State.RUNNING


def test_lxc_wait_and_lxc_cgroup(box):
    box.start()
    assert lxc("wait", box, "-s", "RUNNING", "-t", "5").returncode == 0
    assert lxc("wait", box, "-s", "STOPPED", "-t", "1").returncode == 1
    limit = hierarchies.limit()
    assert lxc("cgroup", box, limit.file, limit.written).returncode == 0
    assert lxc("cgroup", box, limit.file).stdout.strip() == limit.read


def test_lxc_console_reaches_a_tty(make_box, until):
    """lxc-console wants a terminal of its own: script(1) gives it one, and ends it by the escape sequence."""
    box = make_box("s1", "lxc.tty.max = 1")
    box.init("while :; do /bin/sh < /dev/tty1 > /dev/tty1 2>&1; sleep 1; done &")
    box.start()
    command = f"lxc-console -P {box.container.lxc_path} -n s1 -t 1"
    script = shutil.which("script")
    if script is None:
        pytest.skip("script(1) of bsdutils is not installed")
    process = subprocess.Popen([script, "-qec", command, "/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    said = b""
    while b"to exit the console" not in said:  # what is typed before is flushed when the terminal is made raw
        chunk = os.read(process.stdout.fileno(), 4096)
        assert chunk, said
        said += chunk

    def typed() -> bool:
        """Again and again: the shell flushes what came before it was ready, as a login does."""
        process.stdin.write(b"\r\ntouch /tmp/typed\r\n")
        process.stdin.flush()
        time.sleep(0.2)
        return (box.root / "tmp/typed").exists()

    until(typed, "what was typed was executed")
    process.stdin.write(b"\x01q")
    process.stdin.flush()
    process.communicate(timeout=10)
    assert process.returncode == 0
