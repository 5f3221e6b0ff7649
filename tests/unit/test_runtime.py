# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's copy on the host: what is in it, its name, and that a copy that is not ours is not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import daemon, paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse, LxcError, StepError, TimedOut
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import host, presence

PACKAGE = Path(runtime.__file__).parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "run"
    for name, file in (("RUN", ""), ("MONITOR_SOCKET", "/monitor.sock"), ("MONITOR_LOCK", "/monitor.lock")):
        monkeypatch.setattr(paths, name, f"{place}{file}")
    runtime._make_private_directory()
    return place


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime of a few files is written and compiled in no time."""
    files = {"__init__.py": b"", "errors.py": b"X = 1\n", "monitor/__init__.py": b"", "monitor/loop.py": b"Y = 2\n"}
    monkeypatch.setattr(runtime, "sources", lambda: files)


def test_every_file_is_a_source() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    assert set(runtime.sources()) == found
    assert runtime.sources()["monitor/loop.py"] == (PACKAGE / "monitor/loop.py").read_bytes()


def test_the_digest_is_of_names_and_contents() -> None:
    base = runtime.digest({"a": b"1", "b": b"2"})
    assert base == runtime.digest({"b": b"2", "a": b"1"})
    others = [{"a": b"1"}, {"a": b"2", "b": b"1"}, {"ab": b"12"}, {"a": b"12", "b": b""}, {"a": b"1", "c": b"2"}]
    assert len({base, *map(runtime.digest, others)}) == len(others) + 1


def test_the_copy_is_private_and_whole_and_can_be_imported(run: Path) -> None:
    directory = Path(runtime.persist())
    assert run.stat().st_mode & 0o777 == 0o700 and directory.parent == run
    assert not [path for path in directory.rglob("*") if path.stat().st_mode & 0o022]
    assert list(directory.rglob("*.pyc")), "it is compiled beforehand"
    code = "import sys; sys.path[:0] = [sys.argv[1]]; from _lxc.monitor import loop; print(loop.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(directory)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{directory}/_lxc/monitor/loop.py"
    before = directory.stat().st_mtime_ns
    assert runtime.persist() == str(directory) and directory.stat().st_mtime_ns == before


@pytest.mark.usefixtures("small")
def test_one_that_was_begun_and_not_ended_is_no_hindrance(run: Path) -> None:
    begun = run / f"runtime-{runtime.digest(runtime.sources())}.{os.getpid()}/_lxc"
    begun.mkdir(parents=True, mode=0o700)
    (begun / "errors.py").write_text("half")
    assert os.path.isdir(runtime.persist())


@pytest.mark.usefixtures("small")
def test_a_copy_that_cannot_be_written_leaves_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_old: str, _new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runtime.os, "rename", fail)
    with pytest.raises(StepError, match="No space"):
        runtime.persist()
    assert list(run.iterdir()) == []


def changed(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


def linked(path: Path) -> None:
    path.rename(path.parent.parent.parent / "moved")
    path.symlink_to(path.parent.parent.parent / "moved")


def writable(path: Path) -> None:
    path.chmod(0o666)


def strange(path: Path) -> None:
    (path.parent.parent / "json.py").write_text("import os")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("spoil", [changed, Path.unlink, linked, writable, strange])
def test_a_copy_that_was_tampered_with_is_not_run(run: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    directory = Path(runtime.persist())
    spoil(directory / "_lxc/errors.py")
    with pytest.raises(StepError) as caught:
        runtime.persist()
    assert caught.value.action == "Trust"


@pytest.mark.usefixtures("small")
def test_a_foreign_owner_is_not_trusted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.persist()
    monkeypatch.setattr(runtime.os, "geteuid", lambda: 4711)
    with pytest.raises(StepError, match="must belong to uid 4711"):
        runtime.persist()
    with pytest.raises(StepError, match="must belong to uid 4711"):
        runtime._make_private_directory()


def test_a_directory_that_others_can_write_or_that_is_a_link(run: Path, tmp_path: Path) -> None:
    run.chmod(0o777)
    with pytest.raises(StepError):
        runtime._make_private_directory()
    run.rmdir()
    (tmp_path / "other").mkdir(0o700)
    run.symlink_to(tmp_path / "other")
    with pytest.raises(StepError):
        runtime._make_private_directory()


def test_the_lock_has_an_end(run: Path) -> None:
    holder, waiter = (os.open(run / "lock", os.O_RDWR | os.O_CREAT, 0o600) for _number in range(2))
    runtime._lock(holder, 0)
    with pytest.raises(TimedOut, match=r"monitor\.lock"):
        runtime._lock(waiter, 0.05)
    os.close(holder)
    runtime._lock(waiter, 0)
    os.close(waiter)


@pytest.mark.parametrize("first", [host.NoMonitor("none"), host.Gone("gone"), host.Outdated("old")])
def test_a_monitor_is_made_sure_of_when_there_is_none_of_our_version(monkeypatch: pytest.MonkeyPatch, first: LxcError) -> None:
    ensured: list[int] = []
    asked: list[object] = []
    answers = iter([first, {"results": [{"name": "a", "lxc_path": "/lxc", "error": None, "warnings": []}]}])

    def request(_op: str, body: dict[str, object], timeout: float) -> object:
        asked.append(body["collection"])
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(runtime, "ensure_monitor", lambda: ensured.append(1))
    monkeypatch.setattr(host, "request", request)
    container = paths.container("a", "/lxc")
    assert runtime.start([container]) == [(container, None, [], False)]
    assert len(ensured) == 1
    assert asked == [runtime.COLLECTION_VERSION] * 2


def test_one_request_is_enough_where_there_is_a_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def request(op: str, *_arguments: object, **_named: object) -> object:
        asked.append(op)
        return {"results": [{"name": "a", "lxc_path": "/lxc", "error": None, "warnings": []}]}

    monkeypatch.setattr(host, "request", request)
    runtime.start([paths.container("a", "/lxc")])
    assert asked == ["start"]


def test_errors_come_back_in_the_order_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        {"name": "b", "lxc_path": "/lxc", "error": host.describe(InUse("held")), "warnings": []},
        {"name": "a", "lxc_path": "/lxc", "error": None, "warnings": ["w"]},
    ]
    monkeypatch.setattr(runtime, "ensure_monitor", lambda: None)
    monkeypatch.setattr(host, "request", lambda *_arguments, **_named: {"results": results})
    one, two = runtime.start([paths.container("a", "/lxc"), paths.container("b", "/lxc")])
    assert one[1:] == (None, ["w"], False) and isinstance(two[1], InUse)


@pytest.mark.parametrize(("first", "was_up"), [(None, True), (host.NoMonitor("none"), True), (host.Gone("gone"), False)])
def test_who_started_it(monkeypatch: pytest.MonkeyPatch, first: LxcError | None, was_up: bool) -> None:
    """After a monitor that died with our request in its hands it may have been we."""
    result = {"name": "a", "lxc_path": "/lxc", "error": None, "warnings": [], "was_up": True}
    answers = iter([first, {"results": [result]}] if first else [{"results": [result]}])

    def request(*_arguments: object, **_named: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(runtime, "ensure_monitor", lambda: None)
    monkeypatch.setattr(host, "request", request)
    assert [started.was_up for started in runtime.start([paths.container("a", "/lxc")])] == [was_up]


def test_who_began_a_monitor_hears_what_is_wrong_with_it_and_nobody_else(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who replaces one hears what is new."""
    told: list[str] = []
    running: list[dict[str, object]] = []

    def request(op: str, *_arguments: object, **_named: object) -> object:
        if op == "replace":
            running[0] = {"collection": runtime.COLLECTION_VERSION, "problems": ["old", "new"]}
        if not running:
            raise host.NoMonitor("none")
        return running[0]

    monkeypatch.setattr(presence, "problems", told)
    monkeypatch.setattr(host, "request", request)
    monkeypatch.setattr(runtime, "persist", lambda: "/run/runtime-x")
    monkeypatch.setattr(daemon, "command", lambda _directory, _version: [])
    monkeypatch.setattr(daemon, "spawn", lambda _directory, _version: running.append({"collection": "0.0.1", "problems": ["old"]}))
    assert run.is_dir()
    assert runtime._ensure() == running[0] and told == ["old"]
    assert runtime._ensure() == running[0] and told == ["old"]
    runtime.ensure_monitor()
    assert told == ["old", "new"]
    runtime.ensure_monitor()
    assert told == ["old", "new"]
