# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs checks by name, one line for each with its time, and shows the output of those that fail.

usage: ci/check [--soak] GROUP|STEP...    ci/check --list

Three run at a time: first those that compute, then those that use the kernel, each in a host of its own (ci/host-namespace).
Logs stay in .build/log. A Python that HOSTKIT_REQUIRE_PYTHONS names ("3.9 3.11") must be here; else those are used that are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOG = ROOT / ".build" / "log"
AT_A_TIME = 3
CLEAN_UP = 30.0  # seconds for what a step takes away when it is told to end: the cgroups of systemd in a container are many
TIMEOUT = 3600 if os.environ.get("HOSTKIT_SOAK") else 1500
VM_TIMEOUTS = {"vm": 2700, "vm-all": 7200}  # emulated, and an image is built first where there is none
CLOSING = re.compile(r"(=+ )?(\d+ (passed|failed|skipped|error|errors|deselected|xfailed|warnings?)(, )?)+ in [0-9.]+s.*")
# What pip says while ansible-test makes its environments, in front of what failed.
NOISE = re.compile(
    r"\s*(Collecting |Downloading |Processing |Looking in |Installing (collected|requirements)|Successfully |Using cached |"
    r"WARNING: Location |━|Requirement already)"
)
STEPS = ROOT / "ci" / "steps"
CORE_2_19 = (11, 12, 13)  # the Pythons, 3.X, that it runs on
# What the sanity tests of the newer core have found: each has tools of its own, which are installed first. What compiles and is imported on
# which Python does not depend on the core either.
LINTED = [word for test in ("changelog", "pep8", "pslint", "pylint", "shellcheck", "yamllint") for word in ("--skip-test", test)]
# Tests that read sources or try the checks themselves: whatever the target's Python is, they say the same.
SOURCES = [f"--ignore=tests/unit/test_{name}.py" for name in ("bench", "check", "layers", "pin", "playbooks", "skips", "vm")]
# All but what the steps with names of their own take, and debian, which has a package mirror.
DEBIAN = ["tests/root/service", *(f"tests/root/template/test_{name}.py" for name in ("debian", "debootstrap", "systemd", "many"))]
ROOT_ELSE = [
    *("tests/root", "tests/oracle"),
    *(f"--ignore=tests/root/{part}" for part in ("lifecycle", "modules", "start", "storage")),
    *(f"--ignore={tests}" for tests in DEBIAN),
]
# What cgroups have a part in. The rest of these directories, the network above all, is the same on every host.
UNIFIED = [
    *("tests/root/start", "tests/root/lifecycle", "tests/root/wire", "tests/root/kernel/test_cgroupfs.py"),
    *(
        f"--ignore=tests/root/start/test_{name}.py"
        for name in ("soak", "network", "console", "escapes", "hostile_root", "protocol", "stock_terminals")
    ),
    *("--ignore=tests/root/lifecycle/test_attach_hostile.py", "--ignore=tests/root/lifecycle/test_destroy.py"),
    *(f"--ignore-glob=tests/root/lifecycle/test_{names}*.py" for names in ("clone", "snapshot")),
]
# And what takes long and finds little of its own there: kills, replacements, deadlines of hooks.
UNIFIED_BRIEF = [
    *UNIFIED,
    *(f"--ignore=tests/root/start/test_{name}.py" for name in ("cleaner", "killed_answers", "replace", "interrupted", "sleepers")),
]
# What differs most where there is no cgroup v2: how a container is put into its cgroups, frozen, ended and entered.
LEGACY = [
    *("tests/root/start/test_start.py", "tests/root/start/test_hooks.py", "tests/root/lifecycle/test_freeze.py"),
    *("tests/root/lifecycle/test_stop.py", "tests/root/lifecycle/test_attach.py"),
]


# What sees another host in the virtual machine: cgroups with all controllers, systemd, Debian's kernel. All of tests/root takes
# the better part of an hour there (the group vm-all).
VM_ROOT = [
    *(f"tests/root/start/test_{name}.py" for name in ("unified", "devices", "start", "hook_scope", "taint")),
    *(f"tests/root/lifecycle/test_{name}.py" for name in ("freeze", "stop", "hook_scope")),
    *(f"tests/root/kernel/test_{name}.py" for name in ("cgroupfs", "cgroup_bpf", "rights", "usage", "netlink")),
    *("tests/root/reconcile/test_bridge.py", "tests/root/reconcile/test_stock_container.py", "tests/root/wire", "tests/root/service"),
]
VM_START = ["tests/root/start", "--ignore=tests/root/start/test_soak.py"]  # whose rounds are for `make soak`
VM_ELSE = ["tests/root", "--ignore=tests/root/start", "--ignore=tests/root/modules"]  # these need Ansible on the host


class Step(NamedTuple):
    """`more`: part of its group, and not of `all`."""

    name: str
    group: str
    command: list[str]
    more: bool = False


def step(name: str, group: str, *command: str) -> Step:
    return Step(name, group, [str(STEPS / command[0]), *command[1:]])


def pythons() -> Iterator[tuple[str, str]]:
    """Each Python that targets may have and that is found here: its version and where it is."""
    output = subprocess.run([str(ROOT / "ci" / "pythons")], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in output.splitlines():
        version, path = line.split(" ", 1)
        yield version, path


def steps(found: list[tuple[str, str]], required: list[str], soak: bool) -> list[Step]:
    """Everything that these Pythons can run, in the order in which it is best run: what fails fast and often comes first."""
    minors = [int(version.split(".")[1]) for version, _path in found]
    if missing := [version for version in required if version not in dict(found)]:
        sys.exit(f"ci/check: HOSTKIT_REQUIRE_PYTHONS names {', '.join(missing)}, not found here with venv; ci/pythons lists what is")
    if not minors or minors[-1] < 11:
        sys.exit("ci/check: no Python from 3.11 on with venv is installed")
    old = [f"3.{minor}" for minor in minors if minor in CORE_2_19]
    left_out = []
    if not old:
        left_out.append("-2.19")
        print(f"core 2.19 needs Python 3.11 to 3.13, and 3.{minors[-1]} is here: the steps that are named for it are left out")
    if minors[-1] < 12:
        left_out.append("-2.21")
        print(f"core 2.21 needs Python 3.12, and 3.{minors[-1]} is the newest here: 2.19 does what both would share")
    listed = _all_steps(found, old[0] if old else "", whole=soak or minors[-1] < 12, soak=soak)
    return [step for step in listed if not step.name.endswith(tuple(left_out))]


def _all_steps(found: list[tuple[str, str]], old: str, whole: bool, soak: bool) -> list[Step]:
    """With the oldest Python for core 2.19, and whether that core is to do all that the newer one does."""
    # What has to do with the core, which the rest of the package does not know.
    both = [f"tests/unit/test_{name}.py" for name in ("ansible", "defaults")]
    once = [[], *([SOURCES] * (len(found) - 1))] if not soak else [[]] * len(found)
    return [
        step("ruff", "lint", "ruff"),
        step("shellcheck", "lint", "shellcheck"),
        step("mypy", "lint", "mypy"),
        *(step(f"unit-{version}", "unit", "unit", version, path, *less) for (version, path), less in zip(reversed(found), once)),
        step("sanity-2.21", "sanity", "sanity", "dev"),
        step("sanity-2.19", "sanity", "sanity", "core-2.19", *([] if whole else ["--python", old, *LINTED])),
        step("ansible-lint", "lint", "ansible-lint"),
        step("docs", "lint", "docs"),
        step("importer", "lint", "importer"),
        step("units-2.21", "sanity", "ansible-test-units", "dev", found[-1][0], *([] if soak else both)),
        step("units-2.19", "sanity", "ansible-test-units", "core-2.19", old, *([] if whole else both)),
        step("root-lifecycle", "root", "root", "root", "tests/root/lifecycle"),
        step("root-storage", "root", "root", "root", "tests/root/storage"),
        step("root", "root", "root", "root", *ROOT_ELSE),
        step("integration-2.21", "integration", "integration", "dev", "all"),
        step("modules", "root", "root", "root", "tests/root/modules"),
        step("root-start", "root", "root", "root", "tests/root/start"),
        step("integration-2.19", "integration", "integration", "core-2.19", "all" if whole else "brief"),
        step("root-unified", "root", "root", "--unified", "root", *(UNIFIED if soak else UNIFIED_BRIEF)),
        step("debian", "root", "debian", "root", *DEBIAN),
        step("over-ssh", "integration", "over-ssh"),
        step("quickstart", "quickstart", "quickstart"),
        step("molecule", "molecule", "molecule"),
        step("bench", "bench", "bench"),
        step("root-pyroute2-0.7", "root", "root", "root-pyroute2-0.7", "tests/root/kernel", "tests/root/network"),
        step("root-legacy", "root", "root", "--legacy", "root", *LEGACY),
        step("debian-legacy", "root", "debian", "--legacy", "root", "tests/root/template/test_systemd.py"),
        step("debian-unified", "root", "debian", "--unified", "root", "tests/root/template/test_systemd.py"),
    ]


def vm_steps() -> list[Step]:
    """What needs a real host: none of `all`."""
    listed = [
        step("vm-host", "vm", "vm-host"),
        step("vm-root", "vm", "vm-root", "root", *VM_ROOT),
        step("vm-root-start", "vm-all", "vm-root", "start", *VM_START),
        step("vm-root-else", "vm-all", "vm-root", "else", *VM_ELSE),
        step("vm-grow", "vm-all", "vm-host", "tests/vm/test_host.py", "-k", "image_grows"),
        step("vm-zfs", "vm-all", "vm-zfs"),
    ]
    return [step._replace(more=True) for step in listed]


def ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it ends within that time; it is not reaped."""
    pidfd = os.pidfd_open(process.pid)
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)


def end(process: subprocess.Popen[bytes]) -> None:
    """And all that it has started: first so that it can take away what it has made (ci/host-namespace: its cgroups). Whoever has
    started it reaps it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            if process.returncode is None:
                ends(process, CLEAN_UP)


class Runner:
    def __init__(self, width: int) -> None:
        self._width = width
        self._printing = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_over = False
        self.failed: list[str] = []
        self.passed = 0

    def run(self, step: Step) -> None:
        log = LOG / f"{step.name}.log"
        began = time.monotonic()
        # Two runs in one checkout take turns: a step begins by laying its copy of the tree anew.
        with (LOG / f"{step.name}.lock").open("w") as lock, log.open("wb") as stream:
            fcntl.flock(lock, fcntl.LOCK_EX)
            status, used = self._call(step, stream)
        if self._is_over:
            return
        with self._printing:
            self._report(step, status, (time.monotonic() - began, used), log.read_text(encoding="utf-8", errors="replace"))

    def _call(self, step: Step, stream: IO[bytes]) -> tuple[int, float]:
        """The exit status, and the seconds of processor time that it took with all that it waited for. A step that hangs is ended with
        all that it has started, so that the others still get their turn."""
        if self._is_over:
            return 143, 0
        process = subprocess.Popen(
            step.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        limit = VM_TIMEOUTS.get(step.group, TIMEOUT)
        self._running.add(process)
        try:
            if not ends(process, limit):
                stream.write(f"\nended after {limit} s\n".encode())
                return 124, 0
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        finally:
            self._running.discard(process)
            end(process)
            process.wait()

    def stop(self) -> None:
        """No step begins any more, and those that run end; `run` returns."""
        self._is_over = True
        for process in list(self._running):
            end(process)

    def _report(self, step: Step, status: int, took: tuple[float, float], output: str) -> None:
        verdict = "ok" if status == 0 else f"FAILED ({status})"
        print(f"{step.name:<{self._width}}  {verdict:<12}  {took[0]:6.1f} s, {took[1]:5.0f} of processor time", flush=True)
        if status:
            self.failed.append(step.name)
            lines = [line for line in output.splitlines() if not NOISE.match(line)]
            if len(lines) > 120:
                print(f"    [{len(lines) - 120} lines left out: .build/log/{step.name}.log]")
            print("\n".join("    " + line for line in lines[-120:]), flush=True)
        else:
            self.passed += 1
        for line in output.splitlines():
            if CLOSING.fullmatch(line.strip()):
                print("    " + line.strip(" ="), flush=True)


def choose(everything: list[Step], names: list[str]) -> list[Step]:
    unknown = [name for name in names if name != "all" and not any(name in (step.name, step.group) for step in everything)]
    if unknown:
        sys.exit(f"ci/check: no step or group is named {', '.join(unknown)}; ci/check --list names them")
    return [step for step in everything if ("all" in names and not step.more) or step.name in names or step.group in names]


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(__doc__)
    if arguments[0] == "--soak":
        os.environ["HOSTKIT_SOAK"] = "1"
        os.execv(sys.executable, [sys.executable, __file__, *arguments[1:]])
    if arguments[:1] != ["--list"]:
        # What several steps need, before two of them ask for it at a time.
        purpose = "vm" if any(name.startswith("vm") for name in arguments) else "test"
        subprocess.run([str(ROOT / "ci" / "packages"), purpose], check=True, stdin=subprocess.DEVNULL)
    required = os.environ.get("HOSTKIT_REQUIRE_PYTHONS", "").split()
    everything = [*steps(list(pythons()), required, bool(os.environ.get("HOSTKIT_SOAK"))), *vm_steps()]
    if arguments == ["--list"]:
        print("\n".join(f"{step.group:<12} {step.name}" for step in everything))
        return 0
    chosen = choose(everything, arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        LOG.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        sys.exit(f"ci/check: {LOG} cannot be made by this user; run it as root, or in a checkout of your own")
    runner = Runner(max(len(step.name) for step in chosen))
    began = time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            list(pool.map(runner.run, chosen))
        except BaseException:  # by SIGTERM or SIGINT: what runs in the threads must hear of it
            runner.stop()
            raise
    if runner.failed:
        print(f"failed: {', '.join(runner.failed)} (.build/log has their output)")
    print(f"all steps took {time.monotonic() - began:.0f} s")
    print(f"{runner.passed} passed, {len(runner.failed)} failed", flush=True)
    return 1 if runner.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
