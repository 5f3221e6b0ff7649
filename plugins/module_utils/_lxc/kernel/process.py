# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes: made with a pidfd, signalled and waited for by it, looked at in /proc, and what one can set about itself."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Optional, Union

from . import libc

WALL = 0x40000000  # __WALL of waitpid(2): children of any exit signal
P_PIDFD = 3
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

# Whether the kernel has the call; what a first ENOSYS tells is remembered.
have_clone3 = True
have_close_range = True

_UNSIGNED_INT_MAX = 0xFFFFFFFF
_STILL = ("T", "t", "Z", "X", "x")  # states of proc_pid_stat(5)
LIBRARY_SIGNALS = (32, 33)  # nptl(7)
_signals: list[int] = []  # those that can be set, as plain numbers: to make Python's enumeration of them takes longer than to set them

# What a daemon of ours runs with, whoever started it.
CLEAN_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
_CLONE2_FLAGS = 0xFFFFFF00


def clone3(flags: int, exit_signal: int = 0, cgroup_fd: int = -1, bare: bool = False) -> tuple[int, int]:
    """Make a process as fork(2) does, with clone3(2)'s flags; returns (pid, pidfd), and (0, -1) in the child.

    The interpreter is told before and after, as os.fork() tells it, and its lock is never let go in between; the caller
    must be the only thread. With CLONE_PARENT the exit signal must be 0: the child's is then the caller's own.

    A `bare` one is not told. That spares the child what costs more than the call itself, and whatever hooks anybody has registered
    (os.register_at_fork); it is for a child that begins no thread, asks for no random number, and soon executes a program or ends.
    """
    pidfd = ctypes.c_int(-1)
    if bare:
        pid = _clone(flags, exit_signal, cgroup_fd, pidfd)
        code = ctypes.get_errno()
    else:
        pid, code = _told_clone(flags, exit_signal, cgroup_fd, pidfd)
    if pid < 0:
        raise OSError(code, os.strerror(code), f"clone3 {flags:#x}")
    if pid == 0:
        return 0, -1
    return pid, pidfd.value if pidfd.value >= 0 else _pidfd_afterwards(pid)


def _told_clone(flags: int, exit_signal: int, cgroup_fd: int, pidfd: ctypes.c_int) -> tuple[int, int]:
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = -1
    try:
        pid = _clone(flags, exit_signal, cgroup_fd, pidfd)
        return pid, ctypes.get_errno()
    finally:
        if pid == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()


def _clone(flags: int, exit_signal: int, cgroup_fd: int, pidfd: ctypes.c_int) -> int:
    global have_clone3
    if have_clone3:
        pid = libc.bare_syscall("clone3", clone_args(flags, exit_signal, cgroup_fd, ctypes.addressof(pidfd)), 88)
        code = ctypes.get_errno()
        if pid >= 0 or code not in (errno.ENOSYS, errno.EINVAL, errno.E2BIG):
            return pid
        if code == errno.ENOSYS:
            have_clone3 = False
    return _clone2(flags, exit_signal, cgroup_fd, pidfd)


def clone_args(flags: int, exit_signal: int, cgroup_fd: int, pidfd_address: int) -> bytes:
    """struct clone_args: eleven 64-bit fields, of which the stack's, the thread's and the chosen pids' stay 0."""
    if cgroup_fd >= 0:
        flags |= libc.CLONE_INTO_CGROUP
    return struct.pack("=11Q", flags | libc.CLONE_PIDFD, pidfd_address, 0, 0, exit_signal, 0, 0, 0, 0, 0, max(cgroup_fd, 0))


def _clone2(flags: int, exit_signal: int, cgroup_fd: int, pidfd: ctypes.c_int) -> int:
    """clone(2): before Linux 5.3, and in a sandbox that knows no clone3. The child joins the cgroup itself."""
    if flags & ~_CLONE2_FLAGS:
        ctypes.set_errno(errno.EINVAL)
        return -1
    first = (0, flags | libc.CLONE_PIDFD | exit_signal)
    stack_and_flags = first if libc.machine() == "s390x" else first[::-1]
    pid = libc.bare_syscall("clone", *stack_and_flags, ctypes.byref(pidfd), 0, 0)
    if pid == 0 and cgroup_fd >= 0:
        try:
            _join(cgroup_fd)
        except OSError:
            os._exit(1)
    return pid


def _join(cgroup_fd: int) -> None:
    procs_fd = os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=cgroup_fd)
    os.write(procs_fd, b"0")
    os.close(procs_fd)


def _pidfd_afterwards(pid: int) -> int:
    """clone(2) of a kernel before 5.2 does not know CLONE_PIDFD, and says nothing."""
    try:
        return pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        raise


def pidfd_open(pid: int) -> int:
    """pidfd_open(2)"""
    return libc.syscall(f"process {pid}", "pidfd_open", pid, 0)


def pidfd_send_signal(pidfd: int, sig: int) -> None:
    """pidfd_send_signal(2)"""
    libc.syscall(f"pidfd {pidfd}", "pidfd_send_signal", pidfd, int(sig), 0, 0)


def pidfd_wait(pidfd: int, timeout: Optional[float] = None) -> bool:
    """True when the process has ended, False when `timeout` seconds have gone by. It is not reaped."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))


def pidfd_pid(pidfd: int) -> int:
    """The pid as this process's /proc shows it; -1 when it is reaped. OSError EBADF when the descriptor is no pidfd."""
    path = f"/proc/self/fdinfo/{pidfd}"
    with open(path, "rb", buffering=0) as file:
        for line in file.readall().split(b"\n"):
            if line.startswith(b"Pid:"):
                return int(line[4:])
    raise OSError(errno.EBADF, os.strerror(errno.EBADF), path)


def pidfd_inode(pidfd: int) -> int:
    """Who it is, in a number that no other process of this boot has (pidfs, Linux 6.9); 0 where all pidfds share one inode."""
    found = os.fstat(pidfd)
    with select.epoll() as another:  # of the file system that pidfds were in before
        return found.st_ino if found.st_dev != os.fstat(another.fileno()).st_dev else 0


def fork(cgroup_fd: int = -1) -> tuple[int, bool]:
    """As fork(2), for a child as of a bare `clone3`: (pid, whether it was made in that cgroup of version 2).

    Of a caller with more threads than this one it is os.fork(), which makes whole in the child what they may hold, and joins nothing.
    """
    if os.stat("/proc/self/task").st_nlink > 3:  # a link a thread, and a directory's two
        return os.fork(), False
    pid, pidfd = clone3(0, signal.SIGCHLD, cgroup_fd, bare=True)
    if pid:
        os.close(pidfd)
    return pid, cgroup_fd >= 0


def wait(pid: int, flags: int = 0) -> tuple[int, int]:
    """waitpid(2) with __WALL: (pid, status), whatever the child's exit signal is."""
    return os.waitpid(pid, flags | WALL)


def reap() -> Iterator[tuple[int, int]]:
    """(pid, wait status) of every child that has ended so far, whatever its exit signal is."""
    while True:
        try:
            pid, status = wait(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def close_range(first: int, last: int = _UNSIGNED_INT_MAX) -> None:
    """close_range(2); without it, what /proc lists is closed."""
    global have_close_range
    if first > last:
        return
    if have_close_range:
        try:
            libc.syscall(f"descriptors {first} to {last}", "close_range", first, last, 0)
            return
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):
                raise
            have_close_range = False
    for fd in map(int, os.listdir("/proc/self/fd")):
        if first <= fd <= last:
            try:
                os.close(fd)
            except OSError:  # the listing's own
                continue


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor that is not named."""
    first = 0
    for fd in sorted(set(keep)):
        if fd >= 0:
            close_range(first, fd - 1)
            first = fd + 1
    close_range(first)


def _stat(pid: Union[int, str]) -> list[str]:
    """/proc/PID/stat from its third field on: the second, the command in brackets, may hold blanks and brackets itself."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].decode("ascii").split()


def start_time(pid: int) -> int:
    """When it began, in clock ticks after boot: with the pid, who it is."""
    return int(_stat(pid)[19])


def parent(pid: int) -> int:
    """The pid of its parent, as this process's /proc counts; of a zombie, too."""
    return int(_stat(pid)[1])


def alive(pid: int) -> bool:
    """Whether it runs; a zombie is gone."""
    try:
        return _stat(pid)[0] not in ("Z", "X", "x")
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_still(pid: int) -> bool:
    """Whether it has come to a halt: each of its threads is stopped, ended or gone, and none is on its way out of a system call yet."""
    try:
        return all(_stat(f"{pid}/task/{thread}")[0] in _STILL for thread in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):  # a thread that has gone meanwhile: the others are asked anew
        return not os.path.exists(f"/proc/{pid}")


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status, as it is written there."""
    with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
        lines = file.readall().decode("utf-8", "surrogateescape").split("\n")
    return {key: value.strip() for key, _colon, value in (line.partition(":") for line in lines[:-1])}


def status_values(pid: int, *names: str) -> list[str]:
    """Single values of /proc/PID/status, by the names that stand there."""
    with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
        shown = file.readall().decode("utf-8", "surrogateescape")
    return [shown.partition(f"\n{name}:\t")[2].partition("\n")[0] for name in names]


def personality(pid: int) -> int:
    """Its personality(2)."""
    with open(f"/proc/{pid}/personality", "rb", buffering=0) as file:
        return int(file.readall(), 16)


def blocked_signals(pid: int) -> set[int]:
    """The signals it blocks (SigBlk)."""
    mask = int(status(pid)["SigBlk"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def namespaces(pid: int) -> dict[str, tuple[int, int]]:
    """(device, inode) of each of its namespaces that the kernel has; equal numbers are the same namespace."""
    found = {}
    for name in NAMESPACES:
        try:
            seen = os.stat(f"/proc/{pid}/ns/{name}")
        except FileNotFoundError:
            continue
        found[name] = seen.st_dev, seen.st_ino
    if not found:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), f"/proc/{pid}")
    return found


def open_namespace(pid: int, name: str) -> int:
    """A descriptor of one of its namespaces, by the name that /proc/PID/ns has for it."""
    return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)


def enter_directory(path: Union[str, bytes]) -> None:
    """chdir(2) to what is below our root: getcwd(2) fails for a directory of another (CVE-2024-21626)."""
    os.chdir(path)
    os.getcwdb()


def changed_signals() -> list[int]:
    """Those that this process ignores or catches, as the kernel has it; of the C library's own two those that it ignores."""
    ignored, caught = (int(mask, 16) for mask in status_values(os.getpid(), "SigIgn", "SigCgt"))
    for number in LIBRARY_SIGNALS:
        caught &= ~(1 << (number - 1))
    return [number for number in range(1, 65) if (ignored | caught) >> (number - 1) & 1]


def reset_signals(changed: Optional[Iterable[int]] = None) -> None:
    """Every signal to its default and none blocked, as a new program expects: Python ignores SIGPIPE and SIGXFSZ. Main thread only.

    Who knows which are `changed` saves asking for all of them.
    """
    if not _signals:
        _signals.extend(sorted({*map(int, signal.valid_signals()), *LIBRARY_SIGNALS} - {signal.SIGKILL, signal.SIGSTOP}))
    for number in _signals if changed is None else changed:
        if number in LIBRARY_SIGNALS:
            _unignore(number)
        elif number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _unignore(number: int) -> None:
    """Neither Python nor the C library touches its own two, but whoever started us may have ignored them, and execve(2) keeps that.

    The kernel's struct sigaction begins with the handler; all zeros is SIG_DFL. One that is handled is the library's: it stays.
    """
    now = ctypes.create_string_buffer(64)
    try:
        libc.syscall(None, "rt_sigaction", number, None, now, 8)
    except NotImplementedError:  # an architecture whose numbers we do not know
        return
    if int.from_bytes(now.raw[: ctypes.sizeof(ctypes.c_void_p)], sys.byteorder) == signal.SIG_IGN:
        libc.syscall(None, "rt_sigaction", number, ctypes.create_string_buffer(64), None, 8)


def set_dumpable(dumpable: bool) -> None:
    """Whether others may ptrace it and open what is in its /proc (PR_SET_DUMPABLE)."""
    libc.prctl(libc.PR_SET_DUMPABLE, int(dumpable))


def set_no_new_privs() -> None:
    """From now on execve(2) grants nothing."""
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)


def set_name(name: str) -> None:
    """The name that ps shows: its first 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15], 16)
    libc.prctl(libc.PR_SET_NAME, ctypes.addressof(buffer))


def set_parent_death_signal(sig: int) -> None:
    """The signal this process gets when the thread that made it ends; 0 for none. Look afterwards whether the parent still lives."""
    libc.prctl(libc.PR_SET_PDEATHSIG, int(sig))


def become_subreaper() -> None:
    """Orphans below become children of this process instead of process 1's."""
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
