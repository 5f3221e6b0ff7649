# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer collection's runtime takes the monitor's place under running containers; an older one, or a broken one, does not."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import daemon, paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, LxcError, StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client, host, presence, query
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.payloads import BpfDevice
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import Command, State

pytestmark = pytest.mark.usefixtures("only_ours", "own_monitor")

MANY = 50 if os.environ.get("HOSTKIT_SOAK") == "1" else 8
NEWER = "1000.2.0"


@pytest.fixture
def boxes(make_box) -> list:  # type: ignore[no-untyped-def,type-arg]
    made = [make_box(f"r{number}", "lxc.tty.max = 1") for number in range(MANY)]
    for box in made:
        box.init("while :; do echo tick > /dev/console || touch /tmp/hung-up; sleep 0.05; done &")
    for _container, error, _warnings, _was_up in runtime.start([box.container for box in made], 60):
        assert error is None, error
    return made


class Queries(threading.Thread):
    """Two hundred questions, each on a connection of its own, and how many were refused or not answered."""

    def __init__(self, boxes) -> None:  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self.boxes, self.refused, self.over = boxes, [], False
        self.asked = 0
        self.start()

    def run(self) -> None:
        while self.asked < 200 or not self.over:
            box = self.boxes[self.asked % len(self.boxes)]
            try:
                exchange = client.Exchange(box.container, Command.GET_STATE, 20)
                with exchange.connect() as link:
                    exchange.send(link, 0, b"")
                    assert exchange.reply(link).response.value == int(State.RUNNING)
            except Exception as error:
                self.refused.append(repr(error))
            self.asked += 1
            time.sleep(0.002)


def test_the_next_one_knows_which_devices_were_allowed(make_box, collection):
    hierarchies.need(2, alone=True)
    box = make_box("r1", "lxc.cgroup2.devices.deny = a", "lxc.cgroup2.devices.allow = c *:* m", "lxc.cgroup2.devices.allow = c 1:3 rw")
    box.start()

    def said(minor: int) -> bytes:
        node = f"/tmp/{minor}"
        script = f"[ -e {node} ] || busybox mknod {node} c 1 {minor}; : < {node}"
        return attach(box.container, AttachRequest(["sh", "-c", script], timeout=20)).stderr.rpartition(b": ")[2]

    client.add_bpf_device(box.container, BpfDevice("c", 1, 5, "r", True))
    collection(NEWER, errors="NEWER = True")
    assert runtime.ensure_monitor()["collection"] == NEWER
    assert said(5) == b"" and said(7) == b"Operation not permitted\n", "the program stays where it was"
    client.add_bpf_device(box.container, BpfDevice("c", 1, 9, "r", True))
    assert said(9) == said(5) == said(3) == b"" and said(7) == b"Operation not permitted\n"


def inits(boxes) -> list[tuple[int, int]]:  # type: ignore[no-untyped-def]
    return [(box.pid, process.start_time(box.pid)) for box in boxes]


def test_a_newer_collection_replaces_it_and_nobody_is_refused(boxes, collection, until):
    before, old = inits(boxes), runtime.ensure_monitor()
    queries = Queries(boxes)
    until(lambda: queries.asked > 20, "queries are on their way")
    collection(NEWER, errors="NEWER = True")
    new = runtime.ensure_monitor()
    assert new["collection"] == NEWER and new["digest"] != old["digest"]
    assert new["pid"] != old["pid"] and new["keeper"] == old["keeper"], "the keeper executed it in place"
    queries.over = True
    queries.join(60)
    assert queries.refused == [] and queries.asked >= 200
    assert inits(boxes) == before
    assert not [box for box in boxes if (box.root / "tmp/hung-up").exists()]
    boxes[0].kill()
    boxes[0].start()
    boxes[1].init("")
    os.kill(boxes[1].pid, signal.SIGKILL)
    until(lambda: boxes[1].state == State.STOPPED, "the end of one that the old monitor had started is heard")


def test_a_start_by_a_newer_collection_is_made_by_its_own_monitor(make_box, collection):
    old = runtime.ensure_monitor()
    collection(NEWER)
    box = make_box("r1")
    box.start()
    new = host.request("hello")
    assert (new["collection"], new["keeper"]) == (NEWER, old["keeper"])
    assert process.parent(box.pid) == new["pid"]


def test_after_it_a_kill_is_survived_as_before(boxes, collection):
    collection(NEWER)
    facts = runtime.ensure_monitor()
    before = inits(boxes)
    for which in ("pid", "keeper", "pid"):
        os.kill(int(runtime.ensure_monitor()[which]), signal.SIGKILL)
        assert runtime.ensure_monitor()["collection"] == NEWER
        assert inits(boxes) == before
    assert facts["digest"] == runtime.ensure_monitor()["digest"]


def test_clients_that_wait_are_taken_along(boxes, collection):
    one = boxes[0]
    command = ["lxc-wait", "-P", one.container.lxc_path, "-n", one.container.name, "-s", "STOPPED", "-t", "60"]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    link, _state = client.watch(one.container, [State.STOPPED])
    collection(NEWER)
    runtime.ensure_monitor()
    assert waiting.poll() is None
    one.kill()
    assert waiting.wait(20) == 0
    with link:
        link.settimeout(20)
        assert link.recv(512)


@pytest.mark.parametrize("version", ["0.0.1", runtime.COLLECTION_VERSION, f"{runtime.COLLECTION_VERSION}-rc.1"])
def test_an_older_collection_and_one_of_the_same_version_use_what_is_there(boxes, collection, version):
    """However different their files are: two on one host must not take turns."""
    old = runtime.ensure_monitor()
    collection(version, errors="OTHER = True")
    for _turn in range(3):
        assert runtime.ensure_monitor() == old
    boxes[0].kill()
    boxes[0].start()
    with pytest.raises(InUse, match=f"is of version {old['collection']}, which {version} does not replace"):
        host.request("replace", {"collection": version, "command": daemon.command(runtime.persist(), runtime.COLLECTION_VERSION)})


@pytest.fixture
def speak(monkeypatch):  # type: ignore[no-untyped-def]
    """speak(version): from now on this test's requests are of that version of our own protocol."""
    return lambda version: monkeypatch.setattr(host, "PROTOCOL_VERSION", version)


def test_one_that_speaks_a_later_version_of_the_protocol_replaces_it_too(boxes, collection, speak):
    """The start, which the old monitor does not understand, is made by the new one; an older client is served by that as before."""
    own = host.PROTOCOL_VERSION
    before, old = inits(boxes), runtime.ensure_monitor()
    collection(NEWER, wire__host=f"PROTOCOL_VERSION = {own + 1}")
    speak(own + 1)
    boxes[0].kill()
    boxes[0].start()
    new = host.request("hello")
    assert (new["collection"], new["keeper"]) == (NEWER, old["keeper"]) and new["pid"] != old["pid"]
    assert process.parent(boxes[0].pid) == new["pid"] and inits(boxes[1:]) == before[1:]
    with pytest.raises(host.Outdated, match=f"speaks version {own + 1} "):
        speak(own + 2)
        host.request("list")
    collection("0.0.1")
    speak(own)
    for _turn in range(3):
        boxes[1].kill()
        boxes[1].start()
        assert runtime.ensure_monitor() == new, "they do not take turns"
    assert len(host.request("list")["containers"]) == MANY


@pytest.mark.parametrize("version", ["0.0.1", runtime.COLLECTION_VERSION])
def test_a_later_protocol_of_no_newer_collection_is_told_why_and_replaces_nothing(boxes, collection, speak, version):
    before, old = inits(boxes[1:]), runtime.ensure_monitor()
    boxes[0].kill()
    own = host.PROTOCOL_VERSION
    collection(version, wire__host=f"PROTOCOL_VERSION = {own + 1}")
    speak(own + 1)
    with pytest.raises(host.Outdated, match=f"speaks version {own} of the protocol, the request version {own + 1}"):
        boxes[0].start()
    assert boxes[0].state == State.STOPPED and inits(boxes[1:]) == before
    assert host.request("hello") == {**old, "containers": MANY - 1}


BROKEN = {
    "does not import": ({"monitor__main": "raise ImportError('a library is missing')"}, "a library is missing"),
    "cannot read what is written": ({"monitor__state": "def restore(*_): raise KeyError('pid')"}, "KeyError"),
}


@pytest.mark.parametrize(("changes", "said"), BROKEN.values(), ids=BROKEN)
def test_a_runtime_that_fails_its_trial_replaces_nothing(boxes, collection, changes, said):
    before, old = inits(boxes), runtime.ensure_monitor()
    collection(NEWER, **changes)
    with pytest.raises(StepError, match="Replace the monitor") as caught:
        runtime.ensure_monitor()
    assert said in "\n".join(caught.value.log)
    assert host.request("hello") == old and inits(boxes) == before
    collection("0.0.1")
    boxes[0].kill()
    boxes[0].start()


def test_a_program_that_is_not_there_replaces_nothing(boxes, collection):
    old = runtime.ensure_monitor()
    for command in (["/nowhere/python3"], ["/bin/false"]):
        with pytest.raises(StepError, match="Replace the monitor"):
            host.request("replace", {"collection": NEWER, "command": command}, timeout=40)
    assert host.request("hello") == old
    boxes[0].kill()
    boxes[0].start()


def test_a_keeper_that_dies_of_it_is_succeeded(boxes, collection, until):
    """It passes its trial and fails in earnest: the monitor, which still runs, becomes the keeper itself."""
    before, old = inits(boxes), runtime.ensure_monitor()
    line = "if len(__import__('sys').argv) > 5 and __import__('sys').argv[-2] == 'keep': raise ImportError('in earnest')"
    collection(NEWER, monitor__main=line)
    with pytest.raises(StepError, match="Replace the monitor"):
        runtime.ensure_monitor()
    new = host.request("hello")
    assert new["collection"] == old["collection"] and new["keeper"] == old["pid"]
    assert inits(boxes) == before
    assert query.state(boxes[0].container) == State.RUNNING


def test_a_start_that_is_under_way_is_waited_for(make_box, tmp_path, collection, until):
    box = make_box("r1")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ready\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.pre-start = {hook}")
    starting = threading.Thread(target=box.start, daemon=True)
    starting.start()
    until((tmp_path / "ready").exists, "the hook runs")
    collection(NEWER)
    facts: list[dict[str, object]] = []
    replacing = threading.Thread(target=lambda: facts.append(runtime.ensure_monitor()), daemon=True)
    replacing.start()
    time.sleep(0.5)
    assert box.state == State.STARTING and not facts
    Path(tmp_path, "go").touch()
    starting.join(30)
    replacing.join(30)
    assert facts[0]["collection"] == NEWER and box.state == State.RUNNING


class Held:
    """A replacement whose new program waits: the keeper is between execve(2) and its loop until `go`. Without one all goes on."""

    def __init__(self, tmp_path: Path, collection, until) -> None:  # type: ignore[no-untyped-def]
        self.place, self.collection, self.until = tmp_path, collection, until
        self.thread: threading.Thread | None = None

    def begin(self) -> None:
        wait = f"""
import os, sys, time
if sys.argv[-2:-1] == ["keep"]:
    open("{self.place}/between", "w").close()
    while not os.path.exists("{self.place}/go"):
        time.sleep(0.01)
"""
        self.collection(NEWER, monitor__main=wait)
        message = {"collection": NEWER, "command": daemon.command(runtime.persist(), runtime.COLLECTION_VERSION)}

        def ask() -> None:
            with contextlib.suppress(LxcError):  # of a monitor that was told to end
                host.request("replace", message, timeout=60)

        self.thread = threading.Thread(target=ask, daemon=True)
        self.thread.start()
        self.until((self.place / "between").exists, "the keeper has become the new program")

    def go(self) -> None:
        (self.place / "go").touch()
        if self.thread is not None:
            self.thread.join(60)


@pytest.fixture(params=[False, True], ids=["plain", "replaced"])
def held(request: pytest.FixtureRequest, tmp_path: Path, collection, until) -> Held:  # type: ignore[no-untyped-def]
    held = Held(tmp_path, collection, until)
    if not request.param:
        held.begin = lambda: None  # type: ignore[method-assign]
    return held


@pytest.fixture
def inherited(make_box, tmp_path, until):  # type: ignore[no-untyped-def]
    """Three containers, and a process that a hook has left behind, of which only the keeper will hear how they end."""
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\nsleep 600 < /dev/null > /dev/null 2>&1 &\necho $! > {tmp_path}/orphan\n")
    hook.chmod(0o755)
    boxes = [make_box("again"), make_box("off"), make_box("stays", f"lxc.hook.pre-start = {hook}")]
    boxes[0].init("[ -e /tmp/booted ] && touch /tmp/again; touch /tmp/booted")
    boxes[1].init("trap '/bin/poweroff -f' USR1; touch /tmp/booted")
    for box in boxes:
        box.start()
    for box in boxes[:2]:
        until((box.root / "tmp/booted").exists, "init has come so far")
    old = host.request("hello")
    os.kill(int(old["pid"]), signal.SIGKILL)
    until(lambda: host.request("hello")["pid"] != old["pid"], "another has taken its place")
    orphan = int((tmp_path / "orphan").read_text())
    for pid in (orphan, *(box.pid for box in boxes)):
        assert process.parent(pid) == old["keeper"]
    return boxes, orphan


def test_what_ends_before_the_new_loop_is_heard_by_it(inherited, held, until):
    """A reboot is one and a poweroff is one, and no zombie is left."""
    boxes, orphan = inherited
    again, off, stays = boxes
    pids = [box.pid for box in boxes]
    log = Path(paths.MONITOR_LOG)
    written = log.stat().st_size
    held.begin()
    for pid, number in zip((*pids[:2], orphan), (signal.SIGINT, signal.SIGUSR1, signal.SIGKILL)):
        os.kill(pid, number)
        until(lambda pid=pid: not process.alive(pid), "it has ended")
        assert held.thread is None or os.path.exists(f"/proc/{pid}"), "nobody has reaped it"
    held.go()
    until((again.root / "tmp/again").exists, "it has booted a second time")
    until(lambda: again.state == State.RUNNING and off.state == State.STOPPED, "one runs, one is down")
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in (*pids[:2], orphan)), "all were reaped")
    assert again.pid != pids[0] and stays.pid == pids[2]
    assert b"how is not known" not in log.read_bytes()[written:]
    assert held.thread is None or host.request("hello")["collection"] == NEWER


def test_a_signal_to_end_that_comes_before_the_new_loop_is_obeyed(inherited, held, until):
    """As ever: the two are gone, the containers run on, and the next task takes them over."""
    boxes, orphan = inherited
    before = inits(boxes)
    facts = host.request("hello")
    keeper = int(facts["keeper"])
    held.begin()
    os.kill(keeper, signal.SIGTERM)
    if held.thread is not None:
        until(lambda: int(process.status(keeper)["ShdPnd"], 16) >> (signal.SIGTERM - 1) & 1, "it waits")
    held.go()
    until(lambda: not process.alive(keeper) and not process.alive(int(facts["pid"])), "both have ended")
    assert presence.orphaned()
    runtime.ensure_monitor()
    assert inits(boxes) == before and {box.state for box in boxes} == {State.RUNNING}
    os.kill(orphan, signal.SIGKILL)


def open_file_limits(facts: dict[str, object]) -> set[bool]:
    """Whether the soft one is the hard one, of the monitor and of its keeper."""
    limits = [resource.prlimit(int(str(facts[who])), resource.RLIMIT_NOFILE) for who in ("pid", "keeper")]
    return {soft == hard for soft, hard in limits}


def test_the_monitor_and_its_keeper_may_open_as_many_files_as_they_can(collection):
    """Whatever the task allowed itself that began them, and process 1: a container takes 8 to 12."""
    runtime.stop_monitor()
    bounds = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in (0, 1)}
    for pid, (_soft, hard) in bounds.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (100, hard))
    try:
        began = runtime.ensure_monitor()
        assert open_file_limits(began) == {True}
        collection(NEWER)
        replaced = runtime.ensure_monitor()
    finally:
        for pid, limits in bounds.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert replaced["collection"] == NEWER and open_file_limits(replaced) == {True}
