# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From RUNNING to STOPPED: poweroff, reboot, kill, and that nothing is left behind on the host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def cgroups(name: str) -> list[str]:
    return [base for base, _directories, _files in os.walk("/sys/fs/cgroup") if os.path.basename(base).startswith(f"lxc.payload.{name}")]


def test_poweroff_from_within_ends_the_container(box, until):
    box.init("/bin/poweroff -f")
    box.start()
    until(lambda: box.state == State.STOPPED, "poweroff ended it")
    assert cgroups("s1") == []


def test_reboot_from_within_is_a_new_init_behind_the_same_socket(box, until):
    box.init("[ -e /tmp/again ] || { touch /tmp/again; sleep 1; /bin/reboot -f; }")
    box.start()
    first = box.pid
    seen = set()

    def rebooted() -> bool:
        seen.add(box.state)
        return box.state == State.RUNNING and box.pid != first

    until(rebooted, "it runs again")
    assert State.STOPPED not in seen, "whoever asks during a reboot must not be told that the container is gone"
    assert cgroups("s1") != []


def test_a_plain_end_of_init_is_a_stop(box, until):
    box.init("exit 3")
    box.start()
    until(lambda: box.state == State.STOPPED, "it ended")


def test_everything_is_gone_after_a_kill(box, monitor, until):
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    mounts = Path("/proc/self/mountinfo").read_text()
    box.start()
    pid = box.pid
    assert len(cgroups("s1")) == len(cgroupfs.hierarchies())
    box.kill()
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed what it held")
    assert cgroups("s1") == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not os.path.exists(f"/proc/{pid}") or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_what_was_put_into_its_cgroups_from_the_host_ends_with_it(box):
    box.start()
    guest = subprocess.Popen(["sleep", "600"])
    _layout, fds = client.cgroup_fds(box.container)
    for fd in fds:
        cgroupfs.attach(f"/proc/self/fd/{fd}", guest.pid)
    client.close(fds)
    box.kill()
    assert guest.wait(20) == -signal.SIGKILL
    assert cgroups("s1") == []


def test_a_failed_start_leaves_nothing(box, monitor, until):
    before = len(os.listdir(f"/proc/{monitor}/fd"))
    box.configure("lxc.init.cmd = /missing")
    box.fails()
    until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) <= before, "the monitor closed what it held")
    assert cgroups("s1") == []


def test_starting_twice_is_starting_once(box):
    box.start()
    pid = box.pid
    box.start()
    assert box.pid == pid


def test_many_at_once_each_with_its_own_result(make_box):
    boxes = [make_box(f"s{number}") for number in range(8)]
    boxes[3].configure("lxc.init.cmd = /missing")
    results = runtime.start([box.container for box in boxes], 30)
    assert [started.error is None for started in results] == [number != 3 for number in range(8)]
    assert len({box.pid for box in boxes if box is not boxes[3]}) == 7


def test_who_asks_for_what_another_has_asked_for_is_told_so(make_box):
    """While it is being started, and when it runs; the one of a failed start is nobody's."""
    box, broken = make_box("a"), make_box("b")
    broken.configure("lxc.init.cmd = /missing")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(runtime.start, [box.container], 30) for _number in range(4)]
    assert sorted(started.was_up for future in asked for started in future.result()) == [False, True, True, True]
    assert [started.was_up for started in runtime.start([box.container], 30)] == [True]
    for _round in range(2):
        assert [started.was_up for started in runtime.start([broken.container], 30)] == [False]


@contextlib.contextmanager
def another_user(address: bytes, then: str) -> Iterator[int]:
    """The pid of a process of uid 4711 that has bound a socket to this address, and done this with it."""
    bind = f"import os, socket, sys\nos.setuid(4711)\ns = socket.socket(socket.AF_UNIX)\ns.bind({address!r})\n"
    command = [sys.executable, "-c", f"{bind}{then}\nprint(flush=True)\nsys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"\n"
        yield holder.pid


# Where one more waits than listen(2) has room for, nobody gets in to ask either.
FULL = "s.listen(0); other = socket.socket(socket.AF_UNIX); other.connect(s.getsockname())"
HELD = {"listening": ("s.listen()", "run by another monitor"), "bound": ("", "nobody answers"), "full": (FULL, "nobody answers")}


@pytest.mark.parametrize(("then", "said"), HELD.values(), ids=HELD)
def test_a_socket_that_somebody_else_holds_is_named(box, then, said):
    with another_user(protocol.address(*box.container), then) as pid, pytest.raises(InUse, match=rf"{said}.*process {pid} of uid 4711\b"):
        box.start()
    box.start()


JUNK = {
    "nothing": b"",
    "short": b"short",
    "all ones": b"\xff" * 16,
    "a huge payload": b"\x03\0\0\0\xff\xff\xff\x7f" + b"\0" * 8,
    "an unterminated text": b"\x07\0\0\0\x04\0\0\0" + b"\0" * 8 + b"abcd",
    "an unknown command": b"\x63\0\0\0" + b"\0" * 12,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_on_the_command_socket_drops_that_client_only(box, junk):
    box.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(protocol.address(*box.container))
        connection.sendall(junk)
        assert box.state == State.RUNNING
        assert client.init_pid(box.container) > 0


def test_clients_that_say_nothing_do_not_delay_others(box):
    box.start()
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _number in range(20)]
    for connection in silent:
        connection.connect(protocol.address(*box.container))
    assert box.state == State.RUNNING
    for connection in silent:
        connection.close()


def test_a_process_of_a_container_may_not_stop_another(make_box, until):
    """A container that shares the host's network reaches the abstract sockets (CVE-2020-15257)."""
    victim = make_box("s1")
    victim.start()
    code = (
        "import os,socket,struct,sys\n"
        "pid=os.fork()\n"
        "if pid: os.waitpid(pid,0); sys.exit()\n"
        f"s=socket.socket(socket.AF_UNIX); s.connect({protocol.address(*victim.container)!r})\n"
        "s.send(struct.pack('@iiQ',2,0,0)); print(struct.unpack('@iiq',s.recv(16))[0])\n"
    )
    done = subprocess.run(["unshare", "--pid", "--fork", "python3", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "-1", done
    assert victim.state == State.RUNNING


def test_the_monitor_is_a_daemon_of_its_own(monitor):
    assert process.status(monitor)["Name"] == "hostkit-lxc"
    assert os.getsid(monitor) != os.getsid(0)
    assert os.readlink(f"/proc/{monitor}/cwd") == "/"
    own, its = hierarchies.of(os.getpid()), hierarchies.of(monitor)
    assert its and all(its[place] != own[place] for place in its)
    assert os.stat(paths.RUN).st_mode & 0o777 == 0o700
