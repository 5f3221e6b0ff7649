# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console: a flood, a hangup, its log file and ring, a client that comes and goes; and devices without autodev."""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def cpu_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_until(fd: int, wanted: bytes, timeout: float = 10) -> bytes:
    said, deadline = b"", time.monotonic() + timeout
    while wanted not in said:
        assert select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], said
        said += os.read(fd, 4096)
    return said


def hears(box, wanted: bytes):  # type: ignore[no-untyped-def]
    """A condition: its console has said this by now. What is read from a ring is no longer in it."""
    heard = bytearray()

    def said() -> bool:
        heard.extend(client.console_log(box.container, payloads.ConsoleLog()))
        return wanted in heard

    return said


def last_number(box) -> int:  # type: ignore[no-untyped-def]
    """Of the lines that have come since it was asked before."""
    lines = client.console_log(box.container, payloads.ConsoleLog()).split(b"\n")[:-1]
    return int(lines[-1].split()[-1]) if lines else 0


def is_full(box, seconds: float) -> bool:  # type: ignore[no-untyped-def]
    """Whether so long fills its ring. To ask sooner is to empty it."""
    time.sleep(seconds)
    return len(client.console_log(box.container, payloads.ConsoleLog())) == 128 * 1024


def test_a_flood_of_one_console_delays_nobody(make_box, monitor, until):
    """It never ends, so what waits for its end is never answered."""
    noisy, quiet = make_box("s1", "lxc.console.buffer.size = auto"), make_box("s2")
    noisy.init("n=0; while :; do n=$((n+1)); echo 012345678901234567890123456789012345678901234567890123456789 $n; done &")
    noisy.start()
    quiet.start()
    spent, began = cpu_time(monitor), time.monotonic()
    for _number in range(20):
        come = last_number(noisy)
        assert quiet.state == State.RUNNING, "queries are answered between the reads"
        until(lambda come=come: last_number(noisy) > come, "it floods on")
    share = (cpu_time(monitor) - spent) / (time.monotonic() - began)
    assert share < 0.6, f"the monitor spent {share:.0%} of a processor on it"
    assert any(is_full(noisy, seconds) for seconds in (0.5, 2, 8)), "what nobody reads is kept up to the ring's size"


def test_a_hangup_of_the_console_makes_nothing_spin_and_it_works_afterwards(make_box, monitor, until):
    """As a getty leaves it: the terminal opened anew, in a session of its own."""
    box = make_box("s1", "lxc.console.buffer.size = auto", "lxc.mount.auto = proc")
    (box.root / "bin/getty").symlink_to("busybox")
    box.init("trap '' HUP; (/bin/busybox setsid /bin/busybox getty -L -n -l /bin/shout 9600 console &); sleep 0.5; touch /tmp/done")
    (box.root / "bin/shout").write_text(
        "#!/bin/sh\nexec > /dev/console 2>&1\nwhile :; do echo after-hangup; read line; echo got $line; done\n"
    )
    (box.root / "bin/shout").chmod(0o755)
    box.start()
    box.wait_for_file()
    until(hears(box, b"after-hangup"), "the console works")
    spent = cpu_time(monitor)
    time.sleep(0.5)
    assert cpu_time(monitor) - spent <= 0.1, "the monitor does not spin"
    link, fd, _number = client.tty_fd(box.container, 0)
    os.write(fd, b"typed\r")
    assert b"got typed" in read_until(fd, b"got typed")
    os.close(fd)
    link.close()


def test_a_true_vhangup_does_not_make_it_spin(make_box, monitor, until):
    box = make_box(
        "s1", "lxc.console.buffer.size = auto", "lxc.mount.auto = proc", "lxc.mount.entry = /usr usr none rbind,ro,create=dir 0 0"
    )
    for name in ("lib", "lib64"):
        (box.root / name).symlink_to(f"usr/{name}")
    program = box.root / "bin/hang"
    program.write_text(
        "#!/usr/bin/python3 -IS\nimport ctypes, fcntl, os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nos.setsid()\n"
        "fd = os.open('/dev/console', os.O_RDWR)\nfcntl.ioctl(fd, 0x540E, 0)\nctypes.CDLL(None).vhangup()\n"
        "fd = os.open('/dev/console', os.O_RDWR | os.O_NOCTTY)\nos.write(fd, b'after-hangup')\n"
    )
    program.chmod(0o755)
    box.init("trap '' HUP; /bin/busybox sh -c '/bin/hang' < /dev/null > /tmp/out 2>&1 & wait $!; touch /tmp/done")
    box.start()
    box.wait_for_file()
    until(hears(box, b"after-hangup"), (box.root / "tmp/out").read_text())
    spent = cpu_time(monitor)
    time.sleep(0.5)
    assert cpu_time(monitor) - spent <= 0.1, "the monitor does not spin"


@pytest.mark.parametrize("rotate", [0, 1])
def test_the_log_file_is_bounded_and_rotated_where_asked(make_box, tmp_path, until, rotate):
    log = tmp_path / "console.log"
    box = make_box("s1", f"lxc.console.logfile = {log}", "lxc.console.size = 4KB", f"lxc.console.rotate = {rotate}")
    box.init("n=0; while [ $n -lt 300 ]; do echo line-$n-of-some-length; n=$((n+1)); done; echo the-end; touch /tmp/done")
    box.start()
    box.wait_for_file()
    until(lambda: log.exists() and "the-end" in log.read_text(), "the last line is written")  # it is renamed before it is made anew
    assert log.stat().st_size <= 16384
    assert (log.stat().st_mode & 0o077) == 0
    assert Path(f"{log}.1").exists() == bool(rotate)


def test_the_ring_keeps_the_last_until_it_is_read_and_there_is_none_unless_asked_for(make_box, tmp_path, until):
    log = tmp_path / "console.log"
    box = make_box("s1", "lxc.console.buffer.size = 4KB", f"lxc.console.logfile = {log}")
    box.init("n=0; while [ $n -lt 600 ]; do echo line-$n; n=$((n+1)); done; touch /tmp/done")
    box.start()
    box.wait_for_file()
    until(lambda: log.read_bytes().endswith(b"line-599\r\n"), "all is read")
    first = client.console_log(box.container, payloads.ConsoleLog(read_max=10))
    rest = client.console_log(box.container, payloads.ConsoleLog())
    assert (len(first), len(rest)) == (10, 4086) and log.read_bytes().endswith(first + rest)
    assert client.console_log(box.container, payloads.ConsoleLog()) == b""
    without = make_box("s2")
    without.start()
    with pytest.raises(LxcError):
        client.console_log(without.container, payloads.ConsoleLog())


def test_one_client_at_a_time_and_the_leaving_of_the_first_does_not_end_the_second(make_box):
    box = make_box("s1")
    box.init("while read line; do echo got $line; done < /dev/console > /dev/console &")
    box.start()
    first, fd, _number = client.tty_fd(box.container, 0)
    with pytest.raises(LxcError):
        client.tty_fd(box.container, 0)
    os.close(fd)  # the pty has gone, the connection not yet
    deadline = time.monotonic() + 10
    while True:
        try:
            second, fd, _number = client.tty_fd(box.container, 0)
            break
        except LxcError:
            assert time.monotonic() < deadline
    first.close()
    assert box.state == State.RUNNING
    os.write(fd, b"hello\r")
    assert b"got hello" in read_until(fd, b"got hello")
    os.close(fd)
    second.close()


def test_terminals_in_a_directory_of_their_own(make_box):
    box = make_box("s1", "lxc.tty.max = 2", "lxc.tty.dir = lxc")
    box.start()
    for name in ("console", "tty1", "tty2"):
        assert os.readlink(box.path(f"dev/{name}")) == f"lxc/{name}"
        assert os.major(os.stat(box.path(f"dev/lxc/{name}")).st_rdev) == 136


def test_no_console_gives_init_nothing_of_the_host(make_box):
    box = make_box("s1", "lxc.console.path = none", "lxc.mount.auto = proc")
    box.init("ls -l /proc/1/fd > /tmp/fds; echo to-the-void; touch /tmp/done")
    (box.root / "bin/ls").symlink_to("busybox")
    box.start()
    box.wait_for_file()
    assert {os.readlink(f"/proc/{box.pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}


def test_without_autodev_the_root_s_own_nodes_are_used(make_box):
    box = make_box("s1", "lxc.autodev = 0", "lxc.tty.max = 1")
    for name, minor in (("null", 3), ("zero", 5)):
        os.mknod(box.root / "dev" / name, 0o020666, os.makedev(1, minor))
    (box.root / "dev/console").write_text("")
    box.start()
    assert os.stat(box.path("dev/null")).st_rdev == os.makedev(1, 3)
    assert not os.path.exists(box.path("dev/full")), "nothing is added"
    assert os.major(os.stat(box.path("dev/console")).st_rdev) == os.major(os.stat(box.path("dev/tty1")).st_rdev) == 136
    assert os.path.exists(box.path("dev/pts/ptmx"))
    assert (box.root / "dev/console").read_text() == ""


def test_a_root_that_is_read_only(make_box, until):
    box = make_box("s1", "lxc.rootfs.options = ro", "lxc.mount.auto = proc sys", "lxc.mount.entry = tmpfs tmp tmpfs size=64k 0 0")
    box.init("touch /etc/x || touch /tmp/refused; touch /tmp/done")
    box.start()
    until(lambda: box.path("tmp/done").exists(), "init ran")
    assert box.path("tmp/refused").exists() and not (box.root / "etc/x").exists()
    (box.root / "probe").write_text("the host still writes there")


@pytest.mark.parametrize("words", ["cgroup:mixed:force", "cgroup:force", "cgroup:ro:force", "cgroup"])
def test_cgroups_are_mounted_where_init_cannot(make_box, words):
    """`force`, or CAP_SYS_ADMIN dropped."""
    drop = [] if "force" in words else ["lxc.cap.drop = sys_admin"]
    box = make_box("s1", f"lxc.mount.auto = proc sys {words}", *drop)
    box.start()
    lines = [line.split() for line in Path(f"/proc/{box.pid}/mounts").read_text().splitlines()]
    mounts = {line[1]: line[3].split(",")[0] for line in lines if line[2].startswith("cgroup")}
    assert mounts and all(place.startswith("/sys/fs/cgroup") for place in mounts)
    assert set(mounts.values()) == {"ro" if ":ro" in words else "rw"}
    place = sorted(mounts)[0]
    own = Path(f"/proc/{box.pid}/root{place}/cgroup.procs").read_text().split()
    assert str(box.pid) in own or "0" in own, "what is seen there is the container's own cgroup"
    bare = make_box("s2", "lxc.mount.auto = proc sys cgroup")
    bare.start()
    assert " cgroup" not in Path(f"/proc/{bare.pid}/mounts").read_text().replace(" /sys/fs/cgroup tmpfs", ""), "init can do it itself"


def test_the_ptys_that_a_container_may_make_are_beside_its_terminals(make_box):
    """A container of LXC's own busybox template has one pty and five terminals."""
    box = make_box("s1", "lxc.pty.max = 1", "lxc.tty.max = 5")
    box.start()
    first = os.open(box.path("dev/pts/ptmx"), os.O_RDWR | os.O_NOCTTY)
    with pytest.raises(OSError) as caught:
        os.open(box.path("dev/pts/ptmx"), os.O_RDWR | os.O_NOCTTY)
    assert caught.value.errno == errno.ENOSPC
    os.close(first)
