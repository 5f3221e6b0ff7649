# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device program in the kernel: it can be attached wherever version 2 is mounted, beside a devices controller of version 1 too."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator

import hierarchies
import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import cgroup_bpf, cgroupfs
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel.cgroup_bpf import Device, instructions

NULL, ZERO = Device("c", 1, 3, "rwm"), Device("c", 1, 5, "rwm")


@pytest.fixture
def directory() -> Iterator[str]:
    """A new cgroup of version 2."""
    hierarchies.need(2)
    (mounted,) = [hierarchy for hierarchy in cgroupfs.hierarchies() if hierarchy.version == 2]
    path = f"{mounted.mount_point}/hostkit-test-{uuid.uuid4().hex[:8]}"
    os.mkdir(path)
    yield path
    cgroupfs.remove_tree(path)


@pytest.fixture
def said(directory, in_child, tmp_path):
    """said(device, flags or "m") -> the errno of open(2), or of mknod(2), for who is in that cgroup; 0 for none."""

    def ask(device: Device, how: int | str) -> int:
        kind = stat.S_IFBLK if device.kind == "b" else stat.S_IFCHR
        path = tmp_path / f"{device.kind}{device.major}-{device.minor}"
        if how != "m" and not path.exists():
            os.mknod(path, kind | 0o600, os.makedev(device.major, device.minor))

        def inside() -> int:
            cgroupfs.attach(directory, 0)
            try:
                if how == "m":
                    os.mknod(f"{path}.made", kind | 0o600, os.makedev(device.major, device.minor))
                    os.unlink(f"{path}.made")
                else:
                    os.close(os.open(path, how))
            except OSError as error:
                return error.errno or -1
            return 0

        return in_child(inside)

    return ask


def test_what_is_not_allowed_is_eperm(directory, said):
    assert said(ZERO, os.O_RDWR) == 0
    cgroup_bpf.attach(directory, instructions(False, [NULL, Device("b", -1, -1, "m"), ZERO._replace(access="r")]))
    assert said(NULL, os.O_RDWR) == said(NULL, "m") == said(ZERO, os.O_RDONLY) == 0
    assert said(ZERO, os.O_RDWR) == said(ZERO, "m") == errno.EPERM
    disk = Device("b", 8, 0, "rwm")
    assert said(disk, os.O_RDONLY) == errno.EPERM and said(disk, "m") == 0


def test_what_is_denied_is_eperm(directory, said):
    cgroup_bpf.attach(directory, instructions(True, [NULL._replace(access="w")]))
    assert said(NULL, os.O_RDWR) == said(NULL, os.O_WRONLY) == errno.EPERM
    assert said(NULL, os.O_RDONLY) == said(NULL, "m") == said(ZERO, os.O_RDWR) == 0


def test_one_takes_the_place_of_ours_and_of_no_other(directory, said):
    def programs() -> int:
        cgroup_fd = os.open(directory, os.O_RDONLY)
        found = cgroup_bpf._ours(cgroup_fd)
        for fd in (cgroup_fd, *found):
            os.close(fd)
        return len(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroup_bpf, "_NAME", b"somebody_else")
        cgroup_bpf.attach(directory, instructions(True, [ZERO]))
    cgroup_bpf.replace(directory, instructions(True, [NULL]))
    assert said(NULL, os.O_RDWR) == said(ZERO, os.O_RDWR) == errno.EPERM and programs() == 1
    before = len(os.listdir("/proc/self/fd"))
    for _time in range(70):  # more than one cgroup can have, so that each must have gone
        cgroup_bpf.replace(directory, instructions(True, []))
    assert said(NULL, os.O_RDWR) == 0 and said(ZERO, os.O_RDWR) == errno.EPERM and programs() == 1
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("allow", [False, True])
def test_an_exception_can_be_of_everything(directory, said, allow):
    cgroup_bpf.attach(directory, instructions(allow, [Device("a", -1, -1, "rwm"), ZERO]))
    assert said(NULL, os.O_RDWR) == (errno.EPERM if allow else 0)


def test_it_can_be_as_long_as_one_likes(directory, said):
    cgroup_bpf.attach(directory, instructions(False, [Device("c", 9, minor, "rw") for minor in range(1000)] + [NULL]))
    assert said(NULL, os.O_RDWR) == 0 and said(ZERO, os.O_RDWR) == errno.EPERM


def test_a_refusal_is_told_in_the_verifiers_words(directory):
    before = len(os.listdir("/proc/self/fd"))
    cgroup_bpf.rehearse(instructions(False, [NULL]))
    with pytest.raises(OSError, match="R0 !read_ok") as caught:
        cgroup_bpf.attach(directory, cgroup_bpf._instruction(0x95))  # the end, with no verdict
    assert caught.value.errno == errno.EACCES and caught.value.filename == "the device program"
    assert len(os.listdir("/proc/self/fd")) == before
