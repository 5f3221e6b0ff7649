# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container is the same whoever's task brought up the monitor: nothing of a caller with odd values shows inside, nor in a hook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, systemd
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.monitor import environment

pytestmark = pytest.mark.usefixtures("only_ours")

TESTS = Path(__file__).resolve().parents[2]
START = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
[(container, error, warnings, _was_up)] = runtime.start([paths.container(sys.argv[1], sys.argv[2])], 30)
assert error is None, error
print(warnings, runtime.ensure_monitor()["problems"])
"""
BEGIN = f"""
import json, sys
sys.path.insert(0, {str(TESTS)!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import presence
runtime.ensure_monitor()
print(json.dumps(presence.problems))
"""
# Everything odd at once that a task's process can be and a child of it inherits, and that a monitor of root can get rid of.
ODD = """
import ctypes, fcntl, os, resource, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
capable = int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16) >> 24 & 1  # of raising a hard limit again
limits = {
    resource.RLIMIT_CPU: 1000, resource.RLIMIT_FSIZE: 1 << 30, resource.RLIMIT_DATA: 1 << 33, resource.RLIMIT_STACK: 1 << 22,
    resource.RLIMIT_CORE: 1000, resource.RLIMIT_RSS: 1 << 30, resource.RLIMIT_NPROC: 5000, resource.RLIMIT_NOFILE: 100,
    resource.RLIMIT_MEMLOCK: 1 << 20, resource.RLIMIT_AS: 1 << 33, 10: 7, resource.RLIMIT_SIGPENDING: 100,
    resource.RLIMIT_MSGQUEUE: 1000, resource.RLIMIT_NICE: 10, resource.RLIMIT_RTPRIO: 5, 15: 1000000,  # 10: locks, 15: real time
}
for number, soft in limits.items():
    hard = 2 * soft if capable else resource.getrlimit(number)[1]
    resource.setrlimit(number, (soft if hard < 0 else min(soft, hard), hard))
os.umask(0o077)
os.nice(7)
os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
libc.syscall(251 if os.uname().machine == "x86_64" else 30, 1, 0, 3 << 13)  # ioprio_set: idle
open("/proc/self/oom_score_adj", "w").write("500")
open("/proc/self/coredump_filter", "w").write("0x7f")
open("/proc/self/timerslack_ns", "w").write("123456")
libc.personality(0x0040000)  # ADDR_NO_RANDOMIZE
os.setgroups([100, 29])
os.setgid(100)
libc.prctl(28, 1 << 4, 0, 0, 0)  # SECBIT_KEEP_CAPS
os.chdir("/tmp")
os.environ["SECRET_OF_THE_CALLER"] = "1"
fds = [os.open("/etc/passwd", os.O_RDONLY), os.open("/tmp", os.O_PATH), *os.pipe(), socket.socket().detach()]
fds += [fcntl.fcntl(fds[0], fcntl.F_DUPFD, start) for start in (20, 57, 90)]
for fd in fds:
    os.set_inheritable(fd, True)
numbers = (250, 248) if os.uname().machine == "x86_64" else (219, 217)
libc.syscall(numbers[0], 1, b"odd", 0, 0, 0)  # keyctl: join a session keyring of its own
assert libc.syscall(numbers[1], b"user", b"odd-key", b"secret", 6, -3) > 0  # add_key: into it, where who has the keyring finds it
for namespace in (0x04000000, 0x08000000, 0x02000000, 0x40000000, 0x00020000):  # uts, ipc, cgroup, net and mnt of its own
    assert libc.unshare(namespace) == 0
socket.sethostname("odd")
"""
# The same for every process that is looked at; the pids in it are those of a new pid namespace, or left out.
LOOK = """
cat /proc/self/limits
grep -E '^(Umask|Uid|Gid|Groups|SigBlk|SigIgn|Cap...|NoNewPrivs|Seccomp|Cpus_allowed_list|Mems_allowed_list|CoreDumping):' /proc/self/status
cut -d' ' -f18,19,38,40,41 /proc/self/stat
for name in oom_score_adj coredump_filter timerslack_ns personality; do echo $name; cat /proc/self/$name; done
pwd; umask; env | sort; ls /proc/self/fd; ionice -p $$
"""

# What only a hook is asked, which is on the host: whose namespaces and cgroups, and whether the caller's keys are within reach.
LOOK_OUTSIDE = f"""{LOOK}
for name in uts ipc cgroup mnt net; do readlink /proc/self/ns/$name; done
cat /proc/self/cgroup
{sys.executable} - <<'end'
import ctypes, os
number = 249 if os.uname().machine == "x86_64" else 218
print("key", ctypes.CDLL(None).syscall(number, b"user", b"odd-key", None, 0))  # request_key
end
"""


@pytest.fixture
def box(make_box, tmp_path: Path):  # type: ignore[no-untyped-def]
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nexec >{tmp_path}/seen.hook 2>&1\n{LOOK_OUTSIDE}")
    hook.chmod(0o755)
    box = make_box("s1", "lxc.mount.auto = proc", f"lxc.hook.pre-start = {hook}")
    for applet in ("cut", "ls", "sort", "ionice"):
        (box.root / "bin" / applet).symlink_to("busybox")
    box.init(f"({LOOK}) >/tmp/seen 2>&1; touch /tmp/done")
    return box


def seen_after(before: str, box, tmp_path: Path, *wrapper: str) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Bring up a monitor from a process that has done `before`, and see what a container and a hook of it are like."""
    runtime.stop_monitor()
    command = [*wrapper, sys.executable, "-c", before + START, box.container.name, box.container.lxc_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    box.wait_for_file()
    seen = {"said": done.stdout, "inside": (box.root / "tmp/seen").read_text(), "hook": (tmp_path / "seen.hook").read_text()}
    box.kill()
    (box.root / "tmp/done").unlink()
    return seen


def test_nothing_of_the_caller_shows(box, tmp_path: Path) -> None:
    """All at once, since one can hide another; compared with a monitor from a process that has nothing odd."""
    plain = seen_after("", box, tmp_path)
    odd = seen_after(ODD, box, tmp_path, "setpriv", "--inh-caps", "+chown", "--ambient-caps", "+chown")
    for what in plain:
        assert odd[what].splitlines() == plain[what].splitlines(), what
    assert "SigIgn:\t0000000000000000\n" in odd["inside"] and "\n0022\n" in odd["inside"] and "SECRET" not in str(odd)
    assert "\nkey -1\n" in odd["hook"]
    first = Path("/proc/1/limits").read_text().splitlines()
    assert odd["inside"].splitlines()[: len(first)] == first, "the limits are process 1's"


REPORTED = {
    "rights": (
        ["--no-new-privs", "--bounding-set", "-mknod"],
        ["no_new_privs is set", "the capability bounding set differs from process 1's"],
    ),
    "namespaces": (
        ["--bounding-set", "-sys_ptrace"],
        [
            "the capability bounding set differs from process 1's",
            "the namespaces mnt, net, ipc, uts, cgroup of process 1 could not be entered: Permission denied",
        ],
    ),
}


@pytest.mark.parametrize(("rights", "expected"), REPORTED.values(), ids=REPORTED)
def test_what_cannot_be_undone_is_reported_to_who_began_the_monitor(rights, expected):
    """Once, and in its log: without CAP_SYS_PTRACE nobody may look at the namespaces of process 1."""
    runtime.stop_monitor()
    begin = ["setpriv", *rights, sys.executable, "-c", BEGIN]
    log = Path(paths.MONITOR_LOG)
    written = log.stat().st_size
    first, second = (json.loads(subprocess.run(begin, stdout=subprocess.PIPE, timeout=120, check=True).stdout) for _turn in range(2))
    logged = log.read_bytes()[written:].decode().splitlines()
    runtime.stop_monitor()
    # A service is begun by systemd, to which its caller's rights are nothing.
    assert [problem for problem in first if "could not be taken on" not in problem] == ([] if systemd.booted() else expected)
    assert second == []
    assert [line for line in logged if line in first] == first


def test_a_monitor_that_brought_nothing_along_has_nothing_to_report():
    runtime.stop_monitor()
    assert runtime.ensure_monitor()["problems"] == []


def test_a_namespace_that_is_not_that_of_process_1_is_named(in_child):
    flags = libc.CLONE_NEWUTS | libc.CLONE_NEWIPC | libc.CLONE_NEWNET
    assert in_child(environment._differences, flags) == [f"it is not in the {one} namespace of process 1" for one in ("net", "ipc", "uts")]


def test_it_leaves_the_cgroup_of_who_began_it_before_anything_else(monkeypatch, tmp_path):
    """What it does to be warm is its own already, and does not end with the task."""
    runtime.stop_monitor()
    seen = tmp_path / "seen"
    files = dict(runtime.sources())
    line = f"\nrehearse = lambda: open({str(seen)!r}, 'w').write(open('/proc/self/cgroup').read())\n"
    files["lifecycle/rehearsal.py"] += line.encode()
    monkeypatch.setattr(runtime, "sources", lambda: files)
    pid = int(runtime.ensure_monitor()["pid"])
    own = Path(f"/proc/{pid}/cgroup").read_text()
    runtime.stop_monitor()
    assert f"{'/hostkit-lxc.service' if systemd.booted() else ':/hostkit-lxc.monitor'}\n" in own and seen.read_text() == own
