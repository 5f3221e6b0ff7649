# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ours beside the peer: both do the same work on the same root file system, in turns, in one run. Prints medians, ratios and goals.

Run it by `make bench`, which gives it a network and mount namespace of its own (its bridge, its /run, its /var/lib/lxc).
A row whose peer is not installed is said to be missing, never guessed. No figure here is a test's pass mark.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from row import Row, report

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = "benchbr0"
FLEET = 50  # containers: as many as the goals speak of
NO_PEER = "missing: community.general (set HOSTKIT_PEER_ANSIBLE to the bin directory of a venv that has it)"
APPLETS = "sh sleep true kill".split()


def load_collection() -> None:
    """Make the checkout importable under the collection's name, as the tests do."""
    spec = importlib.util.spec_from_file_location("hostkit_conftest", ROOT / "tests/conftest.py")
    assert spec and spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def timed(act: Callable[[], object]) -> float:
    begin = time.monotonic()
    act()
    return (time.monotonic() - begin) * 1000


def run(*argv: str, **options: object) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def make_container(lxc_path: Path, name: str, veth: bool, address: str = "") -> None:
    root = lxc_path / name / "rootfs"
    for directory in ("bin", "dev", "proc", "sys", "tmp", "etc"):
        (root / directory).mkdir(parents=True)
    shutil.copy2(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "init").write_text("#!/bin/sh\ntrap 'exit 0' PWR\nwhile :; do sleep 3600 & wait $!; done\n")
    (root / "init").chmod(0o755)
    network = ["lxc.net.0.type = veth", f"lxc.net.0.link = {BRIDGE}", "lxc.net.0.flags = up", "lxc.net.0.name = eth0"]
    lines = [f"lxc.rootfs.path = dir:{root}", f"lxc.uts.name = {name}", "lxc.init.cmd = /init"]
    network += [f"lxc.net.0.ipv4.address = {address}"] if address else []
    lines += network if veth else ["lxc.net.0.type = empty"]
    lines += ["lxc.mount.auto = proc:mixed sys:mixed", "lxc.cap.drop = sys_module mac_admin mac_override sys_time", "lxc.tty.max = 1"]
    (lxc_path / name / "config").write_text("\n".join(lines) + "\n")


@contextmanager
def bridge() -> Iterator[None]:
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "link", "set", BRIDGE, "up")
    try:
        yield
    finally:
        run("ip", "link", "del", BRIDGE)


def bench_start_and_attach(lxc_path: Path, count: int) -> list[Row]:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

    start = Row("start with one veth, request to RUNNING, warm", "lxc-start", goal=0.9)
    enter = Row("attach true, warm process", "lxc-attach", goal=0.5)
    for name in ("ours", "theirs"):
        make_container(lxc_path, name, veth=True)
    ours = paths.container("ours", str(lxc_path))
    theirs = paths.container("theirs", str(lxc_path))
    runtime.ensure_monitor()

    def start_ours() -> None:
        [(_container, error, _warnings, _was_up)] = runtime.start([ours])
        if error:
            raise SystemExit(f"start: {error}")

    request = attach.AttachRequest(["/bin/true"])
    for turn in range(count + 1):
        samples = (
            timed(start_ours),
            timed(lambda: run("lxc-start", "-P", str(lxc_path), "-n", "theirs")),
            timed(lambda: attach.attach(ours, request)),
            timed(lambda: run("lxc-attach", "-P", str(lxc_path), "-n", "theirs", "--", "/bin/true")),
        )
        for container in (ours, theirs):
            client.stop(container)
            client.wait(container, [State.STOPPED], 20)
        time.sleep(0.15)
        if turn:  # the first round warms both
            for samples_of, sample in zip((start.ours, start.theirs, enter.ours, enter.theirs), samples):
                samples_of.append(sample)
    return [start, enter]


def bench_tasks(lxc_path: Path, count: int, number: int, peer_ansible: str) -> list[Row]:
    """Whole tasks through ansible-playbook, by the profile_tasks-free way: the time of a play with n tasks less that of one with none."""
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime

    names = [f"t{index}" for index in range(number)]
    for name in names:
        make_container(lxc_path, name, veth=False)
    for container, error, _warnings, _was_up in runtime.start([paths.container(name, str(lxc_path)) for name in names]):
        if error:
            raise SystemExit(f"start {container.name}: {error}")
    ours_started = {"hostkit.lxc.lxc_container": {"name": "t0", "state": "started", "lxc_path": str(lxc_path)}}
    single = Row("task started on a running container", "ping task", goal=1.1)
    for _turn in range(count):
        single.theirs += tasks([{"ansible.builtin.ping": {}}] * 5)
        single.ours += tasks([ours_started] * 5)
    rows = [single]
    if peer_ansible:
        many = Row(f"one task naming {number} running containers", f"community.general loop of {number}", goal=0.02)
        one_task = {"hostkit.lxc.lxc_container": {"name": names, "state": "started", "lxc_path": str(lxc_path)}}
        loop = {"community.general.lxc_container": {"name": "{{ item }}", "state": "started"}, "loop": names}
        os.makedirs("/var/lib/lxc", exist_ok=True)
        for name in names:
            os.symlink(lxc_path / name, f"/var/lib/lxc/{name}")
        for _turn in range(max(1, count // 3)):
            many.theirs += tasks([loop], interpreter="/usr/bin/python3", ansible=peer_ansible)
            many.ours += tasks([one_task])
        rows.append(many)
    else:
        print(NO_PEER)
    return rows


def tasks(listed: list[dict[str, object]], interpreter: str = sys.executable, ansible: str = "") -> list[float]:
    """The milliseconds of each task, as ansible's own timer callback of the json output reports them."""
    play = [{"hosts": "localhost", "gather_facts": False, "vars": {"ansible_python_interpreter": interpreter}, "tasks": listed}]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(play, file)
        file.flush()
        env = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_LOCALHOST_WARNING": "false"}
        env["ANSIBLE_CALLBACK_PLUGINS"] = str(Path(__file__).parent / "callback")
        env["ANSIBLE_STDOUT_CALLBACK"] = "task_times"
        binary = str(Path(ansible or Path(sys.executable).parent) / "ansible-playbook")
        output = run(binary, "-i", "localhost,", "-c", "local", file.name, env=env)
    return [float(line.split()[1]) for line in output.splitlines() if line.startswith("task_ms ")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=15, help="samples; a third of them or less where one takes seconds")
    parser.add_argument("--containers", type=int, default=FLEET)
    parser.add_argument("--peer-ansible", default=os.environ.get("HOSTKIT_PEER_ANSIBLE", ""))
    parser.add_argument(
        "--target-python", default=sys.executable, help="a task's Python, not the bench's own, for the memory of the monitor"
    )
    parser.add_argument("--only", default="", help="rows whose function has this in its name")
    arguments = parser.parse_args()
    load_collection()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hostkit-bench-") as directory, bridge():
        os.chmod(directory, 0o755)
        lxc_path = Path(directory)
        try:
            for name, bench in benches(lxc_path, arguments).items():
                if arguments.only in name:
                    rows += bench()
        finally:
            stop_all(lxc_path)
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; median [min-max]")
    print(report(rows))
    if arguments.containers < FLEET:
        print(f"The goals are for {FLEET} containers and not for {arguments.containers}")


def benches(lxc_path: Path, arguments: argparse.Namespace) -> dict[str, Callable[[], list[Row]]]:
    """Each by its name, in order: what measures memory goes first, in a monitor that has done nothing else."""
    import clones
    import fleet
    import stress

    count, many, peer = arguments.count, arguments.containers, arguments.peer_ansible
    few, rounds, freezes = max(1, count // 3), min(3, max(1, count // 5)), min(100, 10 * count)
    return {
        "memory": lambda: fleet.bench_memory(lxc_path, many, rounds, arguments.target_python),
        "start_and_attach": lambda: bench_start_and_attach(lxc_path, count),
        "starts": lambda: fleet.bench_starts(lxc_path, many, few),
        "tasks": lambda: bench_tasks(lxc_path, few, many, peer),
        "list": lambda: fleet.bench_list(lxc_path, 2 * many, count),
        "freeze": lambda: fleet.bench_freeze(lxc_path, freezes),
        "stress": lambda: stress.bench_stress(lxc_path, few),
        "debian": lambda: fleet.bench_debian(lxc_path, few),
        "clones": lambda: clones.bench_clones(lxc_path, count, few, clones.FILES if many >= FLEET else clones.FEW),
        "many_clones": lambda: clones.bench_many_clones(lxc_path, many, rounds, tasks, peer),
        "create": lambda: fleet.bench_create(lxc_path, many, rounds, tasks, peer),
    }


def stop_all(lxc_path: Path) -> None:
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
    from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State

    for name in sorted(path.parent.name for path in lxc_path.glob("*/config")):
        container = paths.container(name, str(lxc_path))
        try:
            client.stop(container)
            client.wait(container, [State.STOPPED], 20)
        except NotRunning:
            continue


if __name__ == "__main__":
    sys.modules["bench"] = sys.modules["__main__"]
    main()
