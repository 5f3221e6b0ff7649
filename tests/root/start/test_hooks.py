# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every hook: its arguments, its environment, where it runs, and what its failure does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError, TimedOut
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire.protocol import State

BEFORE = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "start")
AFTER = ("stop", "post-stop")


def script(path: Path, out: Path, more: str = ":") -> str:
    commands = f'echo "args: $*"; env | grep ^LXC_ ; readlink /proc/self/ns/mnt /proc/self/ns/net; {more}'
    path.write_text(f"#!/bin/sh\n{{ {commands}; }} >> {out}\n")
    path.chmod(0o755)
    return str(path)


def lines(out: Path) -> dict[str, str]:
    found = {}
    for line in out.read_text().splitlines():
        name, mark, value = line.partition("=") if line.startswith("LXC_") else line.partition(": ")
        found[name] = value if mark else ""
    return found


def test_a_hook_that_takes_longer_than_is_waited_for_after_the_end(make_box, tmp_path, monkeypatch):
    """As long as the caller gives a container to shut down is given to its hooks too, and a minute at least."""
    hook = tmp_path / "slow"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nuntil [ -e {tmp_path}/go ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    monkeypatch.setattr(stop, "_CLEANUP", 0.5)
    box = make_box("s1", f"lxc.hook.stop = {hook}")
    box.start()
    with pytest.raises(TimedOut, match=r"The init of s1 .* has ended.*hooks stop and post-stop.* longer than 1 s") as caught:
        stop.stop(box.container, 1)
    assert "stop_timeout" in caught.value.hint and (tmp_path / "begun").exists()
    (tmp_path / "go").touch()
    assert stop.stop(box.container, 30).how == "already"


@pytest.mark.parametrize("kind", ["pre-start", "pre-mount", "mount", "autodev", "start-host"])
def test_a_hook_on_the_host_s_files_gets_lxc_s_arguments_and_environment(make_box, tmp_path, kind):
    box = make_box("s1")
    hook = script(tmp_path / "hook", tmp_path / "out")
    box.configure(f"lxc.hook.{kind} = {hook} own argument", "lxc.console.logfile = " + str(tmp_path / "console"))
    box.start()
    found = lines(tmp_path / "out")
    assert found["args"] == f"own argument s1 lxc {kind}"
    assert found["LXC_NAME"] == "s1"
    assert found["LXC_CONFIG_FILE"] == box.container.config
    assert found["LXC_ROOTFS_PATH"] == str(box.root)
    assert (found["LXC_CGNS_AWARE"], found["LXC_HOOK_VERSION"], found["LXC_LOG_LEVEL"]) == ("1", "0", "DEBUG")
    assert found["LXC_CONSOLE_LOGPATH"] == str(tmp_path / "console")
    assert os.path.isdir(found["LXC_ROOTFS_MOUNT"])
    assert "LXC_HOOK_TYPE" not in found
    in_host_mounts = os.readlink("/proc/self/ns/mnt") in (tmp_path / "out").read_text()
    assert in_host_mounts == (kind in ("pre-start", "start-host"))
    in_host_network = os.readlink("/proc/self/ns/net") in (tmp_path / "out").read_text()
    assert in_host_network == (kind in ("pre-start", "start-host"))


def test_the_mount_hook_sees_the_mounted_root(make_box, tmp_path):
    box = make_box("s1")
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\nmkdir "$LXC_ROOTFS_MOUNT/mnt" && mount -t tmpfs -o size=8k from-hook "$LXC_ROOTFS_MOUNT/mnt"\n')
    hook.chmod(0o755)
    box.configure(f"lxc.hook.mount = {hook}")
    box.start()
    assert "from-hook /mnt tmpfs" in Path(f"/proc/{box.pid}/mounts").read_text()
    assert "from-hook" not in Path("/proc/self/mounts").read_text()


def test_the_autodev_hook_can_add_devices(make_box, tmp_path):
    box = make_box("s1")
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\nmknod "$LXC_ROOTFS_MOUNT/dev/extra" c 1 3\n')
    hook.chmod(0o755)
    box.configure(f"lxc.hook.autodev = {hook}")
    box.start()
    assert os.stat(box.path("dev/extra")).st_rdev == os.makedev(1, 3)
    box.kill()
    box.configure(f"lxc.hook.autodev = {hook}", "lxc.autodev = 0")
    (tmp_path / "ran").unlink(missing_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    box.start()
    assert not (tmp_path / "ran").exists()


def test_the_start_hook_runs_inside(make_box):
    box = make_box("s1")
    inside = box.root / "bin/hook"
    inside.write_text('#!/bin/sh\necho "$*" > /tmp/args; readlink /proc/1/exe > /tmp/exe; hostname > /tmp/host\n')
    inside.chmod(0o755)
    box.configure("lxc.hook.start = /bin/hook", "lxc.mount.auto = proc")
    box.start()
    assert (box.root / "tmp/args").read_text().strip() == "s1 lxc start"
    assert (box.root / "tmp/host").read_text().strip() == "s1"


def test_new_style_hooks_get_everything_by_the_environment(make_box, tmp_path):
    box = make_box("s1")
    hook = script(tmp_path / "hook", tmp_path / "out")
    box.configure(f"lxc.hook.pre-start = {hook}", "lxc.hook.version = 1")
    box.start()
    found = lines(tmp_path / "out")
    assert (found["args"], found["LXC_HOOK_TYPE"], found["LXC_HOOK_SECTION"], found["LXC_HOOK_VERSION"]) == ("", "pre-start", "lxc", "1")


def test_stop_and_post_stop_hooks(make_box, tmp_path, until):
    box = make_box("s1")
    stop = script(tmp_path / "stop", tmp_path / "stop.out", "for word in $*; do case $word in uts:*) readlink ${word#*:};; esac; done")
    post = script(tmp_path / "post", tmp_path / "post.out")
    box.configure(f"lxc.hook.stop = {stop}", f"lxc.hook.post-stop = {post}")
    box.start()
    uts = os.readlink(f"/proc/{box.pid}/ns/uts")
    box.kill()
    until((tmp_path / "post.out").exists, "the post-stop hook ran")
    found = lines(tmp_path / "stop.out")
    assert found["args"].startswith("s1 lxc stop ")
    assert found["LXC_TARGET"] == "stop"
    assert uts in (tmp_path / "stop.out").read_text()
    assert lines(tmp_path / "post.out")["args"] == "s1 lxc post-stop"


@pytest.mark.parametrize("kind", BEFORE)
def test_a_hook_that_fails_before_running_aborts_the_start(make_box, tmp_path, kind):
    box = make_box("s1")
    hook = box.root / "bin/failing" if kind == "start" else tmp_path / "failing"
    hook.write_text("#!/bin/sh\necho what went wrong\nexit 7\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.{kind} = {'/bin/failing' if kind == 'start' else hook}")
    error = box.fails()
    assert isinstance(error, StepError) and error.step == "hook"
    assert f"lxc.hook.{kind}" in str(error) and "status 7" in str(error)
    assert any("what went wrong" in line for line in error.log)


@pytest.mark.parametrize("kind", AFTER)
def test_a_hook_that_fails_after_the_stop_is_only_logged(make_box, tmp_path, kind, until):
    box = make_box("s1")
    hook = tmp_path / "failing"
    hook.write_text("#!/bin/sh\nexit 3\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.{kind} = {hook}")
    box.start()
    box.kill()
    assert box.state == State.STOPPED
    log = Path(box.container.log)
    until(lambda: f"lxc.hook.{kind} = {hook}: ended with status 3" in log.read_text(), "it is logged")


def test_a_script_that_fails_as_the_network_goes_down_is_only_logged(make_box, tmp_path, until):
    box = make_box("s1")
    for name, status in (("one", 4), ("two", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/out\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    post = script(tmp_path / "post", tmp_path / "post.out")
    lines = [f"lxc.net.0.script.down = {tmp_path / 'one'}", f"lxc.net.1.script.down = {tmp_path / 'two'}"]
    box.configure("lxc.net.0.type = empty", "lxc.net.1.type = empty", *lines, f"lxc.hook.post-stop = {post}")
    box.start()
    box.kill()
    until((tmp_path / "post.out").exists, "the post-stop hook ran")
    assert (tmp_path / "out").read_text().split() == ["one", "two"]
    assert f"lxc.net.0.script.down = {tmp_path / 'one'}: ended with status 4" in Path(box.container.log).read_text()
    box.start()
    assert box.state == State.RUNNING


def test_hooks_run_in_order_and_the_first_failure_stops_them(make_box, tmp_path):
    box = make_box("s1")
    for name, status in (("one", 0), ("two", 1), ("three", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/out\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    box.configure(*(f"lxc.hook.pre-start = {tmp_path / name}" for name in ("one", "two", "three")))
    box.fails()
    assert (tmp_path / "out").read_text().split() == ["one", "two"]


def test_a_hook_that_leaves_a_program_behind_does_not_hold_up_the_start(make_box, tmp_path):
    box = make_box("s1")
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\nsleep 5 &\necho $! > " + str(tmp_path / "pid") + "\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.pre-start = {hook}")
    box.start(timeout=4)
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_start_that_takes_too_long_is_ended_with_its_hook(make_box, tmp_path, until):
    box = make_box("s1")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    hook.chmod(0o755)
    box.configure(f"lxc.hook.pre-start = {hook}")
    with pytest.raises(StepError, match="not running after 1 s"):
        box.start(timeout=1)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not os.path.exists(f"/proc/{pid}") or " Z " in Path(f"/proc/{pid}/stat").read_text(), "the hook is gone")
    assert box.state == State.STOPPED
