# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real containers for the tests of start and of the monitor: a static busybox as root file system, started by our runtime."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import daemons
import parity
import patience
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, host
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State

both = parity.both
parity_host = parity.host

APPLETS = "sh cat echo sleep touch env id hostname grep poweroff reboot readlink tty true"
# An init that ends well on SIGPWR, as a system's init does, and reaps what it is left with.
INIT = """#!/bin/sh
trap 'exit 0' PWR
trap '/bin/reboot -f' INT
{first}
while :; do sleep 3600 & wait $!; done
"""


class Box:
    """One container of a test."""

    def __init__(self, container: paths.Container) -> None:
        self.container = container
        self.root = Path(container.rootfs)

    def configure(self, *lines: str) -> None:
        base = [f"lxc.rootfs.path = dir:{self.root}", f"lxc.uts.name = {self.container.name}", "lxc.init.cmd = /init"]
        base.append("lxc.net.0.type = empty")
        keys = {line.partition("=")[0].strip() for line in lines}
        kept = [line for line in base if line.partition("=")[0].strip() not in keys]
        Path(self.container.config).write_bytes(os.fsencode("\n".join([*kept, *lines]) + "\n"))

    def init(self, first: str) -> None:
        path = self.root / "init"
        path.write_text(INIT.format(first=first))
        path.chmod(0o755)

    def start(self, timeout: float = 30) -> list[str]:
        [(_container, error, warnings, _was_up)] = runtime.start([self.container], timeout, log_level="DEBUG")
        if error is not None:
            raise error
        return warnings

    def fails(self) -> LxcError:
        with pytest.raises(LxcError) as caught:
            self.start()
        assert self.state == State.STOPPED
        return caught.value

    @property
    def state(self) -> State:
        return client.state(self.container)

    @property
    def pid(self) -> int:
        return client.init_pid(self.container)

    def path(self, name: str) -> Path:
        """A file as the running container sees it."""
        return Path(f"/proc/{self.pid}/root/{name.lstrip('/')}")

    def wait_for_file(self, name: str = "tmp/done") -> None:
        """Written by init, looked at in the root file system of the host's side."""
        patience.until((self.root / name).exists, f"{name} exists")

    def wait(self, state: State = State.STOPPED, timeout: float = 20) -> None:
        assert client.wait(self.container, [state], timeout) == state

    def kill(self) -> None:
        try:
            client.stop(self.container)
        except NotRunning:
            pass
        patience.until(lambda: self.state == State.STOPPED, "the container is stopped")


def make_root(root: Path) -> None:
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc", "root", "sbin", "run"):
        (root / name).mkdir(parents=True)
    shutil.copy2(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """make_box(name, *config lines) -> Box, not started. Whatever runs at the end is killed."""
    os.chmod(tmp_path, 0o755)
    boxes: list[Box] = []

    def make(name: str = "s1", *lines: str) -> Box:
        box = Box(paths.container(name, str(tmp_path)))
        make_root(box.root)
        box.init("")
        box.configure(*lines)
        boxes.append(box)
        return box

    yield make
    for box in boxes:
        box.kill()


@pytest.fixture
def box(make_box: Callable[..., Box]) -> Box:
    return make_box()


@pytest.fixture
def until() -> Callable[..., None]:
    return patience.until


@pytest.fixture(scope="session", autouse=True)
def monitor_of_the_tests() -> Iterator[None]:
    """The monitor of the host that the tests run on; ended if the tests brought it up."""
    had = Path(paths.MONITOR_SOCKET).exists()
    runtime.ensure_monitor()
    yield
    if not had:
        os.kill(int(runtime.ensure_monitor()["pid"]), signal.SIGTERM)


@pytest.fixture
def monitor() -> int:
    """Its pid: a test may have ended an earlier one."""
    return int(runtime.ensure_monitor()["pid"])


@pytest.fixture
def only_ours() -> None:
    """To kill a monitor that others use would be rude: only in namespaces that stand for a host (ci/host-namespace)."""
    if os.environ.get("HOSTKIT_HOST_NAMESPACE") != "1":
        pytest.skip("not in namespaces of our own: run it by ci/host-namespace")


@pytest.fixture
def own_monitor(monitor: int) -> Iterator[None]:
    """No newer one stays behind for other tests."""
    yield
    facts = host.request("hello")
    os.kill(int(facts["pid"]), signal.SIGTERM)
    patience.until(lambda: not process.alive(int(facts["pid"])) and not process.alive(int(facts["keeper"])), "both have ended")


@pytest.fixture
def collection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """collection(version, **changes): from now on this test is a task of that collection; a change is an extra line of a file."""
    plain = runtime.sources()

    def become(version: str, **changes: str) -> None:
        files = dict(plain)
        for name, line in changes.items():
            path = name.replace("__", "/") + ".py"
            files[path] += f"\n{line}\n".encode()
        monkeypatch.setattr(runtime, "COLLECTION_VERSION", version)
        monkeypatch.setattr(runtime, "sources", lambda: files)

    return become


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[daemons.Daemon]:
    """What a hook leaves; ended with the test."""
    one = daemons.Daemon(tmp_path)
    yield one
    for pid in one.pids():
        os.kill(pid, signal.SIGKILL)
