# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container, started first by lxc-start and then by us, and what Debian's own tools say of it each time.

Everything is the same but the starter: the path, the name, the config, a root file system made anew. What differs from run to
run whoever starts it (pids, counters, a random name of an interface) is replaced by a word.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, protocol
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import NotRunning, State
from patience import until
from terminal import Terminal

BRIDGE = "parity0"
# The broadcast address is said because 5.0.2 makes a wrong one up.
CONFIG = f"""lxc.uts.name = c1
lxc.init.cmd = /init
lxc.mount.auto = proc sys
lxc.tty.max = 2
lxc.pty.max = 64
lxc.group = web
lxc.start.auto = 1
lxc.start.order = 7
lxc.environment = FROM_CONFIG=yes
lxc.net.0.type = veth
lxc.net.0.link = {BRIDGE}
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.hwaddr = 02:00:00:00:00:07
lxc.net.0.ipv4.address = 10.66.0.2/24 10.66.0.255
lxc.net.0.ipv6.address = fd66::2/64
"""
# PWR ends it, INT reboots it; a shell for each tty that says what it reads.
INIT = """#!/bin/sh
trap 'exit 0' PWR
trap '/bin/reboot -f' INT
for tty in console tty1; do
    while :; do /bin/setsid -c /bin/sh -c 'while read line; do echo got-$line; done' </dev/$tty >/dev/$tty 2>&1; done &
done
echo > /ready
while :; do sleep 3600 & wait $!; done
"""
DEAF_INIT = "#!/bin/sh\ntrap '' PWR\necho > /ready\nwhile :; do sleep 3600 & wait $!; done\n"
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C", "FROM_CALLER": "yes"}
# How LXC's tools are called: whoever runs the tests may ignore signals.
LOGIN: dict[str, Any] = {"env": ENVIRONMENT, "preexec_fn": process.reset_signals}

COUNTERS = re.compile(r"^( ?(?:CPU|BlkIO|Memory|KMem) use:| (?:TX|RX|Total) bytes:).*$", re.MULTILINE)
NAMELESS = ("ls", "autostart", "top", "monitor")


class Outcome(NamedTuple):
    """What one command came to; with a terminal both streams are in `output`."""

    command: str
    status: int
    output: str
    errors: str = ""


class Side:
    """The container as one of the starters brought it up, and what was said of it."""

    def __init__(self, container: paths.Container, starter: str) -> None:
        self.container = container
        self.starter = starter
        self.said: list[object] = []
        self._pid = 0

    def start(self) -> None:
        self.ready.unlink(missing_ok=True)
        stock.STARTERS[self.starter](self.container)
        until(self.ready.exists, "init listens")

    @property
    def ready(self) -> Path:
        """Written by init when it hears signals: to process 1 one that it does not wait for is as if it had not been sent."""
        return Path(self.container.rootfs, "ready")

    @property
    def pid(self) -> int:
        """Of init as it is now, remembered for what is read after its end."""
        try:
            self._pid = client.init_pid(self.container)
        except NotRunning:
            return 0
        return self._pid

    @property
    def state(self) -> State:
        return client.state(self.container)

    def argv(self, command: str) -> list[str]:
        tool, *words = shlex.split(command)
        name = [] if tool in NAMELESS or "-n" in words else ["-n", self.container.name]
        return [f"lxc-{tool}", "-P", self.container.lxc_path, *name, *words]

    def run(self, command: str, stdin: str = "") -> Outcome:
        """Run it and keep what it said; it may read `stdin`."""
        pid = self.pid
        done = subprocess.run(self.argv(command), input=stdin.encode(), capture_output=True, timeout=60, check=False, **LOGIN)
        outcome = Outcome(command, done.returncode, self.same(done.stdout, pid), self.same(done.stderr, pid))
        self.said.append(outcome)
        return outcome

    def begin(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.argv(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **LOGIN)

    def end(self, command: str, process: subprocess.Popen[bytes]) -> Outcome:
        output, _none = process.communicate(timeout=30)
        outcome = Outcome(command, process.returncode, self.same(output, self._pid))
        self.said.append(outcome)
        return outcome

    def waiters(self, *states: str) -> dict[str, subprocess.Popen[bytes]]:
        """An lxc-wait for each, every one of them known to the monitor by now."""
        begun = {state: self.begin(f"wait -s {state}") for state in states}
        until(lambda: self.connections() == len(begun) and all(map(is_asleep, begun.values())), "each lxc-wait waits")
        assert self.state is State.RUNNING  # asked after them, and so they have been answered too
        return begun

    def connections(self) -> int:
        """How many clients are connected to the command socket (proc(5): state 03 of /proc/net/unix)."""
        address = "@" + protocol.address(*self.container)[1:].decode()
        rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(row[-1] == address and row[5] == "03" for row in rows)

    def terminal(self, command: str) -> Terminal:
        return Terminal(self.argv(command), ENVIRONMENT)

    def note(self, command: str, terminal: Terminal) -> Outcome:
        """The end of what ran on a terminal. Ours passes a console on as it is, LXC adds a carriage return to each."""
        status, output = terminal.end()
        outcome = Outcome(command, status, re.sub(r"\r+\n", "\n", self.same(output, self._pid)))
        self.said.append(outcome)
        return outcome

    def same(self, output: bytes, pid: int) -> str:
        text = output.decode("utf-8", "replace")
        if pid:
            text = re.sub(rf"(?<![\w.]){pid}(?![\w.])", "<pid>", text)
        text = re.sub(r"\bveth(?:[A-Za-z0-9]{6}|[0-9a-f]{11})\b", "<veth>", text)
        text = COUNTERS.sub(r"\1 <count>", text)
        text = re.sub(r"[0-9.]+MB", "<size>", text)
        return re.sub(r" {2,}", "  ", text)  # columns are as wide as the widest

    def stop(self) -> None:
        try:
            client.stop(self.container, 30)
        except NotRunning:
            pass
        until(lambda: self.state == State.STOPPED, "it is stopped")


def is_asleep(begun: subprocess.Popen[bytes]) -> bool:
    return process.status(begun.pid)["State"].startswith("S")


def make(container: paths.Container, lines: Sequence[str], init: str) -> None:
    """Anew, whatever the one before has written. A key of `lines` takes the place of all of CONFIG's lines for it and below it."""
    shutil.rmtree(container.directory, ignore_errors=True)
    root = Path(container.rootfs)
    stock.make_root(root, init)
    keys = tuple(line.partition("=")[0].strip() for line in lines)
    prefixes = tuple(key[: -len("type")] for key in keys if re.fullmatch(r"lxc\.net\.[0-9]+\.type", key))
    kept = [line for line in CONFIG.splitlines() if not line.startswith(tuple(f"{key} " for key in keys) + prefixes)]
    Path(container.config).write_text("\n".join([f"lxc.rootfs.path = dir:{root}", *kept, *lines]) + "\n")


def compare(lxc_path: Path, scene: Callable[[Side], object], lines: Sequence[str] = (), init: str = INIT) -> list[object]:
    """Play the scene with one and then with the other; what was said must be the same. Returns that."""
    container = paths.container("c1", str(lxc_path))
    said = {}
    for starter in sorted(stock.STARTERS, reverse=True):
        make(container, lines, init)
        side = Side(container, starter)
        side.start()
        try:
            scene(side)
        finally:
            side.stop()
        said[starter] = side.said
    for theirs, ours in zip(said["stock"], said["ours"]):
        assert ours == theirs
    assert len(said["ours"]) == len(said["stock"])
    return said["stock"]


Both = Callable[..., "list[object]"]


@pytest.fixture(scope="module")
def host() -> Iterator[None]:
    stock.need_lxc()
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
    yield
    subprocess.run(["ip", "link", "del", BRIDGE], check=True)


@pytest.fixture
def both(tmp_path: Path, parity_host: None) -> Both:
    """both(scene, config lines, init): play the scene with each and compare."""
    os.chmod(tmp_path, 0o755)
    return lambda *what: compare(tmp_path, *what)
