# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a host with cgroup v2 alone can show; the others' tests run there too (ci/steps/root --unified)."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, libc, mount, mount_old, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.client import Refused
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.exchange import Exchange, ask
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

# As systemd does: nobody stays in the cgroup whose controllers go to those below.
DELEGATES = """
cd /sys/fs/cgroup && busybox mkdir leaf && echo 1 > leaf/cgroup.procs
for controller in $(cat cgroup.controllers); do echo +$controller > cgroup.subtree_control; done
cat cgroup.subtree_control > /tmp/handed; cd /; touch /tmp/done
"""


@pytest.fixture(autouse=True)
def unified() -> None:
    hierarchies.need(2, alone=True)


def directory(box) -> str:
    (mounted,) = cgroupfs.hierarchies()
    return mounted.mount_point + client.cgroup(box.container, "freezer")


def text(box, name: str) -> str:
    """A file as the container sees it."""
    return box.path(name).read_text()


def events(box) -> str:
    return cgroupfs.read(directory(box), "cgroup.events")


def watched(monitor: int) -> list[str]:
    """The files of cgroups that the monitor has open."""
    places = [f"/proc/{monitor}/fd/{fd}" for fd in os.listdir(f"/proc/{monitor}/fd")]
    return [os.readlink(place) for place in places if os.path.lexists(place) and "cgroup.events" in os.readlink(place)]


def change(box, command: Command, seconds: int) -> int:
    """The errno that the monitor answers."""
    try:
        return ask(box.container, command, 20, data=seconds).response.ret
    except Refused as error:
        return error.errno


@pytest.fixture
def delegating(make_box):
    """A container whose init has handed every controller down to those below its cgroup."""
    if not hierarchies.controllers():
        pytest.skip("no controller is to be had on this host's unified hierarchy")
    box = make_box("s1", "lxc.mount.auto = proc sys cgroup:rw:force")
    box.init(DELEGATES)
    box.start()
    box.wait_for_file()
    assert (box.root / "tmp/handed").read_text().split()
    with pytest.raises(OSError) as caught:
        cgroupfs.attach(directory(box), os.getpid())
    assert caught.value.errno == errno.EBUSY, "nobody may enter the container's own cgroup any more"
    return box


def test_one_that_hands_its_controllers_down_can_be_attached_to_frozen_and_ended(delegating, until):
    said = attach(delegating.container, AttachRequest(["cat", "/proc/self/cgroup"], timeout=20))
    assert said.rc == 0 and b"\n0::/.lxc-attach-" in b"\n" + said.stdout
    daemon = attach(delegating.container, AttachRequest(["sh", "-c", "sleep 6543 > /dev/null & echo $!"], timeout=20))
    assert daemon.rc == 0 and text(delegating, f"proc/{int(daemon.stdout)}/cgroup").endswith("/lxc.payload.s1/.lxc\n"), "it lives on"
    late = attach(delegating.container, AttachRequest(["sh", "-c", "sleep 7654 & sleep 7654"], timeout=0.3))
    assert late.timed_out
    assert [pid for pid in cgroupfs.all_procs(directory(delegating)) if b"7654" in Path(f"/proc/{pid}/cmdline").read_bytes()] == []
    assert freeze.freeze(delegating.container) and "frozen 1" in events(delegating)
    assert freeze.thaw(delegating.container) and "frozen 0" in events(delegating)
    where = directory(delegating)
    delegating.kill()
    until(lambda: not os.path.exists(where), "its cgroups are gone, with those that it made")


def test_lxc_attach_enters_one_that_hands_its_controllers_down(delegating):
    command = ["lxc-attach", "-P", delegating.container.lxc_path, "-n", "s1", "--", "/bin/cat", "/proc/self/cgroup"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "0::/.lxc", done


@pytest.mark.parametrize("above", ["", "k-above/it"])
def test_a_limit_of_the_config_is_in_the_kernel(make_box, above):
    limit = hierarchies.limit()
    place = [f"lxc.cgroup.dir = {above}"] if above else []
    box = make_box("s1", f"{limit.key} = {limit.written}", "lxc.cgroup.memory.limit_in_bytes = 64M", *place)
    [warning] = box.start()
    assert "lxc.cgroup.memory.limit_in_bytes has no effect" in warning
    assert directory(box).endswith(f"{above}/lxc.payload.s1") and cgroupfs.read(directory(box), limit.file).strip() == limit.read
    box.kill()
    if above:
        (mounted,) = cgroupfs.hierarchies()
        cgroupfs.remove_tree(f"{mounted.mount_point}/k-above")


def test_a_controller_that_is_not_here_is_named(make_box):
    box = make_box("s1", "lxc.cgroup2.cpuacct.usage = 0")  # version 1 only
    error = box.fails()
    assert isinstance(error, StepError) and "lxc.payload.s1 has no cpuacct controller" in str(error)


@pytest.mark.parametrize("seconds", [20, 0])
def test_the_monitor_freezes_and_thaws_when_it_is_asked(box, until, seconds):
    box.init("while :; do echo x >> /tmp/count; done")
    box.start()
    count = box.root / "tmp/count"
    until(count.exists, "it counts")
    link, now = client.watch(box.container, [State.FROZEN])
    assert now is None
    assert change(box, Command.FREEZE, seconds) == 0
    if not seconds:
        until(lambda: box.state == State.FROZEN, "it is frozen some time later")
    assert box.state == State.FROZEN and "frozen 1" in events(box)
    with link:
        link.settimeout(20)
        assert link.recv(4096), "state clients were told"
    size = count.stat().st_size
    assert change(box, Command.FREEZE, 20) == 0 and count.stat().st_size == size
    assert change(box, Command.UNFREEZE, 20) == 0
    assert box.state == State.RUNNING and "frozen 0" in events(box)
    until(lambda: count.stat().st_size > size, "it goes on")


@pytest.fixture
def unfreezable(tmp_path):
    """A process that waits for a FUSE server that never answers, which only a kill ends; it is waited for as any child."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    place = tmp_path / "fuse"
    place.mkdir()
    server_fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount_old.mount("fuse", str(place), "fuse", 0, f"fd={server_fd},rootmode=40000,user_id=0,group_id=0")
    waiting = subprocess.Popen([sys.executable, "-c", f"import os; os.stat({str(place / 'x')!r})"])
    yield waiting
    waiting.kill()
    waiting.wait(20)
    mount.umount(str(place), libc.MNT_DETACH)
    os.close(server_fd)


def test_what_does_not_freeze_in_time_is_left_running(box, until, monitor, unfreezable):
    box.start()
    until(lambda: " D " in Path(f"/proc/{unfreezable.pid}/stat").read_text(), "it waits for the server")
    cgroupfs.attach(directory(box), unfreezable.pid)
    assert change(box, Command.FREEZE, 1) == errno.ETIMEDOUT
    assert box.state == State.RUNNING and cgroupfs.read(directory(box), "cgroup.freeze") == "0\n"
    assert watched(monitor) == []


def test_a_freeze_without_a_limit_ends_with_the_container(box, until, monitor, unfreezable):
    box.start()
    until(lambda: " D " in Path(f"/proc/{unfreezable.pid}/stat").read_text(), "it waits for the server")
    cgroupfs.attach(directory(box), unfreezable.pid)
    assert change(box, Command.FREEZE, 0) == 0
    assert box.state == State.FREEZING
    box.kill()
    assert unfreezable.wait(20) == -signal.SIGKILL, "the container's end ends what was put into its cgroup"
    until(lambda: not watched(monitor), "the monitor watches it no longer")


def test_a_freeze_that_the_end_overtakes_is_answered(make_box, until, monitor, unfreezable, tmp_path):
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nwhile [ ! -e {tmp_path}/answered ]; do sleep 0.02; done\n")  # its cgroups are there as long
    hook.chmod(0o755)
    box = make_box("s1", f"lxc.hook.stop = {hook}")
    box.start()
    until(lambda: " D " in Path(f"/proc/{unfreezable.pid}/stat").read_text(), "it waits for the server")
    cgroupfs.attach(directory(box), unfreezable.pid)
    request = Exchange(box.container, Command.FREEZE, 20)
    with request.connect() as link:
        request.send(link, 20, b"")
        until(lambda: box.state == State.FREEZING, "the monitor has begun")
        pid = box.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not process.alive(pid), "init is gone")
        unfreezable.kill()
        with pytest.raises(Refused) as caught:
            request.reply(link)
    assert caught.value.errno == errno.ESRCH and watched(monitor) == []
    (tmp_path / "answered").touch()


def test_who_is_in_another_pid_namespace_may_not_freeze(box):
    box.start()
    code = (
        "import socket, struct, sys\n"
        "for number in (15, 16):\n"
        f"    s = socket.socket(socket.AF_UNIX); s.connect(b'\\0{box.container.lxc_path}/s1/command')\n"
        "    s.send(struct.pack('@iiQ', number, 0, 20)); print(struct.unpack('@iiq', s.recv(16))[0])\n"
    )
    done = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["-1", "-1"], done
    assert box.state == State.RUNNING and "frozen 0" in events(box)
