# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import libc, process


@pytest.fixture(params=["clone3", "clone"])
def either_clone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(process, "have_clone3", request.param == "clone3")
    return str(request.param)


@pytest.fixture(params=["close_range", "listing"])
def either_close(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(process, "have_close_range", request.param == "close_range")
    return str(request.param)


def child(function: Callable[[], int], flags: int = 0, exit_signal: int = signal.SIGCHLD) -> int:
    """The exit status of a child that runs the function."""
    pid, pidfd = process.clone3(flags, exit_signal)
    if pid == 0:
        status = 99
        try:
            status = function()
        finally:
            os._exit(status)
    try:
        assert process.pidfd_wait(pidfd, 30)
    finally:
        os.close(pidfd)
    return os.WEXITSTATUS(process.wait(pid)[1])


def test_clone_args_is_the_struct_of_88_bytes() -> None:
    packed = process.clone_args(libc.CLONE_PARENT, 17, 9, 0x1234)
    fields = struct.unpack("=11Q", packed)
    assert len(packed) == 88
    assert fields[0] == libc.CLONE_PARENT | libc.CLONE_PIDFD | libc.CLONE_INTO_CGROUP
    assert (fields[1], fields[4], fields[10]) == (0x1234, 17, 9)
    assert sum(fields[2:4]) + sum(fields[5:10]) == 0


def test_without_a_cgroup_the_flag_is_not_set() -> None:
    assert struct.unpack("=11Q", process.clone_args(0, 0, -1, 1))[::10] == (libc.CLONE_PIDFD, 0)


def test_the_child_is_a_whole_interpreter(either_clone: str) -> None:
    """Threads, late imports, forks: what the hooks around os.fork() are for."""

    def work() -> int:
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(1))
        thread.start()
        thread.join(20)
        import colorsys

        pid = os.fork()
        if pid == 0:
            os._exit(3)
        return os.WEXITSTATUS(os.waitpid(pid, 0)[1]) + len(seen) + bool(colorsys) + (threading.current_thread() is threading.main_thread())

    assert alone(lambda: child(work)) == 6


def alone(act: Callable[[], int]) -> int:
    """In a forked process, whose only thread this is: what a C library's lock is held for elsewhere would hang a clone for ever."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = act()
        finally:
            os._exit(status)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def test_registered_hooks_run(either_clone: str) -> None:
    """os.register_at_fork() is for ever: registered in a child, and looked at in its child."""

    def work() -> int:
        ran: list[str] = []
        os.register_at_fork(
            before=lambda: ran.append("before"),
            after_in_parent=lambda: ran.append("parent"),
            after_in_child=lambda: ran.append("child"),
        )
        inner = child(lambda: 0 if ran == ["before", "child"] else 1)
        return inner * 2 + (ran != ["before", "parent"])

    assert child(work) == 0


def test_hooks_do_not_run_for_a_bare_one(either_clone: str) -> None:
    def work() -> int:
        ran: list[str] = []
        os.register_at_fork(before=lambda: ran.append("before"), after_in_child=lambda: ran.append("child"))
        pid, pidfd = process.clone3(0, signal.SIGCHLD, bare=True)
        if pid == 0:
            os._exit(len(ran))
        os.close(pidfd)
        return os.WEXITSTATUS(process.wait(pid)[1]) * 10 + len(ran)

    assert child(work) == 0


@pytest.mark.parametrize("threads", [0, 1])
def test_a_fork_is_bare_only_without_other_threads(threads: int) -> None:
    def work() -> int:
        ran: list[str] = []
        os.register_at_fork(after_in_child=lambda: ran.append("child"))
        for _count in range(threads):
            threading.Thread(target=time.sleep, args=[60], daemon=True).start()
        pid, born = process.fork()
        if pid == 0:
            os._exit(len(ran))
        return os.WEXITSTATUS(os.waitpid(pid, 0)[1]) * 10 + born

    assert alone(work) == threads * 10


def test_a_grandchild_with_clone_parent_is_waited_for_by_us(either_clone: str) -> None:
    read_fd, write_fd = os.pipe()

    def work() -> int:
        pid, pidfd = process.clone3(libc.CLONE_PARENT)
        if pid == 0:
            os._exit(7 if os.getppid() == parent else 8)
        os.write(write_fd, struct.pack("=i", pid))
        with pytest.raises(ChildProcessError):
            process.wait(pid)
        return 0 if pidfd >= 0 else 1

    parent = os.getpid()
    assert child(work) == 0
    (pid,) = struct.unpack("=i", os.read(read_fd, 4))
    assert os.WEXITSTATUS(process.wait(pid)[1]) == 7
    os.close(read_fd)
    os.close(write_fd)


def test_a_child_without_an_exit_signal_is_waited_for_with_wall(either_clone: str) -> None:
    pid, pidfd = process.clone3(0, 0)
    if pid == 0:
        os._exit(5)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)
    os.close(pidfd)
    assert process.wait(pid) == (pid, 5 << 8)


@pytest.mark.parametrize("flags", [libc.CLONE_NEWNS | 0x200, 0x10000])  # with CLONE_FS; a thread without CLONE_VM
def test_a_refused_clone_is_an_error_in_the_parent(either_clone: str, flags: int) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError) as caught:
        process.clone3(flags, 0)
    assert caught.value.errno == errno.EINVAL
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert child(lambda: 0) == 0


def test_a_flag_beyond_clone2_is_not_dropped_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "have_clone3", False)
    with pytest.raises(OSError) as caught:
        process.clone3(libc.CLONE_CLEAR_SIGHAND, signal.SIGCHLD)
    assert caught.value.errno == errno.EINVAL


def test_a_kernel_without_clone3_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def bare(name: str, *args: object) -> int:
        asked.append(name)
        if name == "clone3":
            libc.ctypes.set_errno(errno.ENOSYS)
            return -1
        return real(name, *args)

    real = libc.bare_syscall
    monkeypatch.setattr(process, "have_clone3", True)
    monkeypatch.setattr(libc, "bare_syscall", bare)
    assert [child(lambda: 4), child(lambda: 4)] == [4, 4]
    assert asked == ["clone3", "clone", "clone"]


def test_a_pidfd_tells_pid_signal_and_end() -> None:
    pid, pidfd = process.clone3(0, signal.SIGCHLD)
    if pid == 0:
        signal.pause()
        os._exit(0)
    assert process.pidfd_pid(pidfd) == pid
    assert not process.pidfd_wait(pidfd, 0)
    process.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert process.pidfd_wait(pidfd, 30)
    assert not process.alive(pid), "a zombie is gone"
    assert os.WTERMSIG(process.wait(pid)[1]) == signal.SIGKILL
    assert process.pidfd_pid(pidfd) == -1
    with pytest.raises(ProcessLookupError):
        process.pidfd_send_signal(pidfd, 0)
    os.close(pidfd)


def test_a_descriptor_that_is_no_pidfd() -> None:
    with pytest.raises(OSError) as caught:
        process.pidfd_pid(os.open("/", os.O_PATH | os.O_CLOEXEC))
    assert caught.value.errno == errno.EBADF


def test_close_all_but(either_close: str) -> None:
    def work() -> int:
        fds = [os.open("/dev/null", os.O_RDONLY) for _count in range(6)]
        keep = {0, 1, 2, fds[1], fds[4]}
        process.close_all_but(keep)
        left = set()
        for fd in range(1000):
            try:
                os.fstat(fd)
                left.add(fd)
            except OSError:
                continue
        return 0 if left == keep else 1

    assert child(work) == 0


def test_close_range_ends_where_it_says(either_close: str) -> None:
    def work() -> int:
        fd = os.open("/dev/null", os.O_RDONLY)
        for target in (700, 701, 702):
            os.dup2(fd, target)
        process.close_range(701, 701)
        return 0 if [os.path.exists(f"/proc/self/fd/{target}") for target in (700, 701, 702)] == [True, False, True] else 1

    assert child(work) == 0


def test_a_name_with_brackets_does_not_hide_the_start_time() -> None:
    def work() -> int:
        before = process.start_time(os.getpid())
        process.set_name(") R 1 (x")
        return 0 if process.start_time(os.getpid()) == before and process.alive(os.getpid()) else 1

    assert child(work) == 0


def test_who_is_not_there_is_not_alive() -> None:
    assert process.alive(os.getpid())
    assert not process.alive(2**22)


def test_single_values_are_those_of_the_whole() -> None:
    whole = process.status(os.getpid())
    assert process.status_values(os.getpid(), "CapBnd", "NoNewPrivs", "SigIgn") == [
        whole[key] for key in ("CapBnd", "NoNewPrivs", "SigIgn")
    ]


def test_a_personality() -> None:
    def work() -> int:
        libc.personality(8)
        return process.personality(os.getpid())

    assert child(work) == 8


def test_who_is_still() -> None:
    """One that is stopped, has ended, or has gone for good."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    assert not process.is_still(pid)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    assert process.is_still(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert process.is_still(pid)
    os.waitpid(pid, 0)
    assert process.is_still(pid)


def test_a_thread_that_runs_is_not_still() -> None:
    """The first one of its process has ended, which shows as a zombie then."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        libpthread = ctypes.CDLL(None)
        libpthread.pthread_exit.argtypes = (ctypes.c_void_p,)
        threading.Thread(target=lambda: [os.write(write_fd, b"x"), time.sleep(60)]).start()
        libpthread.pthread_exit(None)
    os.read(read_fd, 1)
    end = time.monotonic() + 20
    while process._stat(pid)[0] != "Z":
        assert time.monotonic() < end
        time.sleep(0.001)
    assert not process.is_still(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read_fd)
    os.close(write_fd)


def test_a_name_is_cut_after_15_bytes() -> None:
    def work() -> int:
        process.set_name("abcdefghijklmnopq")
        return 0 if process.status(os.getpid())["Name"] == "abcdefghijklmno" else 1

    assert child(work) == 0


def test_signals_are_reset() -> None:
    def work() -> int:
        signal.signal(signal.SIGTERM, lambda *_args: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1, signal.SIGRTMIN + 3])
        if process.blocked_signals(os.getpid()) != {signal.SIGUSR1, signal.SIGRTMIN + 3}:
            return 2
        process.reset_signals()
        now = process.status(os.getpid())
        of_the_library = 0b11 << 31  # 32 and 33, which glibc keeps for itself and nobody can set
        return 0 if {int(now[key], 16) & ~of_the_library for key in ("SigBlk", "SigIgn", "SigCgt")} == {0} else 1

    assert child(work) == 0


def test_only_the_changed_signals_are_reset() -> None:
    def work() -> int:
        process.reset_signals()
        signal.signal(signal.SIGTERM, lambda *_args: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        ignore = struct.pack("=QQQQ", 1, 0, 0, 0)
        libc.syscall(None, "rt_sigaction", 32, ctypes.create_string_buffer(ignore, 64), None, 8)
        changed = process.changed_signals()
        if changed != [signal.SIGHUP, signal.SIGTERM, 32]:
            return 2
        process.reset_signals(changed)
        return int(process.changed_signals() != [])

    assert child(work) == 0


def test_the_library_s_own_signals_are_not_left_ignored() -> None:
    """As a task runner may leave them, which only a system call of its own can do."""

    def work() -> int:
        ignore = struct.pack("=QQQQ", 1, 0, 0, 0)
        for number in (32, 33):
            libc.syscall(None, "rt_sigaction", number, ctypes.create_string_buffer(ignore, 64), None, 8)
        if int(process.status(os.getpid())["SigIgn"], 16) >> 31 & 3 != 3:
            return 2
        process.reset_signals()
        return int(process.status(os.getpid())["SigIgn"], 16) != 0

    assert child(work) == 0


def test_no_new_privs_and_dumpable() -> None:
    def work() -> int:
        process.set_no_new_privs()
        process.set_dumpable(False)
        return 0 if process.status(os.getpid())["NoNewPrivs"] == "1" and libc.prctl(libc.PR_GET_DUMPABLE) == 0 else 1

    assert child(work) == 0


def test_orphans_come_to_a_subreaper() -> None:
    def work() -> int:
        process.become_subreaper()
        read_fd, write_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            orphan = os.fork()
            if orphan:
                os.write(write_fd, struct.pack("=i", orphan))
            os._exit(0)
        os.waitpid(pid, 0)
        (orphan,) = struct.unpack("=i", os.read(read_fd, 4))
        return 0 if process.wait(orphan)[0] == orphan else 1

    assert child(work) == 0


def test_namespaces_are_compared_by_numbers() -> None:
    own = process.namespaces(os.getpid())
    assert set(own) <= set(process.NAMESPACES)
    fd = process.open_namespace(os.getpid(), "net")
    assert own["net"] == (os.fstat(fd).st_dev, os.fstat(fd).st_ino)
    os.close(fd)
    with pytest.raises(ProcessLookupError):
        process.namespaces(2**22)


@pytest.fixture(autouse=True)
def _no_descriptor_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    if "no_pidfd" in request.node.name:
        yield
        return
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before
