# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root that wishes us ill: from the pivot on, init's half of a start imports nothing, looks up no user and loads no codec."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import LxcError
from hostile import HARMLESS, Watch, poison

NEWER = "1000.6.0"
BASE = (
    "lxc.init.cmd = /bin/sleep 1000",
    "lxc.hook.start = /bin/hook",
    "lxc.init.uid = 1000",
    "lxc.init.gid = 100",
    "lxc.init.groups = 29,44",
    "lxc.init.cwd = /tmp",
    "lxc.arch = x86_64",
    "lxc.cap.drop = sys_time",
    "lxc.no_new_privs = 1",
    "lxc.tty.max = 2",
    "lxc.environment = LANG=de_DE.UTF-8",
)
FAILS = {
    "no such init": (("lxc.init.cmd = /nothing/there",), "No such file or directory"),
    "no such init, and no text": (("lxc.init.cmd = /nothing/\udcff\udcfe",), "No such file or directory"),
    "init is no program": (("lxc.init.cmd = /etc/passwd",), "Permission denied"),
    "no such directory": (("lxc.init.cwd = /nowhere",), "lxc.init.cwd"),
    "the hook fails": (("lxc.hook.start = /bin/failing",), "status 7"),
    "no such hook": (("lxc.hook.start = /bin/nothing",), "status 127"),
    "no descriptors": (("lxc.prlimit.nofile = 4",), "Too many open files"),
}


@pytest.fixture
def box(make_box) -> Iterator:  # type: ignore[no-untyped-def,type-arg]
    box = make_box("s1")
    poison(box.root, [runtime.persist()])
    (box.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    for name, text in (("hook", "exit 0"), ("failing", "printf 'what went wrong \\377\\n'; exit 7")):
        path = box.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    box.configure(*BASE)
    yield box


@pytest.fixture
def watch(box) -> Iterator[Watch]:  # type: ignore[no-untyped-def]
    watch = Watch(box.root)
    yield watch
    watch.close()


def test_a_start_opens_nothing_but_its_programs(box, watch):
    box.start()
    assert watch.opened() == {"bin/hook", "bin/busybox"}
    assert not (box.root / "poisoned").exists()


def test_the_hook_s_input_is_nothing_of_the_container_s(box, watch):
    """Its /dev/null may be anything: to open a FIFO waits for ever."""
    os.mkfifo(box.root / "dev/null")
    (box.root / "bin/hook").write_text("#!/bin/sh\nread line || echo none > /tmp/read\n")
    box.configure(*BASE, "lxc.autodev = 0")
    box.start()
    assert (box.root / "tmp/read").read_text() == "none\n"
    before = {"dev/", "dev/console", "dev/tty1", "dev/tty2"}  # places for the terminals, made before the pivot
    assert watch.opened() - before == {"bin/hook", "bin/busybox", "tmp/read"}


@pytest.mark.parametrize("how", FAILS)
def test_nor_does_one_that_fails(box, watch, how):
    more, said = FAILS[how]
    box.configure(*BASE, *more)
    with pytest.raises(LxcError, match=said):
        box.start()
    assert watch.opened() <= {"bin/hook", "bin/failing", "bin/busybox", "etc/passwd"}
    assert not (box.root / "poisoned").exists()


def test_nor_does_a_fault_of_our_own(only_ours, own_monitor, collection, box, watch):
    collection(NEWER, lifecycle__init="def _directory(config):\n    raise KeyError('nobody expected this \\udcff')")
    with pytest.raises(LxcError, match="KeyError: 'nobody expected this"):
        box.start()
    assert watch.opened() <= {"bin/hook", "bin/busybox"}
    assert not (box.root / "poisoned").exists()


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        ("import traceback", "poisoned"),
        ("'x'.encode('idna')", "poisoned"),
        ("import pwd; pwd.getpwall()", "etc/nsswitch.conf"),
        ("open('/etc/passwd').close()", "etc/passwd"),
    ],
)
def test_the_watch_would_tell(only_ours, own_monitor, collection, box, watch, act, seen):
    """That the tests above can fail."""
    collection(NEWER, lifecycle__init=f"def _directory(config):\n    {act}")
    try:
        box.start()
    except LxcError:  # the poison is no such module
        pass
    assert seen in watch.opened()


# The interpreter's own audit events from the pivot on, in init and in what it forks, written to a file of the container's.
AUDIT = """
def _audited(root_fd, really=pivot.pivot):
    import sys

    really(root_fd)
    audit_fd = os.open('/audit', os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def note(event, _arguments):
        try:
            os.write(audit_fd, f'{event}\\n'.encode())
        except OSError:  # closed, as everything before a hook's program
            pass

    sys.addaudithook(note)


pivot.pivot = _audited
"""


@pytest.mark.parametrize("how", ["well", *FAILS])
def test_the_interpreter_opens_and_imports_nothing(only_ours, own_monitor, collection, box, how):
    """What leaves no trace in the root, since there is no such file, too."""
    collection(NEWER, lifecycle__init=AUDIT)
    more, said = FAILS.get(how, ((), ""))
    box.configure(*BASE, *more)
    if how == "well":
        box.start()
    else:
        with pytest.raises(LxcError, match=said):
            box.start()
    events = (box.root / "audit").read_text().split()
    talk = {"socket.sendmsg", "ctypes.create_string_buffer"}  # with the launcher, with the kernel
    assert {event for event in events if not event.startswith("sys.")} <= HARMLESS | talk
    assert "socket.sendmsg" in events, "the launcher was told"
