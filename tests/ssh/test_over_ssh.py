# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks over OpenSSH, as a controller sends them: the task ends at once, the container outlives the connection.

The installed collection is found by ANSIBLE_COLLECTIONS_PATH (the step `over-ssh` sets it). Runs as root in namespaces that
stand for a host; the server listens on loopback there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import plays


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """An sshd on loopback that takes one key for root: (port, private key)."""
    directory = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    shutil.copy(directory / "user.pub", directory / "authorized_keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = directory / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized_keys\n"
        f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile {directory}/pid\nSubsystem sftp internal-sftp\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    daemon = subprocess.Popen([shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert daemon.poll() is None and time.monotonic() < deadline, daemon.stderr and daemon.stderr.read()
            time.sleep(0.05)
    yield port, directory / "user"
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(10)


def play(server: tuple[int, Path], tasks: list[dict[str, object]], pipelining: bool, terminal: bool) -> list[plays.Result]:
    port, key = server
    host = {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": "root",
        "ansible_connection": "ssh",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_args": "-o ControlMaster=no -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        "ansible_pipelining": pipelining,
        "ansible_ssh_use_tty": terminal,
        "ansible_python_interpreter": sys.executable,
    }
    return plays.play(key.parent, host, tasks)


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "files"])
@pytest.mark.parametrize("terminal", [True, False], ids=["tty", "no-tty"])
def test_a_container_outlives_the_connection_that_started_it(server, tmp_path, pipelining, terminal):
    os.chmod(tmp_path, 0o755)
    options = {"name": "ssh1", "lxc_path": str(tmp_path / "lxc")}
    create = {"hostkit.lxc.lxc_container": {**options, "template": "busybox", "network": [], "state": "started"}}
    look = {"hostkit.lxc.lxc_container_info": options}
    run = {"hostkit.lxc.lxc_attach": {**options, "argv": ["/bin/sh", "-c", "echo inside; echo apart >&2"]}}
    absent = {"hostkit.lxc.lxc_container": {**options, "state": "absent"}}
    try:
        created, again = play(server, [create, create], pipelining, terminal)
        assert created["changed"] and not again["changed"]
        [seen, said] = play(server, [look, run], pipelining, terminal)
        pid = created["container"]["init_pid"]
        assert (seen["containers"][0]["state"], seen["containers"][0]["init_pid"]) == ("RUNNING", pid)
        assert (said["rc"], said["stdout"], said["stderr"]) == (0, "inside", "apart")
        assert os.path.exists(f"/proc/{pid}/root/bin/busybox")
    finally:
        [gone] = play(server, [absent], pipelining, terminal)
    assert gone["changed"] and not (tmp_path / "lxc/ssh1").exists()
