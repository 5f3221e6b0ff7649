# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a container for real: what init sees, what the host keeps, and what every failure says."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.cgroup import layout
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, libc, process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import start
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, payloads
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State


def text(path: Path) -> str:
    return path.read_text().strip()


def test_it_runs_in_namespaces_of_its_own(box):
    box.start()
    assert box.state == State.RUNNING
    for name in ("mnt", "uts", "ipc", "pid", "net", "cgroup"):
        assert os.readlink(f"/proc/{box.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"), name
    assert os.readlink(f"/proc/{box.pid}/ns/time") == os.readlink("/proc/self/ns/time")
    assert "NSpid:\t%d\t1\n" % box.pid in Path(f"/proc/{box.pid}/status").read_text()


def test_it_is_in_a_cgroup_of_its_own_in_every_hierarchy(box):
    box.start()
    assert set(hierarchies.of(box.pid).values()) == {"/lxc.payload.s1"}


def test_a_cgroup_that_cannot_be_cloned_into_is_left_to_init(in_child):
    """One beside a threaded one is no valid domain and takes nobody (cgroups(7)); init says so when it enters it itself."""
    unified = [found for found in cgroupfs.hierarchies() if found.version == 2]
    if not unified:
        pytest.skip("this host has no cgroup v2 hierarchy")
    good, threaded, invalid = (layout.Cgroup((), unified[0].mount_point, f"/hostkit.test/{name}", 2) for name in "abc")

    def clone(cgroup):
        pid, _pidfd, born_in_v2 = start._clone(0, [cgroup])
        if pid == 0:
            os._exit(0)
        process.wait(pid)
        return born_in_v2

    def refused(cgroup):
        with pytest.raises(StepError) as caught:
            layout.enter([cgroup], False)
        return str(caught.value)

    try:
        for cgroup in (good, threaded):
            os.makedirs(cgroup.directory)
        assert in_child(lambda: clone(good), 0) is True
        cgroupfs.write(threaded.directory, "cgroup.type", "threaded")
        os.mkdir(invalid.directory)
        assert in_child(lambda: clone(invalid), 0) is False
        assert f"Join cgroup {invalid.directory}: Operation not supported" in in_child(lambda: refused(invalid), 0)
    finally:
        cgroupfs.remove_tree(f"{unified[0].mount_point}/hostkit.test")


def test_init_has_nothing_of_the_task_that_started_it(box):
    box.init("cat /proc/self/limits > /tmp/limits; ls -l /proc/1/fd > /tmp/fds; env > /tmp/env; umask > /tmp/umask; touch /tmp/done")
    os.environ["HOSTKIT_LEAK"] = "1"
    box.start()
    box.wait_for_file()
    assert text(box.root / "tmp/umask") == "0022"
    assert "HOSTKIT_LEAK" not in text(box.root / "tmp/env")
    assert "container=lxc" in text(box.root / "tmp/env")
    fds = [line.split("->")[-1].strip() for line in text(box.root / "tmp/fds").splitlines() if "->" in line]
    assert all(fd.startswith("/dev/") or fd == "/init" for fd in fds), fds
    with open("/proc/1/limits") as first:
        wanted = {line[:26]: line[26:].split()[0] for line in first}
    for line in text(box.root / "tmp/limits").splitlines():
        if line.startswith("Max open files"):
            assert line[26:].split()[0] == wanted[line[:26]]
    box.kill()
    box.configure("lxc.init.cmd = /bin/sleep 1000")
    box.start()
    status = process.status(box.pid)
    assert int(status["SigIgn"], 16) == 0
    assert int(status["SigBlk"], 16) == 0
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0


def test_capabilities_are_dropped_and_kept(make_box):
    dropping = make_box("s1", "lxc.cap.drop = sys_module mac_admin", "lxc.cap.drop = 25")
    dropping.start()
    bounding = int(process.status(dropping.pid)["CapBnd"], 16)
    assert not bounding & (1 << 16 | 1 << 33 | 1 << 25)
    assert bounding & 1 << 21
    keeping = make_box("s2", "lxc.cap.keep = kill chown")
    keeping.start()
    bounding = int(process.status(keeping.pid)["CapBnd"], 16)
    assert bounding == 1 << 5 | 1 << 0


def test_dev_is_a_small_tmpfs_with_the_usual_devices_and_terminals(make_box):
    box = make_box("s1", "lxc.tty.max = 2")
    box.start()
    listed = set(os.listdir(box.path("dev")))
    assert {"null", "zero", "full", "random", "urandom", "tty", "console", "tty1", "tty2", "pts", "ptmx", "fd", "stdin"} <= listed
    assert os.stat(box.path("dev/null")).st_rdev == os.makedev(1, 3)
    assert os.major(os.stat(box.path("dev/console")).st_rdev) == 136
    assert not os.path.exists(box.root / "dev/null"), "the root file system itself must stay untouched"


def test_the_console_is_init_s_terminal_and_ttys_can_be_taken(make_box):
    box = make_box("s1", "lxc.tty.max = 1", "lxc.console.buffer.size = 4KB")
    box.init("echo hello-console; tty > /tmp/tty; touch /tmp/done")
    box.start()
    box.wait_for_file()
    assert text(box.root / "tmp/tty") in ("/dev/console", "/dev/pts/0")
    assert b"hello-console" in client.console_log(box.container, payloads.ConsoleLog())
    connection, master_fd, number = client.tty_fd(box.container, -1)
    assert number == 1
    os.close(master_fd)
    connection.close()


def test_mount_auto_protects_proc_and_sys(make_box):
    box = make_box("s1", "lxc.mount.auto = proc:mixed sys:mixed")
    box.init(
        "echo 1 > /proc/sys/kernel/sysrq; echo $? > /tmp/sysrq; echo b > /proc/sysrq-trigger; echo $? > /tmp/trigger; "
        "echo 1 > /proc/sys/net/ipv4/ip_forward; echo $? > /tmp/net; echo x > /sys/kernel/uevent_helper; echo $? > /tmp/sys; >/tmp/done"
    )
    (box.root / "proc").rmdir()
    box.start()
    box.wait_for_file()
    assert [text(box.root / "tmp" / name) for name in ("sysrq", "trigger", "net", "sys")] == ["1", "1", "0", "1"]


def test_mount_entries_of_the_file_and_of_the_config(make_box, tmp_path):
    source = tmp_path / "with space"
    source.mkdir()
    (source / "file").write_text("shared")
    fstab = tmp_path / "fstab"
    escaped = str(source).replace(" ", "\\040")
    fstab.write_text(f"# comment\n{escaped} opt/shared none bind,ro,create=dir 0 0\n")
    box = make_box(
        "s1",
        f"lxc.mount.fstab = {fstab}",
        f"lxc.mount.entry = {escaped}/file etc/one none bind,create=file 0 0",
        f"lxc.mount.entry = tmpfs {tmp_path}/s1/rootfs/run tmpfs size=64k,mode=0700 0 0",
        "lxc.mount.entry = /nowhere opt/none none bind,optional,create=dir 0 0",
        "lxc.mount.entry = etc/one etc/two none bind,relative,create=file 0 0",
        "lxc.mount.entry = /dev/null /elsewhere none bind,create=file 0 0",
    )
    box.start()
    assert text(box.path("opt/shared/file")) == "shared"
    assert text(box.path("etc/one")) == text(box.path("etc/two")) == "shared"
    mounts = Path(f"/proc/{box.pid}/mounts").read_text()
    assert " /opt/shared " in mounts and " /run tmpfs rw,relatime,size=64k" in mounts
    assert [line for line in mounts.splitlines() if " /opt/shared " in line][0].split()[3].startswith("ro")
    assert not Path("/elsewhere").exists()


def test_a_link_in_a_mount_target_is_refused(make_box, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    for place, target in (("opt/x", "opt/x"), ("opt", "opt/below"), ("proc", None)):
        box = make_box(f"s{len(list(tmp_path.iterdir()))}")
        link = box.root / place
        link.parent.mkdir(exist_ok=True)
        if link.is_dir():
            link.rmdir()
        link.symlink_to(victim)
        box.configure(f"lxc.mount.entry = /tmp {target} none bind,create=dir 0 0" if target else "lxc.mount.auto = proc")
        error = box.fails()
        assert "symbolic link" in str(error), error
    assert list(victim.iterdir()) == []


def test_links_for_the_devices_of_the_root_touch_nothing_outside(make_box, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "ptmx").write_text("mine")
    for autodev in (0, 1):
        whole = make_box(f"sdev{autodev}", f"lxc.autodev = {autodev}")
        (whole.root / "dev").rmdir()
        (whole.root / "dev").symlink_to(victim)
        whole.fails()
        console = make_box(f"scon{autodev}", f"lxc.autodev = {autodev}")
        (console.root / "dev/console").symlink_to(victim / "console")
        (console.root / "dev/null").symlink_to(victim / "null")
        if autodev:
            console.start()
        else:
            console.fails()
    assert sorted(path.name for path in victim.iterdir()) == ["ptmx"]
    assert (victim / "ptmx").read_text() == "mine"


def test_what_fails_is_named(make_box):
    box = make_box("s1", "lxc.init.cmd = /sbin/missing --now")
    error = box.fails()
    assert isinstance(error, StepError) and (error.step, error.errno) == ("exec", 2)
    assert "/sbin/missing --now" in str(error)
    box.configure("lxc.mount.entry = /nowhere mnt none bind,create=dir 0 0")
    error = box.fails()
    assert "/nowhere" in str(error) and isinstance(error, StepError) and error.step == "mount"
    limit = hierarchies.limit()
    box.configure(f"{limit.key} = lots")
    assert limit.key in str(box.fails())
    box.configure("lxc.idmap = u 0 100000 65536")
    assert "lxc.idmap" in str(box.fails())
    box.configure(f"lxc.rootfs.path = {box.container.directory}/gone")
    assert "gone" in str(box.fails())


def test_a_capability_that_nobody_knows_is_named_and_leaves_no_cgroup(make_box):
    box = make_box("s1", "lxc.cap.drop = sys_nothing")
    assert "sys_nothing" in str(box.fails())
    mounted = [hierarchy.mount_point for hierarchy in cgroupfs.hierarchies()]
    assert [place for place in mounted if os.path.exists(f"{place}/lxc.payload.s1")] == []


def test_environment_arch_and_working_directory(make_box):
    lines = ("lxc.environment = A=b c", "lxc.environment = PATH", "lxc.init.cwd = /root", "lxc.no_new_privs = 1", "lxc.mount.auto = proc")
    box = make_box("s1", *lines)
    box.init("env > /tmp/env; pwd > /tmp/pwd; grep NoNewPrivs /proc/self/status > /tmp/nnp; touch /tmp/done")
    box.start()
    box.wait_for_file()
    assert "A=b c" in text(box.root / "tmp/env").splitlines()
    assert text(box.root / "tmp/pwd") == "/root"
    assert text(box.root / "tmp/nnp").split()[1] == "1"


def test_init_s_user_groups_and_the_size_of_dev(make_box):
    lines = ("lxc.init.uid = 1000", "lxc.init.gid = 100", "lxc.init.groups = 29,44", "lxc.autodev.tmpfs.size = 65536")
    box = make_box("s1", *lines)
    box.init("exec sleep 1000")
    box.start()
    status = process.status(box.pid)
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["100"] * 4
    assert status["Groups"].split() == ["29", "44"]
    dev = os.statvfs(box.path("dev"))
    assert dev.f_blocks * dev.f_frsize == 65536


def test_sysctl_prlimit_and_clocks(make_box):
    box = make_box(
        "s1",
        "lxc.mount.auto = proc:mixed",
        "lxc.sysctl.net.ipv4.ip_forward = 1",
        "lxc.sysctl.kernel.shmmni = 99",
        "lxc.prlimit.nofile = 100:200",
        "lxc.time.offset.boot = 168h",
        "lxc.proc.oom_score_adj = 123",
    )
    box.init("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/uptime /proc/1/oom_score_adj > /tmp/values; touch /tmp/done")
    box.start()
    box.wait_for_file()
    forward, shmmni, uptime, _idle, score = text(box.root / "tmp/values").split()
    assert (forward, shmmni, score) == ("1", "99", "123")
    assert float(uptime) > 168 * 3600
    assert re.search(r"Max open files +100 +200 ", Path(f"/proc/{box.pid}/limits").read_text())
    assert Path("/proc/sys/kernel/shmmni").read_text().strip() != "99"
    box.kill()
    box.configure("lxc.sysctl.net.nowhere = 1")
    assert "lxc.sysctl.net.nowhere" in str(box.fails())


def test_an_overlay_keeps_the_lower_tree_untouched(make_box, tmp_path, until):
    box = make_box("s1")
    upper = tmp_path / "s1/overlay/delta"
    upper.mkdir(parents=True)
    (tmp_path / "s1/overlay/work").mkdir()
    box.configure(f"lxc.rootfs.path = overlay:{box.root}:{upper}")
    box.init("echo written > /etc/new; touch /tmp/done")
    box.start()
    until((upper / "tmp/done").exists, "init wrote to the upper tree")
    assert text(upper / "etc/new") == "written"
    assert not (box.root / "etc/new").exists()


def test_what_is_not_applied_is_said(make_box):
    proxy = ("lxc.net.0.type = empty", "lxc.net.0.l2proxy = 1")
    box = make_box(
        "s1", "lxc.seccomp.profile = /nowhere", "lxc.monitor.unshare = 1", "lxc.sched.core = 0", "a line that LXC ignores", *proxy
    )
    warnings = box.start()
    said = [warning.split(" = ")[0] for warning in warnings if "not applied" in warning]
    assert said == ["lxc.seccomp.profile", "lxc.monitor.unshare", "lxc.net.0.l2proxy"]
    assert any(f"{box.container.config}:" in warning for warning in warnings)


def test_type_none_alone_shares_the_host_s_network(make_box):
    box = make_box("s1", "lxc.net.0.type = none")
    box.start()
    assert os.readlink(f"/proc/{box.pid}/ns/net") == os.readlink("/proc/self/ns/net")
    assert not client.clone_flags(box.container) & libc.CLONE_NEWNET


def test_shared_and_kept_namespaces(make_box):
    first = make_box("s1")
    first.start()
    second = make_box("s2", "lxc.namespace.share.ipc = s1", "lxc.namespace.keep = uts", "lxc.uts.name = other")
    second.start()
    assert os.readlink(f"/proc/{second.pid}/ns/ipc") == os.readlink(f"/proc/{first.pid}/ns/ipc")
    assert os.readlink(f"/proc/{second.pid}/ns/uts") == os.readlink("/proc/self/ns/uts")
    assert os.uname().nodename != "other"
