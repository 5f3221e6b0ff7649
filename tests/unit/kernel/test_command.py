# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs: what they get, what comes back, and how they are ended."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command, process


def sh(script, **more):
    return command.run(["/bin/sh", "-c", script], **more)


def test_status_output_and_errors_apart():
    assert sh("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    assert sh("kill -TERM $$").rc == -signal.SIGTERM


def test_it_has_an_environment_of_its_own_and_nothing_to_read(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    result = sh('echo "$SECRET/$LANG/$LC_ALL/$MORE"; cat', env={"MORE": "yes"})
    assert result.stdout == "//C.UTF-8/yes\n"


def test_what_the_caller_reads_from_is_not_given_away():
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"the module's own input\n")
    os.close(write_fd)
    before = os.dup(0)
    os.dup2(read_fd, 0)
    try:
        assert sh("cat").stdout == ""
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(read_fd)


def test_no_shell_looks_at_the_words():
    assert command.run(["/bin/echo", "$HOME; *", "b c"]).stdout == "$HOME; * b c\n"


def test_input_and_output_larger_than_a_pipe():
    data = b"0123456789abcde\n" * 100_000
    assert sh("cat", stdin=data).stdout == data.decode()


def test_input_that_nobody_reads_is_no_error():
    assert sh("exit 4", stdin=b"x" * 1_000_000).rc == 4


def test_both_streams_at_once_do_not_block_each_other():
    script = "import sys\nfor n in range(20000):\n print('o' * 50)\n print('e' * 50, file=sys.stderr)"
    result = command.run([sys.executable, "-c", script])
    assert (len(result.stdout), len(result.stderr)) == (20000 * 51, 20000 * 51)


def test_each_line_as_it_comes(tmp_path):
    """The second line is written only after the first one was seen."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    seen = []

    def take(line):
        seen.append((line, threading.current_thread() is threading.main_thread()))
        if line == "first":
            fifo.write_text("go\n")

    result = sh(f"echo first; read x < {fifo}; printf 'sec\\rond\\n'; echo err >&2; printf last", on_line=take)
    assert {line for line, _main in seen} == {"first", "sec", "ond", "err", "last"}
    assert all(main for _line, main in seen)
    assert result.stdout == "first\nsec\rond\nlast"


def test_what_is_not_text_is_shown_as_its_bytes():
    seen = []
    assert sh("printf 'a\\377b\\n'", on_line=seen.append).stdout == "a\\xffb\n"
    assert seen == ["a\\xffb"]


def test_a_timeout_ends_the_whole_group(tmp_path):
    result = sh(f"sleep 1000 & echo $! > {tmp_path}/pid; sleep 1000", timeout=0.5)
    assert result.rc == -signal.SIGKILL
    try:
        pidfd = process.pidfd_open(int((tmp_path / "pid").read_text()))
    except ProcessLookupError:
        return
    assert process.pidfd_wait(pidfd, 10)
    os.close(pidfd)


def test_what_stays_in_the_background_is_not_waited_for(tmp_path):
    result = sh(f"sleep 1000 & echo $! > {tmp_path}/pid; echo done", timeout=20)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert result == (0, "done\n", "")


def test_a_callback_that_fails_ends_the_program(tmp_path):
    def fail(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sh(f"echo $$ > {tmp_path}/pid; echo x; exec sleep 1000", on_line=fail)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_no_descriptor_is_left_and_none_given_away():
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    before = sorted(os.listdir("/proc/self/fd"))
    listed = sh("echo /proc/$$/fd/*").stdout
    assert f"/fd/{write_fd}" not in listed.split()
    assert sorted(os.listdir("/proc/self/fd")) == before
    os.close(read_fd)
    os.close(write_fd)


def test_what_cannot_be_started_is_an_oserror_with_its_name():
    with pytest.raises(FileNotFoundError) as caught:
        command.run(["/no/such/program"])
    assert caught.value.filename == "/no/such/program"


def test_which_looks_in_the_systems_directories_only(monkeypatch, tmp_path):
    program = tmp_path / "sh"
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.which("sh") in ("/usr/bin/sh", "/bin/sh")
    assert command.which("no-such-program") is None
