# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of `make bench` that take many containers, or a whole Debian: memory, lists, freezes, boots."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from bench import NO_PEER, make_container, run, stop_all, timed
from row import MAX, Row, take_turns

_ADDRESS = re.compile(r"\b10\.99\.\d+\.\d+\b")
BOOTED = ["/bin/systemctl", "is-system-running", "--wait"]
# A task's Python, which brings up the monitor and is gone when its memory is measured.
START = """
import sys
sys.path.insert(0, {tests!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
for container, error, _warnings, _was_up in runtime.start([paths.container(name, {lxc_path!r}) for name in {names!r}], 120):
    if error:
        sys.exit(str(error))
facts = runtime.ensure_monitor()
print(facts["pid"], facts["keeper"])
"""
END = """
import sys
sys.path.insert(0, {tests!r})
import conftest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
runtime.stop_monitor()
"""


def pss(pid: int) -> int:
    """KiB of memory that count as this process's: shared pages by their share (proc(5), smaps_rollup)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise SystemExit(f"/proc/{pid}/smaps_rollup has no Pss")


@contextmanager
def fleet(lxc_path: Path, prefix: str, count: int, veth: bool = False, addresses: Sequence[str] = ()) -> Iterator[list[str]]:
    """So many containers, not started; stopped at the end. With addresses each has one of them."""
    place = lxc_path / prefix
    names = [f"{prefix}{number}" for number in range(count)]
    for name, address in zip_longest(names, addresses, fillvalue=""):
        make_container(place, name, veth, address)
    try:
        yield names
    finally:
        stop_all(place)


def bench_memory(lxc_path: Path, count: int, rounds: int, python: str) -> list[Row]:
    """All supervision, when no launcher rests. Another interpreter than the bench's own, whose pages would be shared."""
    row = Row(f"memory (PSS) of all supervision, {count} running", f"LXC's {count} monitors", goal=0.55, unit="KiB")
    tests = str(Path(__file__).resolve().parents[1])
    end = (python, "-c", END.format(tests=tests))
    place, their_place = lxc_path / "mo", lxc_path / "mt"

    def ours() -> list[float]:
        run(*end)
        said = run(python, "-c", START.format(tests=tests, lxc_path=str(place), names=names))
        monitor, keeper = (int(pid) for pid in said.split())
        end_launchers(monitor)
        sample = pss(monitor) + pss(keeper)
        stop_all(place)
        run(*end)
        return [sample]

    def theirs() -> list[float]:
        for name in their_names:
            run("lxc-start", "-P", str(their_place), "-n", name)
        monitors = lxc_monitors(str(their_place))
        if len(monitors) != count:
            raise SystemExit(f"LXC has {len(monitors)} monitors for {count} containers")
        time.sleep(1)
        sample = sum(pss(pid) for pid in monitors)
        stop_all(their_place)
        return [sample]

    with fleet(lxc_path, "mo", count) as names, fleet(lxc_path, "mt", count) as their_names:
        take_turns(row, rounds, ours, theirs)
    return [row]


def end_launchers(monitor: int) -> None:
    """The one that rests would end by itself after 20 seconds (monitor/launchers.py)."""
    deadline = time.monotonic() + 60
    while resting := launchers(monitor):
        if time.monotonic() > deadline:
            raise SystemExit(f"the launchers {resting} do not end")
        for pid in resting:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def launchers(monitor: int) -> list[int]:
    """Its children here: an init has a pid namespace of its own."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process

    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            if process.parent(pid) == monitor and process.alive(pid) and os.path.samefile(f"/proc/{pid}/ns/pid", "/proc/self/ns/pid"):
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def lxc_monitors(lxc_path: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and Path("/proc", entry, "cmdline").read_bytes().startswith(f"[lxc monitor] {lxc_path} ".encode()):
                found.append(int(entry))
        except OSError:
            continue
    return found


def bench_starts(lxc_path: Path, count: int, turns: int) -> list[Row]:
    """From the request to the last one's RUNNING; the peer's command starts one container."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime

    row = Row(f"{count} starts in one request", f"{count} lxc-start in a row", goal=0.65)
    place, their_place = str(lxc_path / "so"), str(lxc_path / "st")
    runtime.ensure_monitor()

    def ours() -> None:
        for container, error, _warnings, _was_up in runtime.start([paths.container(name, place) for name in names], 120):
            if error:
                raise SystemExit(f"start {container.name}: {error}")

    def theirs() -> None:
        for name in their_names:
            run("lxc-start", "-P", their_place, "-n", name)

    with fleet(lxc_path, "so", count, veth=True) as names, fleet(lxc_path, "st", count, veth=True) as their_names:
        for turn in range(turns + 1):
            for samples, act, where in ((row.ours, ours, place), (row.theirs, theirs, their_place)):
                sample = timed(act)
                stop_all(Path(where))
                time.sleep(0.5)
                if turn:  # the first round warms both
                    samples.append(sample)
    return [row]


def bench_list(lxc_path: Path, count: int, turns: int) -> list[Row]:
    """Each container has an address of its own, and both lists have to show all of them."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import facts

    row = Row(f"list of {count} running with addresses, work in the module", "lxc-ls -f", goal=0.5)
    addresses = [f"10.99.{1 + number // 250}.{1 + number % 250}" for number in range(count)]
    place = str(lxc_path / "li")

    def ours() -> str:
        return str(facts.Facts({"lxc_path": place}).apply().result["containers"])

    def theirs() -> str:
        return run("lxc-ls", "-P", place, "-f")

    with fleet(lxc_path, "li", count, veth=True, addresses=[f"{address}/16" for address in addresses]) as names:
        for container, error, _warnings, _was_up in runtime.start([paths.container(name, place) for name in names], 120):
            if error:
                raise SystemExit(f"start {container.name}: {error}")
        for who, listed in (("the module", ours()), ("lxc-ls", theirs())):
            if missing := set(addresses) - set(_ADDRESS.findall(listed)):
                raise SystemExit(f"{who} lists {count - len(missing)} of {count} addresses; {min(missing)} is not there:\n{listed}")
        take_turns(row, turns, lambda: [timed(ours)], lambda: [timed(theirs)])
    return [row]


def bench_freeze(lxc_path: Path, turns: int) -> list[Row]:
    """The slowest of so many freezes is what its [min-max] shows."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import freeze

    row = Row(f"freeze (slowest of {turns}: the max)", "lxc-freeze", goal=50, of=MAX)
    with fleet(lxc_path, "fr", 1) as [name]:
        container = paths.container(name, str(lxc_path / "fr"))
        [(_container, error, _warnings, _was_up)] = runtime.start([container], 60)
        if error:
            raise SystemExit(f"start: {error}")
        where = ("-P", container.lxc_path, "-n", name)
        for _turn in range(turns):
            row.ours.append(timed(lambda: freeze.freeze(container)))
            freeze.thaw(container)
            row.theirs.append(timed(lambda: run("lxc-freeze", *where)))
            run("lxc-unfreeze", *where)
    return [row]


def bench_debian(lxc_path: Path, turns: int) -> list[Row]:
    """From the request to systemd's word that it is up; the same root, the same question to it."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create, stop

    container = paths.container("debian", str(lxc_path / "debian"))
    os.makedirs(container.lxc_path)
    try:
        create.create(create.CreateRequest(container, "debian", networks=[]), lambda _line: None)
    except LxcError as error:
        print(f"missing: Debian with systemd ({error})")
        return []
    row = Row("Debian with systemd: start to `running`", "lxc-start", goal=1.0)

    def ours() -> None:
        [(_container, error, _warnings, _was_up)] = runtime.start([container], 60)
        if error:
            raise SystemExit(f"start: {error}")
        booted()

    def theirs() -> None:
        run("lxc-start", "-P", container.lxc_path, "-n", container.name)
        booted()

    def booted() -> None:
        deadline = time.monotonic() + 60
        while b"running" not in attach.attach(container, attach.AttachRequest(BOOTED, timeout=60)).stdout:
            if time.monotonic() > deadline:
                raise SystemExit("systemd is not up after 60 s")
            time.sleep(0.005)

    starters: list[tuple[list[float], Callable[[], None]]] = [(row.ours, ours), (row.theirs, theirs)]
    for turn in range(turns + 1):
        for samples, start in starters:
            sample = timed(start)
            stop.stop(container, 0)
            if turn:
                samples.append(sample)
    return [row]


def bench_create(lxc_path: Path, count: int, rounds: int, tasks: Callable[..., list[float]], peer_ansible: str) -> list[Row]:
    """A task that makes (busybox) and starts so many, and the peer's loop that does."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy

    if not peer_ansible:
        print(NO_PEER)
        return []
    row = Row(f"one task creating and starting {count} (busybox)", f"community.general loop of {count}", goal=0.05)
    os.makedirs("/etc/lxc", exist_ok=True)
    Path("/etc/lxc/default.conf").write_text("lxc.net.0.type = empty\n")
    place = lxc_path / "cr"
    names = [f"cr{number}" for number in range(count)]
    one = {"name": names, "template": "busybox", "network": [], "lxc_path": str(place)}
    loop = {"community.general.lxc_container": {"name": "{{ item }}", "template": "busybox", "state": "started"}, "loop": names}

    def ours() -> list[float]:
        sample = tasks([{"hostkit.lxc.lxc_container": one}])
        stop_all(place)
        for name in names:
            destroy.destroy(paths.container(name, str(place)))
        return sample

    def theirs() -> list[float]:
        sample = tasks([loop], interpreter="/usr/bin/python3", ansible=peer_ansible)
        for name in names:
            run("lxc-destroy", "-f", "-n", name)
        return sample

    take_turns(row, rounds, ours, theirs)
    return [row]
