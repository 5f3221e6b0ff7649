# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor that is killed: its containers live on, and nothing is started or removed under them."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import InUse
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import process
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import destroy


@pytest.fixture
def only_ours() -> None:
    """To kill a monitor that others use would be rude: only in namespaces that stand for a host (ci/host-namespace)."""
    if os.environ.get("HOSTKIT_HOST_NAMESPACE") != "1":
        pytest.skip("not in namespaces of our own: run it by ci/host-namespace")


def test_its_containers_are_neither_started_twice_nor_removed(only_ours, make_box, monitor, until):
    box = make_box("survivor")
    box.init("while :; do echo x >> /tmp/count; sleep 0.05; done")
    box.start()
    pid, pidfd = box.pid, process.pidfd_open(box.pid)
    os.kill(monitor, signal.SIGKILL)
    until(lambda: not process.alive(monitor), "the monitor is gone")
    size = (box.root / "tmp/count").stat().st_size
    until(lambda: (box.root / "tmp/count").stat().st_size > size, "the container goes on")
    with pytest.raises(InUse, match=f"still runs as process {pid}"):
        box.start()
    with pytest.raises(InUse, match=f"still runs as process {pid}"):
        destroy.destroy(box.container)
    process.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    until(lambda: not process.alive(pid), "the container is ended by hand")
    box.start()
    assert box.pid != pid
    box.kill()
    until(lambda: not os.listdir(f"{paths.RUN}/inits"), "nothing is remembered of what has ended")
