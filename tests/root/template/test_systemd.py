# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's systemd under our start: up, not degraded, on the kind of cgroups that the host has, and down by itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroupfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, freeze, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client
from stock import end_of_monitor, need_lxc

pytestmark = pytest.mark.slow
__all__ = ["end_of_monitor"]

# A container's systemd looks at /proc/cgroups, which shows what v1 has on the whole kernel, whatever is mounted on the host; by these
# it is told, or shown, that the host is a unified one.
UNIFIED = {
    "mounted by systemd": "lxc.init.cmd = /sbin/init systemd.unified_cgroup_hierarchy=1",
    "mounted by us": "lxc.mount.auto = cgroup:rw:force",
}


@pytest.fixture(scope="module")
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[paths.Container]:
    """A container with an own, empty network; its root is copied from the host's cache, where a mirror put it."""
    container = paths.container("tsystemd", str(tmp_path_factory.mktemp("lxc")))
    wanted = create.CreateRequest(container, "debian", {}, config={"lxc.net.0.type": "empty"})
    try:
        create.create(wanted, print)
    except StepError:
        request.getfixturevalue("mirror")  # skips where none answers: then there was nothing to make a root from
        raise
    yield container
    stop.stop(container, 0)


@pytest.fixture
def boot(debian: paths.Container) -> Iterator[Callable[..., paths.Container]]:
    config = Path(debian.config)
    text = config.read_text()

    def start(*lines: str) -> paths.Container:
        config.write_text("\n".join([text, *lines, ""]))
        [(_container, error, _warnings, _was_up)] = runtime.start([debian], 30)
        assert error is None, error
        return debian

    yield start
    stop.stop(debian, 0)
    config.write_text(text)


def run(container: paths.Container, *argv: str) -> str:
    result = attach(container, AttachRequest(list(argv), timeout=60))
    assert result.rc == 0, result
    return result.stdout.decode()


def state(container: paths.Container) -> str:
    """What systemd says when it has come to an end; at the very beginning there is no bus to ask it by."""
    deadline = time.monotonic() + 60
    said = ""
    while said not in ("running", "degraded"):
        assert time.monotonic() < deadline, said
        said = attach(container, AttachRequest(["systemctl", "is-system-running", "--wait"], timeout=60)).stdout.decode().strip()
    return said + run(container, "systemctl", "--failed", "--no-legend")


def ends_by_itself(container: paths.Container) -> bool:
    return stop.stop(container, 60)[:2] == ("signal", "SIGRTMIN+3")


def test_it_boots_to_running(boot: Callable[..., paths.Container]) -> None:
    container = boot()
    assert state(container) == "running"
    assert ends_by_itself(container)


@pytest.mark.parametrize("line", UNIFIED.values(), ids=UNIFIED)
def test_on_a_unified_host_it_has_one_hierarchy_of_its_own(boot: Callable[..., paths.Container], line: str) -> None:
    hierarchies.need(2, alone=True)
    container = boot(line)
    assert state(container) == "running"
    (where,) = hierarchies.of(client.init_pid(container)).values()
    assert where == "/lxc.payload.tsystemd/init.scope"
    assert run(container, "sh", "-c", "grep cgroup /proc/mounts | cut -d' ' -f2,3") == "/sys/fs/cgroup cgroup2\n"
    run(
        container, "sh", "-c", "for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done"
    )
    unit = run(container, "systemd-run", "--wait", "--pipe", "--quiet", "cat", "/proc/self/cgroup").splitlines()[-1]
    assert unit.startswith("0::/system.slice/run-") and unit.endswith(".service"), "nothing above its own is seen"
    need_lxc()
    lxc = ["-P", container.lxc_path, "-n", container.name]
    done = subprocess.run(
        ["lxc-attach", *lxc, "--", "systemctl", "is-active", "dbus"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "active\n"), done
    assert freeze.freeze(container) and freeze.thaw(container)
    assert ends_by_itself(container)
    assert not [h for h in cgroupfs.hierarchies() if Path(h.mount_point, "lxc.payload.tsystemd").exists()]
