# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A creation that is killed by SIGKILL, wherever it stands: the next one of the same name starts over, and nothing is left."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import mountinfo, process, tree
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import create, destroy, partial
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import cache

SOAK = os.environ.get("HOSTKIT_SOAK") == "1"
# What changes the disk or begins a program: between two of these there is nothing to be found half-done.
ACTS = ("open", "subprocess.Popen", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")

Act = Callable[[], object]


def quiet(line: str) -> None:
    pass


def in_child(act: Act, watch: Callable[[str], None] | None = None) -> int:
    """The pid of a child that does it, and ends with 0 or 1."""
    pid = os.fork()
    if pid == 0:
        try:
            if watch:
                sys.addaudithook(lambda event, args: watch(event) if event in ACTS else None)
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def count(act: Act) -> int:
    """How many acts it takes."""
    read_fd, write_fd = os.pipe()
    pid = in_child(act, lambda event: os.write(write_fd, b".") and None)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        dots = file.read()
    assert ended(pid) == 0
    return len(dots)


def killed_at(act: Act, number: int) -> bool:
    """SIGKILL just before the act of this number; False when it ended well with fewer."""
    left = [number]

    def watch(event: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    status = ended(in_child(act, watch))
    assert status in (0, -signal.SIGKILL)
    return status != 0


def points(total: int) -> list[int]:
    """The first and the last acts one by one, and some in between."""
    every = 1 if SOAK else max(1, total // 6)
    return sorted({*range(min(14, total)), *range(0, total, every), *range(max(0, total - 8), total)})


def processes_that_name(text: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in words and int(pid) != os.getpid() and process.alive(int(pid)):
            found.append(words.decode(errors="replace"))
    return found


def files_below(*places: Path) -> list[str]:
    return sorted(str(path) for place in places for path in place.rglob("*"))


@pytest.fixture
def one(host: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[paths.Container]:
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))
    (host / "cache").mkdir()
    yield paths.container("gkill", str(host / "lxc"))
    wait_for_none(str(host))
    assert [one.target for one in mountinfo.read() if str(host) in one.target] == []
    assert os.listdir(temporary) == []


def wait_for_none(text: str) -> None:
    deadline = time.monotonic() + 10
    while processes_that_name(text):
        assert time.monotonic() < deadline, processes_that_name(text)
        time.sleep(0.02)


def tried_at_every_point(host: Path, wanted: create.CreateRequest) -> None:
    """Killed at each of the points, made again by the next, and removed: the same files as by one that was never killed."""
    container = wanted.container
    places = [host / name for name in ("lxc", "state", "cache", "run")]

    def make() -> None:
        create.create(wanted, quiet)

    make()  # what is imported late is imported now
    destroy.destroy(container)
    tree.remove(paths.STATE)
    total = count(make)
    whole = files_below(*places)
    destroy.destroy(container)
    seen = set()
    for number in points(total):
        tree.remove(paths.STATE)
        assert killed_at(make, number)
        seen.add(partial.state(container) if os.path.isdir(container.directory) else "nothing")
        make()
        assert files_below(*places) == whole, f"killed at {number} of {total}"
        destroy.destroy(container)
        assert os.listdir(container.lxc_path) == []
    assert "abandoned" in seen and "nothing" in seen


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_busybox_killed_at_any_act(host: Path, one: paths.Container, store: str) -> None:
    tried_at_every_point(host, create.CreateRequest(one, "busybox", backing_store=store, config={"lxc.net.0.type": "empty"}))


@pytest.fixture
def fstree(host: Path) -> Path:
    (host / "tree/etc").mkdir(parents=True)
    (host / "tree/etc/issue").write_text("hello")
    (host / "tree/big").write_bytes(os.urandom(1 << 16) * 512)
    with tarfile.open(host / "fs.tar", "w") as tar:
        tar.add(host / "tree", ".")
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not on this host")
    subprocess.run(["zstd", "-q", host / "fs.tar", "-o", host / "fs.tar.zst"], check=True)
    return host / "fs.tar.zst"


def test_a_zst_killed_at_any_act(host: Path, one: paths.Container, fstree: Path) -> None:
    tried_at_every_point(host, create.CreateRequest(one, "local", {"fstree": str(fstree)}, config={"lxc.net.0.type": "empty"}))


def test_killed_at_each_line_of_progress(host: Path, one: paths.Container, fstree: Path) -> None:
    for template, options in (("busybox", {}), ("local", {"fstree": str(fstree)})):
        lines: list[str] = []
        wanted = create.CreateRequest(one, template, options)
        create.create(wanted, lines.append)
        destroy.destroy(one)
        assert lines
        for line in lines:

            def log(text: str, last: str = line) -> None:
                if text == last:
                    os.kill(os.getpid(), signal.SIGKILL)

            assert ended(in_child(lambda log=log, wanted=wanted: create.create(wanted, log))) == -signal.SIGKILL
            assert partial.state(one) == "abandoned"
            create.create(wanted, quiet)
            assert sorted(os.listdir(one.directory)) == ["config", "rootfs"]
            destroy.destroy(one)


def test_a_script_ends_with_whoever_ran_it(host: Path, one: paths.Container) -> None:
    """With what it has mounted and what it has started."""
    script = host / "lxc-slow"
    script.write_text(
        '#!/bin/sh\nr="${3#--rootfs=}"; mkdir "$r/proc"; mount -t proc proc "$r/proc"; touch "$r/early"\n'
        f"setsid sleep 3613 {host}/.. 2>/dev/null & setsid sh -c 'while :; do sleep 1; done' {host} & echo ready; wait\n"
    )
    script.chmod(0o755)

    def log(text: str) -> None:
        if text == "ready":
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(in_child(lambda: create.create(create.CreateRequest(one, str(script)), log))) == -signal.SIGKILL
    wait_for_none(str(host))
    assert (Path(one.rootfs) / "early").exists() and os.listdir(f"{one.rootfs}/proc") == []
    create.create(create.CreateRequest(one, "busybox"), quiet)
    assert not (Path(one.rootfs) / "early").exists()


def many_files(rootfs: str) -> None:
    for number in range(3000):
        Path(rootfs, str(number)).write_bytes(bytes(range(256)) * 16)


def test_a_copy_ends_with_whoever_ran_it(host: Path, one: paths.Container) -> None:
    """cp would go on to write into a root that is cleaned up, or made anew, meanwhile."""
    (host / "target").mkdir()
    cache.copy_of("gmany", 1000, many_files, str(host / "target"), quiet)
    (host / "second").mkdir()
    pid = in_child(lambda: cache.copy_of("gmany", 1000, many_files, str(host / "second"), quiet))
    deadline = time.monotonic() + 20
    while len(os.listdir(host / "second")) < 50:
        assert time.monotonic() < deadline
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL
    wait_for_none(f"{host}/second")
    assert len(os.listdir(host / "second")) < 3000, "the copy was whole already: nothing was shown"


def test_the_cache_killed_at_any_act(host: Path, one: paths.Container) -> None:
    """While a root is made for the first time, and while it replaces one that is too old."""
    made = host / "cache/hostkit"

    def build(rootfs: str) -> None:
        Path(rootfs, "one").touch()
        Path(rootfs, "two").touch()

    for old in (False, True):
        for number in range(200):
            for place in ("target", "again"):
                os.makedirs(host / place / str(old) / str(number))
            if old:
                cache.copy_of("gsmall", 0, build, f"{host}/again/{old}/{number}", quiet)
                os.utime(made / "gsmall/made", (1, 1))
            else:
                cache.tree.remove(str(made))

            def copy(place: str = f"{host}/target/{old}/{number}") -> None:
                cache.copy_of("gsmall", 1000, build, place, quiet)

            if not killed_at(copy, number):
                assert number > 12
                break
            last = host / "again" / str(old) / f"{number}-last"
            last.mkdir()
            cache.copy_of("gsmall", 1000, build, str(last), quiet)
            assert sorted(os.listdir(last)) == ["one", "two"]
            assert sorted(os.listdir(made)) == ["gsmall", "gsmall.lock"], f"killed at {number}"


def test_two_at_once_one_makes_the_root_and_the_other_waits_and_copies(host: Path, one: paths.Container) -> None:
    go_on_read, go_on_write = os.pipe()
    said_read, said_write = os.pipe()
    for name in ("first", "second"):
        (host / name).mkdir()

    def build(rootfs: str) -> None:
        os.write(said_write, b"builds\n")
        os.read(go_on_read, 1)
        Path(rootfs, "made").touch()

    def say(line: str) -> None:
        os.write(said_write, line.encode() + b"\n")

    first = in_child(lambda: cache.copy_of("gtwo", 1000, build, str(host / "first"), quiet))
    assert os.read(said_read, 100) == b"builds\n"
    second = in_child(lambda: cache.copy_of("gtwo", 1000, build, str(host / "second"), say))
    assert select.select([said_read], [], [], 20)[0]
    waiting = os.read(said_read, 1000).decode()
    assert waiting.startswith(f"Waiting for process {first} (") and "to make a root file system" in waiting
    assert os.listdir(host / "second") == []
    os.write(go_on_write, b"..")
    assert ended(first) == 0 and ended(second) == 0
    assert os.listdir(host / "first") == ["made"] == os.listdir(host / "second")
    assert os.read(said_read, 1000) == b"Copying the root file system from the cache\n"


def test_when_the_maker_is_killed_the_one_who_waits_makes_it(host: Path, one: paths.Container) -> None:
    said_read, said_write = os.pipe()
    (host / "second").mkdir()

    def hang(rootfs: str) -> None:
        os.write(said_write, b"builds\n")
        signal.pause()

    first = in_child(lambda: cache.copy_of("gtwo", 1000, hang, str(host / "first"), quiet))
    assert os.read(said_read, 100) == b"builds\n"
    second = in_child(
        lambda: cache.copy_of(
            "gtwo",
            1000,
            lambda rootfs: Path(rootfs, "mine").touch(),
            str(host / "second"),
            lambda line: os.write(said_write, b"waits") and None,
        )
    )
    assert os.read(said_read, 100) == b"waits"
    os.kill(first, signal.SIGKILL)
    assert ended(first) == -signal.SIGKILL and ended(second) == 0
    assert os.listdir(host / "second") == ["mine"] and sorted(os.listdir(host / "cache/hostkit")) == ["gtwo", "gtwo.lock"]


def test_when_the_maker_fails_the_one_who_comes_next_makes_it(host: Path, one: paths.Container) -> None:
    def fail(rootfs: str) -> None:
        raise StepError("template", "Run", "it", text="no")

    (host / "second").mkdir()
    with pytest.raises(StepError, match="no"):
        cache.copy_of("gtwo", 1000, fail, str(host / "first"), quiet)
    cache.copy_of("gtwo", 1000, lambda rootfs: Path(rootfs, "mine").touch(), str(host / "second"), quiet)
    assert os.listdir(host / "second") == ["mine"]
