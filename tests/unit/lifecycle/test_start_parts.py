# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of start: clocks, log, namespaces, what is said to be missing, how launcher and init talk."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.config import parser
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import BadValue, LxcError, NotFound, StepError, Unsupported
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import clocks, namespaces, start, start_errors, unapplied
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.exchange import Exchange
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.log import LEVELS, Log, level_number


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1", 10**9),
        ("2h", 7200 * 10**9),
        ("-3m", -180 * 10**9),
        ("+4s", 4 * 10**9),
        ("5ms", 5 * 10**6),
        ("6us", 6000),
        ("7 ns", 7),
        (" 1s ", 10**9),
    ],
)
def test_clock_offsets(value: str, wanted: int) -> None:
    assert clocks.nanoseconds(value, "key") == wanted


@pytest.mark.parametrize("value", ["", "h", "1.5s", "1d", "1s1s", "--1"])
def test_bad_clock_offsets_name_the_key(value: str) -> None:
    with pytest.raises(StepError, match="lxc-time"):
        clocks.nanoseconds(value, "lxc-time")


@pytest.mark.parametrize(
    ("word", "level"),
    [*((name, number) for number, name in enumerate(LEVELS)), ("debug", 1), ("", 5), ("critical", 6), (" 3 ", 3), ("8", 8)],
)
def test_log_levels(word: str, level: int) -> None:
    assert level_number(word) == level


@pytest.mark.parametrize("word", ["9", "-1", "LOUD", "ERR", "²"])
def test_bad_log_levels(word: str) -> None:
    with pytest.raises(BadValue):
        level_number(word)


def test_the_log_keeps_all_and_writes_what_is_wanted(tmp_path: Path) -> None:
    log = Log("u1", str(tmp_path / "log"), level_number("WARN"))
    log.write("DEBUG", "quiet")
    log.write("WARN", "loud\nand clear")
    written = (tmp_path / "log").read_text().splitlines()
    assert [line.split("WARN")[1].strip() for line in written] == ["loud", "and clear"]
    assert written[0].startswith("hostkit-lxc u1 20")
    assert list(log.last) == ["DEBUG: quiet", "WARN: loud", "WARN: and clear"]
    assert (tmp_path / "log").stat().st_mode & 0o777 & ~0o640 == 0


def test_a_log_that_cannot_be_written_stops_nothing_and_makes_no_directory(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    for path in (tmp_path / "gone/log", tmp_path / "link", tmp_path):
        Log("u1", str(path), 0).write("ERROR", "text")
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "gone").exists()


def test_long_lines_are_cut(tmp_path: Path) -> None:
    log = Log("u1", str(tmp_path / "log"), 0)
    log.write("ERROR", "x" * 100_000)
    assert len(log.last[0]) < 600


def test_what_is_held_back_is_not_written(tmp_path: Path) -> None:
    log = Log("u1", str(tmp_path / "log"), 0)
    log.hold()
    log.write("INFO", "inside")
    assert log.put_off() == [("INFO", "inside")] and not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("said", "wanted"), [((False, False), ("/config", 1)), ((True, False), ("/asked", 1)), ((True, True), ("/asked", 5))]
)
def test_what_was_asked_for_goes_before_the_config(said: tuple[bool, bool], wanted: tuple[str, int]) -> None:
    log = Log("u1", "/asked", 5, said)
    log.obey("/config", "DEBUG")
    assert (log.path, log.level) == wanted
    log.obey("", "")
    assert (log.path, log.level) == wanted


def own(text: str, shares_network: bool = False) -> set[str]:
    return namespaces.own(parser.loads(text), shares_network)


def test_namespaces() -> None:
    usual = {"mnt", "uts", "ipc", "pid", "net", "cgroup"}
    assert own("") == usual
    assert own("", shares_network=True) == usual - {"net"}
    assert own("lxc.namespace.keep = net uts\n") == usual - {"net", "uts"}
    assert own("lxc.namespace.clone = mnt pid\n") == {"mnt", "pid"}
    assert own("lxc.namespace.share.ipc = other\n") == usual - {"ipc"}
    assert own("lxc.time.offset.boot = 1s\n") == usual | {"time"}
    assert namespaces.at_clone({"mnt", "cgroup", "time"}) == 0x20000


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lxc.idmap = u 0 100000 65536\n", Unsupported),
        ("lxc.namespace.clone = user mnt\n", Unsupported),
        ("lxc.namespace.share.user = 1\n", Unsupported),
        ("lxc.namespace.keep = mnt\n", StepError),
        ("lxc.namespace.share.mnt = 1\n", StepError),
    ],
)
def test_namespaces_that_cannot_be(text: str, error: type[LxcError]) -> None:
    with pytest.raises(error):
        own(text)


def test_sharing_with_nobody_changes_nothing() -> None:
    with namespaces.shared(parser.loads(""), None):  # type: ignore[arg-type]
        pass


def test_what_is_not_applied() -> None:
    said = unapplied.warnings(parser.loads("lxc.seccomp.profile = /x\nlxc.console.path = /dev/tty9\nlxc.sched.core = 0\n"))
    assert [line.split(" = ")[0] for line in said] == ["lxc.seccomp.profile", "lxc.console.path"]
    assert unapplied.warnings(parser.loads("lxc.console.path = none\nlxc.apparmor.profile = unconfined\n")) == []


@pytest.mark.parametrize(("word", "bound"), [("5", 5), ("unlimited", -1), (" infinity ", -1)])
def test_bounds_of_limits(word: str, bound: int) -> None:
    assert start._bound(word) == bound


@pytest.mark.parametrize(("line", "said"), [("lxc.prlimit.nothing = 5", "no such limit"), ("lxc.prlimit.nofile = 9:1", "nofile = 9:1")])
def test_limits_that_cannot_be(line: str, said: str) -> None:
    with pytest.raises(LxcError, match=said):
        start._limit(parser.loads(line + "\n"), os.getpid())


def pair() -> tuple[Exchange, Exchange]:
    return tuple(map(Exchange, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)))  # type: ignore[return-value]


def test_launcher_and_init_tell_each_other() -> None:
    launcher, init = pair()
    null_fd = os.open("/dev/null", os.O_RDONLY)
    init.send({"terminals": {"console": True}}, [null_fd])
    value, fds = launcher.receive("terminals")
    assert value == {"console": True} and os.path.samestat(os.fstat(fds[0]), os.fstat(null_fd))
    init.send_error(NotFound("it is gone"))
    with pytest.raises(NotFound, match="it is gone"):
        launcher.receive("ready")
    init.send({"ready": True})
    init.send_error(StepError("mount", "Mount", "it", 13))
    pending = launcher.pending_error()
    assert isinstance(pending, StepError) and pending.errno == 13
    assert launcher.pending_error() is None
    os.close(null_fd)
    os.close(fds[0])


def test_the_end_of_the_other_is_an_error_until_it_executes() -> None:
    launcher, init = pair()
    init.end.close()
    with pytest.raises(StepError, match="ended while ready"):
        launcher.receive("ready")
    launcher, init = pair()
    init.send({"executing": True, "log": [("INFO", "said")]})
    init.end.close()
    assert launcher.wait_for_exec() == [("INFO", "said")]
    launcher, init = pair()
    init.send({"executing": True, "log": []})
    init.send_error(StepError("exec", "Execute", "/missing", 2))
    with pytest.raises(StepError, match="/missing"):
        launcher.wait_for_exec()


def test_whatever_went_wrong_is_one_of_our_errors(tmp_path: Path) -> None:
    log = Log("u1", str(tmp_path / "log"), 8)
    for number in range(30):
        log.write("DEBUG", f"line {number}")
    step = start_errors.as_lxc_error(FileNotFoundError(2, "No such file", "/x"), log)
    assert isinstance(step, StepError) and (step.errno, step.object, len(step.log)) == (2, "/x", 20)
    assert "KeyError" in str(start_errors.as_lxc_error(KeyError("x"), log))
    own_log = StepError("hook", "Run", "it", log=["mine"])
    assert start_errors.as_lxc_error(own_log, log) is own_log and own_log.log == ["mine"]
    assert isinstance(start_errors.as_lxc_error(NotFound("x"), log), NotFound)
