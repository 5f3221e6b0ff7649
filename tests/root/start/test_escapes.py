# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known attacks of a hostile root file system or volume on the one who starts it, by CVE. Where it is cheap, a naive stand-in
shows first that the attack works."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

TRIES = 500 if os.environ.get("HOSTKIT_SOAK") == "1" else 20
_RENAME_EXCHANGE = 2
# What the kernel says when it finds a link, or a name that is changed while it looks.
SWAPPED = "Too many levels of symbolic links|Not a directory|Resource temporarily unavailable"


@contextlib.contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Swap the two names as fast as a process of its own can, for the time of the `with`."""
    code = (
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\na, b = (name.encode() for name in sys.argv[1:])\nprint(flush=True)\n"
        f"while True: libc.renameat2(-100, a, -100, b, {_RENAME_EXCHANGE})\n"
    )
    swapper = subprocess.Popen([sys.executable, "-c", code, str(one), str(other)], stdout=subprocess.PIPE)
    try:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        yield
    finally:
        swapper.kill()
        swapper.wait()
        swapper.stdout.close()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    directory = tmp_path / "victim"
    directory.mkdir()
    return directory


def test_names_that_are_swapped_for_links_during_the_start(make_box, tmp_path, victim):
    """CVE-2021-30465 (a mount lands on the host's file), CVE-2024-45310 (an empty directory or file is made there)."""
    volume = tmp_path / "volume"
    (volume / "x").mkdir(parents=True)
    (volume / "link").symlink_to(victim)
    with exchanging(volume / "x", volume / "link"):
        for number in range(100_000):  # the naive way gets there
            with contextlib.suppress(OSError):
                os.makedirs(volume / f"x/naive{number}")
            if number % 50 == 0 and list(victim.iterdir()):
                break
    assert list(victim.iterdir()), "the race can be won at all"
    for path in victim.iterdir():
        path.rmdir()
    box = make_box("s1")
    (box.root / "mnt").mkdir()
    box.configure(
        f"lxc.mount.entry = {volume} mnt none bind 0 0",
        "lxc.mount.entry = tmpfs mnt/x/made tmpfs size=4k,create=dir 0 0",
        "lxc.mount.entry = /dev/null mnt/x/file none bind,create=file 0 0",
        "lxc.mount.entry = tmpfs mnt/x tmpfs size=4k 0 0",
    )
    started = number = 0
    with exchanging(volume / "x", volume / "link"):
        while number < TRIES or (number < 20 * TRIES and not started):
            number += 1
            try:
                box.start()
            except LxcError as error:
                assert re.fullmatch(rf"Mount .* on mnt/x\S* \(lxc\.mount\.entry\): ({SWAPPED})", str(error))
                continue
            started += 1
            mounts = Path(f"/proc/{box.pid}/mountinfo").read_text()
            assert str(victim) not in mounts
            box.kill()
    assert started
    assert list(victim.iterdir()) == []
    assert str(victim) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_a_link_in_the_place_of_proc_or_sys(make_box, victim, name):
    """CVE-2019-19921: what is mounted over it would lie elsewhere, and what should be read-only would not be."""
    box = make_box("s1", "lxc.mount.auto = proc:mixed sys:mixed")
    (box.root / name).rmdir()
    (box.root / name).symlink_to("tmp/elsewhere")
    (box.root / "tmp/elsewhere").mkdir()
    assert "symbolic link" in str(box.fails())
    assert list((box.root / "tmp/elsewhere").iterdir()) == []


@pytest.mark.parametrize("place", ["console", "tty1", "pts", "ptmx", "null", "lxc"])
@pytest.mark.parametrize("autodev", [0, 1])
def test_links_below_dev(make_box, victim, place, autodev):
    """CVE-2026-41579, CVE-2026-88264, CVE-2026-88265: a name in the root's /dev that leads to the host."""
    box = make_box("s1", f"lxc.autodev = {autodev}", "lxc.tty.max = 1", *(["lxc.tty.dir = lxc"] if place == "lxc" else []))
    naive = victim / "naive"
    (box.root / "dev/probe").symlink_to(naive)
    os.close(os.open(box.root / "dev/probe", os.O_CREAT | os.O_WRONLY))
    assert naive.exists(), "an open that follows gets there"
    naive.unlink()
    target = victim / "target"
    (box.root / "dev" / place).symlink_to(target)
    if place in ("pts", "lxc"):
        target.mkdir()
    if not autodev and place in ("console", "tty1", "pts", "lxc"):
        assert str(box.fails()) == "Set up the container's terminals: Too many levels of symbolic links"
    else:
        box.start()
        assert os.path.lexists(box.path("dev/pts/ptmx"))
    assert [path.name for path in victim.iterdir()] == (["target"] if place in ("pts", "lxc") else [])
    assert not target.is_dir() or list(target.iterdir()) == []


def test_what_the_root_keeps_in_dev_pts_is_not_looked_up(make_box, victim):
    """CVE-2025-52565: /dev/console is bound to the pty itself, not to a name in /dev/pts."""
    box = make_box("s1", "lxc.autodev = 0")
    (box.root / "dev/pts").mkdir()
    for name in ("0", "1", "ptmx"):
        (box.root / "dev/pts" / name).symlink_to(victim / "secret")
    box.start()
    assert os.major(os.stat(box.path("dev/console")).st_rdev) == 136
    assert list(victim.iterdir()) == []


def test_a_value_goes_into_the_kernel_and_not_where_a_volume_leads(make_box, tmp_path):
    """CVE-2025-52881: a volume that covers a part of /proc with files and links of its own."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "shmmni").write_text("1")
    entry = f"lxc.mount.entry = {volume} proc/sys/kernel none bind 0 0"
    box = make_box("s1", "lxc.mount.auto = proc:rw", entry, "lxc.sysctl.kernel.shmmni = 99")
    box.start()
    assert box.path("proc/sys/kernel/shmmni").read_text() == "1", "it is covered"
    assert (volume / "shmmni").read_text() == "1"
    shown = subprocess.run(
        ["nsenter", "-t", str(box.pid), "-i", "cat", "/proc/sys/kernel/shmmni"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "99"
    box.kill()
    (volume / "shmmni").unlink()
    (volume / "shmmni").symlink_to("/proc/self/oom_score_adj")
    box.start()
    assert Path(f"/proc/{box.pid}/oom_score_adj").read_text().strip() != "99"


def test_lxc_proc_never_means_the_host_s_process_1(make_box):
    before = Path("/proc/1/oom_score_adj").read_text()
    box = make_box("s1", "lxc.namespace.keep = pid", "lxc.proc.oom_score_adj = 321", "lxc.init.cmd = /bin/sleep 600")
    box.start()
    assert Path("/proc/1/oom_score_adj").read_text() == before
    assert Path(f"/proc/{box.pid}/oom_score_adj").read_text().strip() == "321"


def test_a_working_directory_by_a_leaked_descriptor(make_box):
    """CVE-2024-21626: lxc.init.cwd = /proc/self/fd/N where N is a directory of the host's."""
    box = make_box("s1")
    for number in range(16):
        box.configure("lxc.mount.auto = proc", f"lxc.init.cwd = /proc/self/fd/{number}")
        try:
            box.start()
        except LxcError as error:
            assert str(error).startswith(f"Enter lxc.init.cwd /proc/self/fd/{number}: ")
            continue
        assert os.path.realpath(f"/proc/{box.pid}/cwd").startswith("/proc/") or os.readlink(f"/proc/{box.pid}/cwd") == "/"
        assert os.stat(f"/proc/{box.pid}/cwd").st_dev == os.stat(f"/proc/{box.pid}/root").st_dev
        box.kill()


def test_a_start_hook_is_the_container_s_and_gets_no_more_than_init(make_box):
    box = make_box("s1")
    hook = box.root / "bin/hook"
    hook.write_text("#!/bin/sh\ncd /proc/1/fd; for n in *; do readlink $n; done > /tmp/fds\ngrep Cap /proc/self/status > /tmp/caps\n")
    hook.chmod(0o755)
    box.configure("lxc.hook.start = /bin/hook", "lxc.mount.auto = proc", "lxc.cap.drop = sys_module sys_time")
    box.start()
    sets = dict(line.split(":\t") for line in (box.root / "tmp/caps").read_text().splitlines())
    for name in ("CapBnd", "CapPrm", "CapEff"):
        assert not int(sets[name], 16) & (1 << 16 | 1 << 25), name
    assert int(sets["CapInh"], 16) == int(sets["CapAmb"], 16) == 0
    shown = (box.root / "tmp/fds").read_text().split()
    assert [one for one in shown if one.startswith("/") and not one.startswith("/dev/")] == [], shown


def test_the_root_cannot_say_which_capabilities_there_are(make_box):
    """Nothing is mounted on its /proc: what stands there is the container's own."""
    box = make_box("s1", "lxc.cap.drop = sys_module sys_time", "lxc.init.cmd = /bin/sleep 600")
    (box.root / "proc/sys/kernel").mkdir(parents=True)
    (box.root / "proc/sys/kernel/cap_last_cap").write_text("0\n")
    box.start()
    assert not int(process.status(box.pid)["CapBnd"], 16) & (1 << 16 | 1 << 25)


def test_users_of_the_host_cannot_reach_a_container_s_root_by_the_runtime(box):
    box.start()
    pid = os.fork()
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        reached = [place for place in (f"{paths.RUN}/rootfs", f"/proc/{os.getppid()}/root{paths.RUN}/rootfs") if os.access(place, os.F_OK)]
        os._exit(len(reached))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


GIVERS = (Command.GET_CGROUP_CTX, Command.GET_CGROUP_FD, Command.GET_LIMIT_CGROUP_FD, Command.GET_INIT_PIDFD, Command.GET_DEVPTS_FD)


def test_no_descriptor_for_who_is_in_another_pid_namespace(box):
    """A directory of the host's mount namespace is a way out by `..`; a pidfd is one of stopping others (CVE-2020-15257's kind)."""
    box.start()
    _layout, fds = client.cgroup_fds(box.container)
    here = os.open("../../../../../../../..", os.O_PATH | os.O_DIRECTORY, dir_fd=fds[0])
    assert os.path.samestat(os.fstat(here), os.stat("/")), "on the host's side it is one"
    for fd in (*fds, here):
        os.close(fd)
    requests = [(int(command), payloads.CgroupFd(controller="memory").pack() if "CGROUP_FD" in command.name else b"") for command in GIVERS]
    requests[0] = (int(Command.GET_CGROUP_CTX), payloads.CgroupCtx().pack())
    code = (
        "import socket, struct\n"
        f"for command, payload in {requests!r}:\n"
        f"    s = socket.socket(socket.AF_UNIX); s.connect({protocol.address(*box.container)!r})\n"
        "    s.sendall(struct.pack('@iiQ', command, len(payload), 0) + payload)\n"
        "    data, fds, _flags, _address = socket.recv_fds(s, 16, 20)\n"
        "    print(struct.unpack('@iiq', data)[0], len(fds))\n"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.splitlines() == ["-1 0"] * len(GIVERS), done
    assert box.state == State.RUNNING
