# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running containers for the tests of what works on anybody's container: a static busybox, begun by LXC's own lxc-start and by us.

Every test that uses `containers` runs once with each of `STARTERS`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

BUSYBOX = "/bin/busybox"
# Ends well on SIGPWR, as an init does, and reaps what it is left with.
INIT = """#!/bin/sh
trap 'exit 0' PWR
while :; do sleep 3600 & wait $!; done
"""
# As systemd does, the signal is blocked and asked for; sigwait(3) would unblock it while it waits.
BLOCKING_INIT = """#!/usr/bin/python3 -ISB
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 3])
open("/ready", "w").close()
while signal.SIGRTMIN + 3 not in signal.sigpending():
    time.sleep(0.02)
"""
DEAF_INIT = """#!/bin/sh
trap '' PWR
while :; do sleep 3600 & wait $!; done
"""
PASSWD = """root:x:0:0:root:/root:/bin/sh
alice:x:1000:100:Alice:/home/alice:/bin/ash
"""
GROUP = """root:x:0:
users:x:100:
audio:x:29:alice,bob
video:x:44:bob,alice
disk:x:6:root
"""


def start_stock(container: paths.Container) -> None:
    """As from a login: lxc-start hands on to init which signals its caller ignores, and who runs the tests may ignore any of them."""
    command = ["lxc-start", "-P", container.lxc_path, "-n", container.name, "-l", "INFO", "-o", f"{container.directory}/log"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=process.reset_signals)
    assert done.returncode == 0, done.stderr + Path(container.directory, "log").read_text()


def start_ours(container: paths.Container) -> None:
    [(_container, error, _warnings, _was_up)] = runtime.start([container], 30, log_level="DEBUG")
    if error is not None:
        raise error


STARTERS = {"stock": start_stock, "ours": start_ours}


def make_root(root: Path, init: str, host_usr: bool = False) -> None:
    """A root of a static busybox with all its applets; with `host_usr` for the host's own programs, to be mounted on /usr."""
    for directory in ("dev", "etc", "home/alice", "proc", "root", "sys", "tmp", "usr"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    os.chown(root / "home/alice", 1000, 100)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "init").write_text(init)
    (root / "init").chmod(0o755)
    if host_usr:
        for name in ("bin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        return
    (root / "bin").mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


class Containers:
    """Makes and starts them; what was made is killed and removed at the end of the test."""

    def __init__(self, lxc_path: Path, starter: str) -> None:
        self.lxc_path = lxc_path
        self.made: list[paths.Container] = []
        self._start = STARTERS[starter]

    def start(self, *config: str, init: str = INIT, host_usr: bool = False, lxc_path: str = "") -> paths.Container:
        container = paths.container(f"w{uuid.uuid4().hex[:8]}", lxc_path or str(self.lxc_path))
        make_root(Path(container.rootfs), init, host_usr)
        lines = [
            f"lxc.rootfs.path = dir:{container.rootfs}",
            f"lxc.uts.name = {container.name}",
            "lxc.init.cmd = /init",
            "lxc.net.0.type = empty",
            "lxc.mount.auto = proc:rw sys:rw",
            "lxc.pty.max = 64",
            *(["lxc.mount.entry = /usr usr none rbind,ro 0 0"] if host_usr else []),
            *config,
        ]
        Path(container.config).write_text("\n".join(lines) + "\n")
        self.made.append(container)
        self._start(container)
        return container

    def clean(self) -> None:
        for container in self.made:
            try:
                client.stop(container, 30)
            except client.NotRunning:
                continue
        for container in self.made:
            shutil.rmtree(container.directory, ignore_errors=True)


def _skip_or_fail(reason: str) -> None:
    if os.environ.get("HOSTKIT_REQUIRE_ORACLE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need_lxc() -> None:
    """For what asks LXC's own tools."""
    if not shutil.which("lxc-start"):
        _skip_or_fail("lxc-start is not installed")


@pytest.fixture(scope="session", autouse=True)
def end_of_monitor() -> Iterator[None]:
    """A monitor that the tests brought up ends with them."""
    had = os.path.exists(paths.MONITOR_SOCKET)
    yield
    if not had and os.path.exists(paths.MONITOR_SOCKET):
        runtime.stop_monitor()


@pytest.fixture(params=sorted(STARTERS))
def containers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Containers]:
    if request.param == "stock":
        need_lxc()
    if not os.access(BUSYBOX, os.X_OK):
        _skip_or_fail("busybox-static is not installed")
    if os.geteuid() != 0:
        _skip_or_fail("containers of root need root")
    made = Containers(tmp_path, request.param)
    try:
        yield made
    finally:
        made.clean()
