# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of a /proc that stands in for the kernel's: which limit, of whom, how much of it is used, and how it is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs, processusage, usage
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.usage import Usage

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max processes             {processes:<20} unlimited            processes
Max open files            {files:<20} 524288               files
"""


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """An empty one, which both readers take for /proc."""
    made = tmp_path / "proc"
    (made / "self").mkdir(parents=True)
    monkeypatch.setattr(usage, "_PROC", str(made))
    monkeypatch.setattr(processusage, "_PROC", str(made))
    write(made, {"self/mountinfo": ""})
    return made


def write(proc: Path, files: dict[str, object]) -> None:
    for name, text in files.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(f"{text}\n" if text != "" else "")


def add(
    proc: Path, pid: int, *, links: dict[str, str] | None = None, user: int = 0, threads: int = 1, can: int = 0, **limits: object
) -> None:
    """A process, with the links of its /proc directory."""
    files = {
        "limits": LIMITS.format(**{"processes": "unlimited", "files": "unlimited", **limits}),
        "comm": "some",
        "status": f"Name:\tsome\nUid:\t{user}\t1\t1\t1\nThreads:\t{threads}\nCapEff:\t{can:016x}",
        "mountinfo": "one\ntwo\nthree",
        "cgroup": "",
    }
    write(proc, {f"{pid}/{name}": text for name, text in files.items()})
    for name, target in (links or {}).items():
        (proc / str(pid) / name).parent.mkdir(exist_ok=True)
        (proc / str(pid) / name).symlink_to(target)


def test_ptys_are_counted_with_those_that_are_kept_for_the_host(proc):
    write(proc, {f"sys/kernel/pty/{name}": number for name, number in (("max", 4096), ("nr", 70), ("reserve", 1024))})
    assert usage.read() == [Usage("kernel.pty.max", 4096, 1094)]


@pytest.mark.parametrize(("options", "told"), [("rw,gid=5,mode=620,max=7", True), ("rw,gid=5,mode=620", False)])
def test_a_devpts_that_was_mounted_with_fewer_is_told(proc, tmp_path, options, told):
    write(proc, {f"sys/kernel/pty/{name}": 1 for name in ("max", "nr", "reserve")})
    write(tmp_path, {f"pts/{name}": "" for name in ("0", "12", "ptmx")})
    write(proc, {"self/mountinfo": f"20 1 0:19 / {tmp_path}/pts rw - devpts devpts {options}"})
    expected = [Usage(f"max of {tmp_path}/pts", 7, 2, "", f"mount -o remount,max={{}} {tmp_path}/pts")]
    assert usage.read()[1:] == (expected if told else [])


def test_namespaces_are_counted_once_wherever_they_are_found(proc, monkeypatch):
    write(proc, {"sys/user/max_net_namespaces": 30, "sys/user/max_uts_namespaces": 20, "sys/user/max_user_namespaces": 0})
    first, made = 0xEFFFFFFE, 0xF0000000
    add(proc, 1, links={"ns/net": f"net:[{made}]", "ns/uts": f"uts:[{first}]"})
    add(proc, 5, links={"ns/net": f"net:[{made + 1}]", "ns/uts": f"uts:[{made + 2}]", "fd/3": f"net:[{made + 3}]", "fd/4": "socket:[99]"})
    add(proc, 6, links={"ns/net": f"net:[{made + 1}]", "fd/7": f"net:[{made + 4}]"})
    write(proc, {"self/mountinfo": f"20 1 0:4 net:[{made + 5}] /run/netns/x rw - nsfs nsfs rw"})
    others = {str(proc / "6/fd/7")}
    monkeypatch.setattr(usage, "_is_owned_here", lambda path: path not in others)
    assert usage.read() == [
        Usage(f"user.max_{kind}_namespaces", *numbers) for kind, *numbers in (("net", 30, 4), ("user", 0, 0), ("uts", 20, 1))
    ]


def test_a_process_s_open_files(proc):
    write(proc, {"sys/fs/mount-max": 100})
    add(proc, 7, links={f"fd/{number}": "socket:[1]" for number in range(5)} | {"ns/user": "user:[1]"}, files=64)
    assert processusage.read([7, 8]) == [
        Usage("RLIMIT_NOFILE of process 7 (some)", 64, 5, "", "prlimit --pid 7 --nofile={}", 16),
        Usage("fs.mount-max", 100, 3, needs=50),
    ]


@pytest.mark.parametrize(
    ("user", "capabilities", "is_told"),
    [(1000, 0, True), (0, 0, False), (1000, 1 << 21, False), (1000, 1 << 24, False), (1000, 1 << 23, True)],
)
def test_a_user_s_threads(proc, monkeypatch, user, capabilities, is_told):
    add(proc, 7, user=user, threads=3, can=capabilities, processes=50)
    add(proc, 8, user=user, threads=4)
    add(proc, 9, user=user + 1, threads=5)
    write(proc, {"7/ns/user": ""})
    monkeypatch.setattr(processusage, "_FIRST_USER_NAMESPACE", (proc / "7/ns/user").stat().st_ino)
    expected = Usage("RLIMIT_NPROC of process 7 (some)", 50, 7, "", "prlimit --pid 7 --nproc={}", 4)
    assert processusage.read([7]) == ([expected] if is_told else [])


def test_in_a_user_namespace_root_s_threads_count(proc):
    add(proc, 7, threads=3, processes=50, can=1 << 21)
    write(proc, {"7/ns/user": ""})
    assert [one.used for one in processusage.read([7])] == [3]


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Three below one another on version 2, where the topmost has no such file."""
    numbers: dict[str, tuple[object, int]] = {"host.slice": ("max", 90), "host.slice/own": (50, 41), "host.slice/own/leaf": ("max", 40)}
    for name, (most, current) in numbers.items():
        write(tmp_path / "cgroup" / name, {"pids.max": most, "pids.current": current})
    monkeypatch.setattr(cgroupfs, "hierarchies", lambda: [cgroupfs.Hierarchy((), f"{tmp_path}/cgroup", 2)])
    monkeypatch.setattr(cgroupfs, "own_path", lambda _pid: {"": "/host.slice/own/leaf"})
    return tmp_path / "cgroup"


def test_the_tasks_of_its_cgroup_and_of_those_above(proc, cgroups):
    add(proc, 7, links={"ns/user": "user:[1]"})
    own = cgroups / "host.slice/own"
    expected = Usage(f"{own}/pids.max", 50, 41, "", f"echo {{}} > {own}/pids.max", 4)
    assert processusage.read([7]) == [expected]
    write(cgroups, {"host.slice/pids.max": 100})
    assert [(one.sysctl, one.value, one.used) for one in processusage.read([7, 7])] == [
        (f"{own}/pids.max", 50, 41),
        (f"{cgroups}/host.slice/pids.max", 100, 90),
    ]


def test_what_systemd_manages_is_set_by_it(proc, cgroups, tmp_path, monkeypatch):
    add(proc, 7, links={"ns/user": "user:[1]"})
    write(cgroups, {"host.slice/pids.max": 100})
    monkeypatch.setattr(processusage, "_SYSTEMD", str(tmp_path))
    assert processusage.read([7])[1].order == "systemctl set-property host.slice TasksMax={}"
