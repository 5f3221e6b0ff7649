# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Template scripts of LXC: called as lxc-create calls them, and one of LXC's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create, destroy, stop

end_of_monitor = stock.end_of_monitor

LXC_BUSYBOX = "/usr/share/lxc/templates/lxc-busybox"
RECORDER = """#!/bin/sh
{ for word; do echo "argument: $word"; done; umask; cat "${1#--path=}/config" | grep -v '^#\\|^$'; ls -A "${3#--rootfs=}"
[ "$(readlink /proc/self/ns/mnt)" = HOST ] || echo "a mount namespace of its own"; } > "$(dirname "$0")/said"
"""


def quiet(line: str) -> None:
    pass


def test_it_is_called_as_lxc_create_calls_it(host: Path) -> None:
    """With a host's default.conf, from which LXC begins the config that the script finds."""
    stock.need_lxc()
    script = host / "lxc-recorder"
    script.write_text(RECORDER.replace("HOST", os.readlink("/proc/self/ns/mnt")))
    script.chmod(0o755)
    default = host / "default.conf"
    default.write_text("lxc.net.0.type = empty\nlxc.tty.max = 3\n")
    words = ["--release", "x y", "-v", "--package", "a", "--package", "b"]
    command = ["lxc-create", "-P", host / "lxc", "-n", "ttheirs", "-f", default, "-t", script, "--", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    theirs = (host / "said").read_text()
    one = paths.container("tours", str(host / "lxc"))
    paths.DEFAULT_CONF = str(default)  # the fixture puts it back
    options = {"release": "x y", "v": True, "package": ["a", "b"]}
    create.create(create.CreateRequest(one, str(script), options), quiet)
    ours = (host / "said").read_text()
    arguments, _umask, config = ours.partition("0022\n")
    assert "a mount namespace of its own" in config
    assert arguments.splitlines()[:3] == [f"argument: --path={one.directory}", "argument: --name=tours", f"argument: --rootfs={one.rootfs}"]
    # We say the host name before, LXC after it.
    assert ours.replace("lxc.uts.name = tours\n", "").replace("tours", "ttheirs") == theirs


@pytest.mark.parametrize("store", ["dir", "overlayfs"])
def test_lxc_s_own_busybox_template(host: Path, store: str) -> None:
    if not os.access(LXC_BUSYBOX, os.X_OK) or shutil.which("busybox") is None:
        pytest.skip("LXC's busybox template is not on this host")
    os.chmod(host, 0o755)
    one = paths.container("tscript", str(host / "lxc"))
    create.create(create.CreateRequest(one, LXC_BUSYBOX, backing_store=store, config={"lxc.net.0.type": "empty"}), quiet)
    [(_container, error, _warnings, _was_up)] = runtime.start([one], 30)
    assert error is None
    try:
        assert attach.attach(one, attach.AttachRequest(["hostname"], timeout=20)).stdout == b"tscript\n"
    finally:
        assert stop.stop(one, 20).how == "signal"
        destroy.destroy(one)
    assert os.listdir(host / "lxc") == []
