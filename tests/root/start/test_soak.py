# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of create, start, stop, delete: afterwards the host has nothing more than before."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, stop

FULL = os.environ.get("HOSTKIT_SOAK") == "1"
ROUNDS, CONTAINERS = (10, 20) if FULL else (2, 5)
BRIDGE = "soakbr0"


@pytest.fixture
def bridge() -> Iterator[str]:
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    yield BRIDGE
    subprocess.run(["ip", "link", "del", BRIDGE], check=True)


@pytest.fixture
def own_cache() -> Iterator[None]:
    """Others on this machine may make root file systems in the real one meanwhile (ci/host-namespace shares it)."""
    os.makedirs(paths.CACHE, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "soak-cache", paths.CACHE], check=True)
    yield
    subprocess.run(["umount", paths.CACHE], check=True)


PLACES = ("/run", "/tmp/hostkit", paths.RUN, paths.LOG, paths.STATE, paths.CACHE)


def left_on_the_host(monitor: int) -> dict[str, object]:
    """Everything that a container could leave behind, in a form that can be compared."""
    return {
        "links": sorted(os.listdir("/sys/class/net")),
        "cgroups": sorted(base for base, _directories, _files in os.walk("/sys/fs/cgroup")),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "loops": sorted(path.name for path in Path("/sys/block").glob("loop*") if (path / "loop").exists()),
        "entries": sorted({entry for place in PLACES for entry in entries(place)}),
        "descriptors": len(os.listdir(f"/proc/{monitor}/fd")),
        "own descriptors": len(os.listdir("/proc/self/fd")),
        "processes": processes(),
        "sockets": sum("/command" in line for line in Path("/proc/net/unix").read_text().splitlines()),
    }


def entries(place: str) -> Iterator[str]:
    """Whatever is there, with its type: a fifo, a socket and an empty directory are left behind as well as a file."""
    for base, directories, files in os.walk(place):
        for name in directories + files:
            with contextlib.suppress(FileNotFoundError):
                yield f"{stat.filemode(os.lstat(f'{base}/{name}').st_mode)[0]} {base}/{name}"


def processes() -> list[str]:
    """Their numbers, names and parents."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = process.status(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if process.alive(int(pid)):
            found.append(f"{pid} {status['Name']} of {status['PPid']}")
    return sorted(found)


def payloads() -> list[str]:
    return [base for base, _directories, _files in os.walk("/sys/fs/cgroup") if "lxc.payload.soak" in base]


def end_launchers(monitor: int) -> None:
    """The one that rests, and is held by the monitor until then, would go by itself after a while (launchers.py)."""
    for line in processes():
        pid, name, _of, parent = line.split()
        if (name, parent) == ("hostkit-lxc", str(monitor)):
            os.kill(int(pid), signal.SIGKILL)


def one_round(lxc_path: Path) -> None:
    containers = [paths.container(f"soak{number}", str(lxc_path)) for number in range(CONTAINERS)]
    network = {"type": "veth", "link": BRIDGE, "flags": "up", "name": "eth0"}
    for container in containers:
        create.create(create.CreateRequest(container, "busybox", networks=[network]), lambda _line: None)
    for _container, error, _warnings, _was_up in runtime.start(containers, 60):
        assert error is None, error
    assert len([name for name in os.listdir("/sys/class/net") if name.startswith("veth")]) == CONTAINERS
    for number, container in enumerate(containers):
        stop.stop(container, 10 if number % 2 else 0)
    for container in containers:
        destroy.destroy(container)


def _difference(before: object, after: object) -> object:
    """What is there no more, and what is new."""
    if isinstance(before, list) and isinstance(after, list):
        return sorted((Counter(before) - Counter(after)).elements()), sorted((Counter(after) - Counter(before)).elements())
    return before, after


@pytest.mark.soak
def test_rounds_leave_nothing(bridge, own_cache, monitor, tmp_path, until):
    os.chmod(tmp_path, 0o755)
    lxc_path = tmp_path / "lxc"
    one_round(lxc_path)  # what is made once for all (the lock's directory, the posture files, the root's mount point)
    until(lambda: not payloads(), "the first round is gone")
    end_launchers(monitor)
    until(lambda: not any(f"hostkit-lxc of {monitor}" in line for line in processes()), "no launcher rests")
    before = left_on_the_host(monitor)
    for _number in range(ROUNDS):
        one_round(lxc_path)
    end_launchers(monitor)

    def difference() -> dict[str, object]:
        after = left_on_the_host(monitor)
        return {what: _difference(before[what], after[what]) for what in before if before[what] != after[what]}

    with contextlib.suppress(AssertionError):
        until(lambda: not difference(), "nothing more than before")
    assert difference() == {}
    assert list(lxc_path.iterdir()) == []


STARTS = 2000 if FULL else 60
_FLAT = 1024  # KiB that allocators may keep


def size_of(pid: int) -> int:
    """KiB of memory of its own (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


@pytest.mark.soak
def test_the_monitor_stays_as_it_is_over_many_starts_and_stops(make_box, monitor, until):
    keeper = process.parent(monitor)
    boxes = [make_box(f"soak{number}", "lxc.tty.max = 1") for number in range(4)]

    def start_and_stop() -> None:
        for _container, error, _warnings, _was_up in runtime.start([box.container for box in boxes], 60):
            assert error is None, error
        for box in boxes:
            stop.stop(box.container, 0)

    def look() -> dict[int, tuple[int, int]]:
        until(lambda: not os.listdir(paths.LEDGER), "all is gone")
        return {pid: (len(os.listdir(f"/proc/{pid}/fd")), size_of(pid)) for pid in (monitor, keeper)}

    for _number in range(STARTS // 20 // len(boxes) + 5):  # what is kept for good is made
        start_and_stop()
    before = look()
    for _number in range(STARTS // len(boxes)):
        start_and_stop()
    after = look()
    assert int(runtime.ensure_monitor()["pid"]) == monitor
    print(f"after {STARTS} starts and stops, (descriptors, KiB) of monitor and keeper: {list(before.values())} -> {list(after.values())}")
    for pid, (descriptors, size) in after.items():
        assert descriptors == before[pid][0]
        assert size - before[pid][1] < _FLAT
