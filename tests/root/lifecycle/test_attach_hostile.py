# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that wishes us ill: what it puts in our way while we come in is neither run nor followed, and does not hold us up."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import errors
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import credentials, libc, mount_old
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach_child
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle.attach import AttachRequest, attach
from hostile import HARMLESS, poison


@pytest.fixture
def container(containers):
    return containers.start()


def test_nothing_of_the_containers_is_imported(container):
    root = Path(container.rootfs)
    poison(root)
    assert attach(container, AttachRequest(["id", "-un"], user="alice")).stdout == b"alice\n"
    assert attach(container, AttachRequest(["nonesuch"])).rc == 127
    for wrong in ({"user": "nobody_here"}, {"chdir": "/nowhere/\udcff"}):
        with pytest.raises(errors.LxcError):
            attach(container, AttachRequest(["true"], **wrong))
    assert not (root / "poisoned").exists()


@pytest.mark.parametrize(("argv", "chdir"), [(["true"], "/tmp"), (["nonesuch"], None), (["true"], "/nowhere")])
def test_nothing_is_opened_or_imported_on_the_way(container, monkeypatch, argv, chdir, in_child):
    """The interpreter's own audit events, written to the standard error that the command gets."""

    def audited():
        inside = []
        setns = libc.setns

        def note(fd, kind=0):
            setns(fd, kind)
            if kind == libc.CLONE_NEWNS:
                inside.append(True)

        def hook(event, args):
            if inside and event not in HARMLESS and not event.startswith("sys."):
                os.write(2, f"{event} {args!r}\n".encode())

        monkeypatch.setattr(libc, "setns", note)
        sys.addaudithook(hook)
        try:
            return attach(container, AttachRequest(argv, chdir=chdir)).stderr.decode()
        except errors.StepError as error:
            return str(error)

    said = in_child(audited)
    assert said in ("", "nonesuch: No such file or directory\n", "Enter directory /nowhere: No such file or directory")


def test_the_audit_would_tell(container, monkeypatch, in_child):
    """That the test above can fail."""

    def audited():
        inside = []
        chdir = os.chdir

        def note(path):
            inside.append(True)
            chdir(path)
            os.path.exists("/etc/passwd")
            os.close(os.open("/etc/passwd", os.O_RDONLY))

        sys.addaudithook(lambda event, args: os.write(2, f"{event}\n".encode()) if inside and event == "open" else None)
        monkeypatch.setattr(os, "chdir", note)
        return attach(container, AttachRequest(["true"])).stderr.decode()

    assert "open" in in_child(audited)


def test_links_in_etc_lead_nowhere_else(container):
    root = Path(container.rootfs)
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to("../../../../../../../../etc/passwd-of-the-host")
    secret = Path("/etc/passwd-of-the-host")
    assert not secret.exists()
    (root / "etc/group").unlink()
    (root / "etc/group").symlink_to("/proc/self/root/etc/group")
    with pytest.raises(errors.LxcError, match="User daemon is not in the container's /etc/passwd"):
        attach(container, AttachRequest(["true"], user="daemon"))  # the host has one
    assert not (root / "ran").exists()


@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_what_is_no_file_is_not_read(container, kind):
    path = Path(container.rootfs, "etc/passwd")
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero has no end
    with pytest.raises(errors.StepError, match="passwd"):
        attach(container, AttachRequest(["true"]))


def test_no_directory_outside_can_be_the_working_one(container):
    """CVE-2024-21626: by the number of a descriptor that the joining process has left open."""
    for number in range(40):
        for where in ("self", "thread-self", "1"):
            request = AttachRequest(["cat", "/etc/passwd"], chdir=f"/proc/{where}/fd/{number}")
            try:
                result = attach(container, request)
            except errors.StepError as error:
                assert str(error).startswith(f"Enter directory /proc/{where}/fd/{number}: ")
                continue
            assert attach(container, request._replace(argv=["sh", "-c", "pwd; ls -d /home/alice"])).rc == 0, result


def test_the_joiner_cannot_be_looked_into(container):
    """It is not in the container's pid namespace, and the command's process has no descriptor but its three."""
    script = "for p in /proc/[0-9]*; do readlink $p/exe; done"
    seen = attach(container, AttachRequest(["sh", "-c", script])).stdout.decode().split()
    assert seen and not [path for path in seen if "python" in path]


def test_the_hosts_null_device_is_not_handed_in(container):
    result = attach(
        container, AttachRequest(["sh", "-c", "chmod 0 /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; ls -l /proc/self/fd/0"])
    )
    assert b"pipe:" in result.stdout
    assert os.stat("/dev/null").st_mode & 0o666 == 0o666


def test_inheritable_capabilities_of_the_caller_stay_outside(container, in_child):
    """CVE-2022-24769"""

    def inherited():
        now = credentials.capget()
        credentials.capset(now.effective, now.permitted, now.permitted)
        assert credentials.capget().inheritable
        result = attach(container, AttachRequest(["grep", "-E", "CapInh|CapAmb", "/proc/self/status"], user="alice", elevated=True))
        return [int(line.split()[1], 16) for line in result.stdout.decode().splitlines()]

    assert in_child(inherited) == [0, 0]


def test_a_descriptor_that_was_left_open_leads_nowhere(tmp_path, in_child):
    """The last fence of CVE-2024-21626, alone: a directory outside the root is seen to be outside."""

    def enter():
        (tmp_path / "proc").mkdir()
        mount_old.mount("/proc", str(tmp_path / "proc"), "", libc.MS_BIND)
        outside_fd = os.open("/", os.O_PATH)
        os.chroot(tmp_path)
        os.chdir("/")
        attach_child._change_directory([b"/proc/self/fd/%d" % outside_fd, b"/"])
        inside = os.getcwd()
        try:
            attach_child._change_directory([b"/proc/self/fd/%d" % outside_fd])
        except errors.StepError as error:
            return f"{inside} {error}"
        return "entered"

    assert re.fullmatch(r"/ Enter directory /proc/self/fd/\d+: No such file or directory", in_child(enter))
