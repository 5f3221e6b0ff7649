# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor as a service where process 1 is systemd. The host is a Debian container with systemd; its containers are inside it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, AttachResult, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.reconcile import wait

PROGRAM = """
import json, os, signal, sys
sys.path[:0] = ["/opt/hostkit"]
from _lxc import paths, runtime
from _lxc.wire import client, host
one = paths.container("inner")
def started():
    [(_container, error, _warnings, _was_up)] = runtime.start([one], 30)
    if error: raise error
def facts():
    return {**host.request("hello"), "state": client.state(one).name, "init": client.init_pid(one) if client.state(one) else 0}
"""
CONFIG = """lxc.rootfs.path = dir:/var/lib/lxc/inner/rootfs
lxc.uts.name = inner
lxc.init.cmd = /bin/busybox sleep 100000
lxc.net.0.type = empty
"""


@pytest.fixture(scope="module")
def outer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[paths.Container]:
    """A Debian with Python, our runtime and one busybox container in it, booted."""
    directory = tmp_path_factory.mktemp("outer")
    os.chmod(directory, 0o755)
    one = paths.container("outer", str(directory))
    options = {"packages": ["python3-minimal", "libpython3-stdlib"], "cache_max_age": "30d"}
    network = {"type": "empty", "flags": ""}
    try:
        create.create(create.CreateRequest(one, "debian", template_options=options, networks=[network]), lambda _line: None)
    except LxcError as error:
        if "mirror" in f"{error} {error.hint}":
            pytest.skip(f"no package mirror answers: {error}")
        raise
    _furnish(Path(one.rootfs))
    with open(one.config, "a", encoding="utf-8") as config:  # containers inside are its right
        config.write("lxc.cap.drop =\nlxc.cgroup.devices.allow = a\nlxc.cgroup2.devices.allow = a\n")
        config.write("lxc.mount.auto =\nlxc.mount.auto = proc:rw sys:rw\n")
    [(_container, error, _warnings, _was_up)] = runtime.start([one], 60)
    assert error is None, error
    wait.wait(one, ["systemd"], 120)
    yield one
    stop.stop(one, 0)
    destroy.destroy(one)


def _furnish(root: Path) -> None:
    library = importlib.util.find_spec("pyroute2")
    assert library is not None and library.submodule_search_locations
    shutil.copytree(Path(runtime.__file__).parent, root / "opt/hostkit/_lxc")
    shutil.copytree(next(iter(library.submodule_search_locations)), root / "opt/hostkit/pyroute2")
    inner = root / "var/lib/lxc/inner"
    for name in ("bin", "dev", "proc", "sys", "tmp"):
        (inner / "rootfs" / name).mkdir(parents=True)
    shutil.copy2("/bin/busybox", inner / "rootfs/bin/busybox")
    (inner / "config").write_text(CONFIG)


def run(outer: paths.Container, *argv: str) -> AttachResult:
    result = attach(outer, AttachRequest(list(argv), timeout=120))
    assert result.rc == 0, (argv, result)
    return result


def python(outer: paths.Container, code: str) -> dict[str, object]:
    said = run(outer, "python3", "-c", f"{PROGRAM}\n{code}\nprint(json.dumps(facts()))").stdout
    return dict(json.loads(said))


def shown(outer: paths.Container, *names: str) -> dict[str, str]:
    lines = run(outer, "systemctl", "show", "hostkit-lxc.service", *(f"--property={name}" for name in names)).stdout.decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_it_is_a_service_whose_main_process_is_the_keeper(outer: paths.Container) -> None:
    facts = python(outer, "started()")
    unit = shown(outer, "ActiveState", "MainPID", "KillMode", "ControlGroup")
    assert (unit["ActiveState"], unit["MainPID"], unit["KillMode"]) == ("active", str(facts["keeper"]), "process")
    cgroups = run(outer, "cat", f"/proc/{facts['pid']}/cgroup").stdout.decode()
    assert "hostkit-lxc.service" in cgroups
    assert "hostkit-lxc.service" not in run(outer, "cat", f"/proc/{facts['init']}/cgroup").stdout.decode(), (
        "its containers are outside of it"
    )


def test_a_monitor_that_is_killed_is_started_again_and_the_service_stays(outer: paths.Container) -> None:
    before = python(outer, "started()")
    after = python(outer, "os.kill(host.request('hello')['pid'], signal.SIGKILL)\nruntime.ensure_monitor()")
    assert after["pid"] != before["pid"] and (after["keeper"], after["init"]) == (before["keeper"], before["init"])
    assert shown(outer, "ActiveState", "MainPID") == {"ActiveState": "active", "MainPID": str(before["keeper"])}


def test_the_end_of_the_service_ends_no_container_and_the_next_task_adopts(outer: paths.Container) -> None:
    before = python(outer, "started()")
    run(outer, "systemctl", "stop", "hostkit-lxc.service")
    assert run(outer, "cat", f"/proc/{before['init']}/comm").stdout == b"busybox\n"
    after = python(outer, "runtime.ensure_monitor()")
    assert after["keeper"] != before["keeper"] and (after["init"], after["state"]) == (before["init"], "RUNNING")
    assert shown(outer, "ActiveState", "MainPID") == {"ActiveState": "active", "MainPID": str(after["keeper"])}


def test_a_keeper_that_is_killed_leaves_a_monitor_that_goes_on(outer: paths.Container) -> None:
    before = python(outer, "started()")
    after = python(outer, "os.kill(host.request('hello')['keeper'], signal.SIGKILL)\nruntime.ensure_monitor()")
    assert (after["init"], after["state"]) == (before["init"], "RUNNING")
    again = python(outer, "client.stop(one)\nstarted()")
    assert again["init"] != before["init"] and again["state"] == "RUNNING"
    assert run(outer, "systemctl", "is-system-running").stdout == b"running\n", "a killed service is collected, not left failed"
