# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's lxc-attach and lxc-console on a terminal, and signals to them: the same whoever started the container."""

from __future__ import annotations

import re
import signal
import subprocess

import hierarchies
import pytest
from parity import Both, Side
from patience import until
from terminal import Terminal

# The status that the stock one has, and the command.
ON_A_TERMINAL = {
    "/bin/tty": 0,
    "/bin/stty size": 0,
    "/bin/stty -a": 0,
    "/bin/id": 0,
    "/bin/sh -c 'exit 42'": 42,
    "/bin/sh -c 'kill -KILL $$'": 137,
    "/bin/sh -c 'for fd in 0 1 2; do readlink /proc/self/fd/$fd; done; ls /proc/self/fd'": 0,
    "/bin/sh -c 'cut -d\" \" -f4-8 /proc/self/stat'": 0,
    "/nonesuch": 127,
}


@pytest.mark.parametrize("command", ON_A_TERMINAL)
def test_attach_on_a_terminal(both: Both, command: str) -> None:
    def scene(side: Side) -> None:
        attach = f"attach -- {command}"
        assert side.note(attach, side.terminal(attach)).status == ON_A_TERMINAL[command]

    both(scene)


PROMPTED = "# \x1b[6n"  # busybox asks the terminal where the cursor is, and reads from then on


def test_a_shell_that_is_typed_to(both: Both) -> None:
    def scene(side: Side) -> None:
        shell = side.terminal("attach --clear-env -- /bin/sh")
        shell.until_raw()
        shell.until(PROMPTED)
        shell.type("stty size\r")
        shell.until("33 111")
        shell.until(PROMPTED)
        shell.type("exit 7\r")
        assert side.note("a shell", shell).status == 7

    both(scene)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGUSR1])
def test_attach_is_signalled(both: Both, number: signal.Signals) -> None:
    def scene(side: Side) -> None:
        attach = side.begin("attach -- /bin/sh -c 'echo ready; exec sleep 100'")
        assert attach.stdout is not None and attach.stdout.readline() == b"ready\n"
        attach.send_signal(number)
        side.said.append(attach.wait(20))
        attach.stdout.close()
        side.run("attach -- /bin/pgrep -x sleep -c")

    assert both(scene)[0] == -number


def console(side: Side, arguments: str) -> Terminal:
    """One that is connected, and takes what is typed."""
    shown = side.terminal(f"console {arguments}")
    shown.until("itself\r\n")
    shown.until_raw()
    return shown


def leave(side: Side, shown: Terminal, escape: str = "\x01") -> None:
    shown.type(f"{escape}q")
    assert side.note("console", shown).status == 0


@pytest.mark.parametrize("arguments", ["-t 0", "-t 1", "", "-t 1 -e ^b"])
def test_a_console_talks_and_can_be_left_and_taken_again(both: Both, arguments: str) -> None:
    def scene(side: Side) -> None:
        for word in ("once", "again"):
            shown = console(side, arguments)
            shown.type(f"{word}\r")
            shown.until(f"got-{word}")
            leave(side, shown, "\x02" if "^b" in arguments else "\x01")

    both(scene)


def test_the_escape_can_be_typed_and_the_size_is_the_terminals(both: Both) -> None:
    def scene(side: Side) -> None:
        shown = console(side, "-t 1")
        shown.type("x\x01\x01y\r")
        shown.until("got-x\x01y")
        side.run("attach -- /bin/stty -F /dev/tty1 size")
        leave(side, shown)

    both(scene)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_console_belongs_to_one(both: Both, number: int) -> None:
    """Number 2 has no getty, and stays connected."""

    def scene(side: Side) -> None:
        first = console(side, f"-t {number}")
        refused = side.note("another", side.terminal(f"console -t {number}"))
        assert refused.status == 1 and "Denied access to tty" in refused.output
        leave(side, first)
        leave(side, console(side, f"-t {number}"))

    both(scene)


def test_any_tty_is_the_first_that_nobody_has(both: Both) -> None:
    def scene(side: Side) -> None:
        shown = [console(side, ""), console(side, "")]
        assert side.note("a third", side.terminal("console")).status == 1
        assert b"tty 1" in shown[0].said and b"tty 2" in shown[1].said
        leave(side, shown[0])
        shown[0] = console(side, "")
        assert b"tty 1" in shown[0].said
        for one in shown:
            leave(side, one)

    both(scene)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_client_that_is_killed_leaves_its_console_to_the_next(both: Both, number: int) -> None:
    def scene(side: Side) -> None:
        console(side, f"-t {number}").kill()
        until(lambda: side.connections() == 0, "the connection is gone")
        leave(side, console(side, f"-t {number}"))

    both(scene)


@pytest.mark.parametrize("end", ["stop -k", "stop -r"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_end_of_the_container_is_the_end_of_its_console(both: Both, number: int, end: str) -> None:
    def scene(side: Side) -> None:
        shown = console(side, f"-t {number}")
        assert side.run(end).status == 0
        ended = side.note("console", shown)
        assert ended.status == 0
        side.said[-1] = ended.status  # what the shells there had time to say is a matter of luck

    both(scene)


def test_an_interface_goes_in_and_comes_back(both: Both) -> None:
    def scene(side: Side) -> None:
        subprocess.run("ip link add parity1 type veth peer name parity2".split(), check=True)
        try:
            assert side.run("device add parity1 eth9").status == 0
            assert "eth9" in side.run("attach -- /bin/ls /sys/class/net").output
            assert side.run("device del eth9 parity1").status == 0
            assert "eth9" not in side.run("attach -- /bin/ls /sys/class/net").output
            subprocess.run("ip link show parity1".split(), check=True, stdout=subprocess.DEVNULL)
        finally:
            subprocess.run("ip link del parity2".split(), check=True)

    both(scene)


def test_lxc_top_shows_it(both: Both) -> None:
    def scene(side: Side) -> None:
        top = side.terminal("top -b -d 1")
        top.until(",c1," if hierarchies.has(1) else "Unable to read")
        top.until("\n")
        top.kill()
        side.said.append(re.sub(r"\b[0-9]+\b", "N", top.said.decode()).splitlines()[:2])

    assert any(shown in str(both(scene)) for shown in ("N,c1,N,N,N,N,N,N,N,N", "Unable to read"))
