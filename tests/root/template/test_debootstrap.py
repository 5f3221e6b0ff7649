# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian by debootstrap, as on a host without mmdebstrap, and booted by our own start."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stock
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc import paths, runtime
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.errors import StepError
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.kernel import command
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.lifecycle import attach, create, destroy, stop
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.template import debian
from ansible_collections.hostkit.lxc.plugins.module_utils._lxc.wire import client

end_of_monitor = stock.end_of_monitor

pytestmark = pytest.mark.slow

# In the environment, from which the proxy is taken on the way: nothing may keep it.
SECRET = "s3cr3t-of-the-host"


@pytest.fixture
def only_debootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not on this host")
    which = command.which
    monkeypatch.setattr(command, "which", lambda name: None if name == "mmdebstrap" else which(name))


@pytest.fixture
def container(host: Path, mirror: str, only_debootstrap: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[paths.Container]:
    monkeypatch.setattr(paths, "CACHE", str(host / "cache"))  # not what mmdebstrap has made under the same name
    one = paths.container("gboot", str(host / "lxc"))
    yield one
    try:
        client.stop(one, 30)
    except client.NotRunning:
        pass


def make(container: paths.Container, **options: object) -> list[str]:
    lines: list[str] = []
    wanted = create.CreateRequest(container, "debian", options, config={"lxc.net.0.type": "empty"})
    create.create(wanted, lines.append)
    return lines


def run_inside(container: paths.Container, *argv: str) -> tuple[int, str]:
    result = attach.attach(container, attach.AttachRequest(list(argv), timeout=60))
    return result.rc, (result.stdout + result.stderr).decode()


def test_it_is_verified_and_upgraded_and_boots_to_running_under_our_start(
    container: paths.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", f"{os.environ.get('no_proxy', '')},{SECRET}.invalid".lstrip(","))
    said = "\n".join(make(container, packages=["netbase"]))
    assert "Valid Release signature" in said
    root = Path(container.rootfs)
    sources = (root / "etc/apt/sources.list").read_text().splitlines()
    assert sources == [source.line() for source in debian.recipe({}).sources]
    assert ("Upgrading from all sources" in said) == (len(sources) > 1)
    assert subprocess.run(["grep", "-rlaF", SECRET, root], stdout=subprocess.PIPE, check=False).stdout == b""
    assert "\nroot:*:" in "\n" + (root / "etc/shadow").read_text()
    for name in ("debootstrap", "usr/sbin/policy-rc.d", "etc/apt/apt.conf", "var/log/bootstrap.log"):
        assert not (root / name).exists(), name
    assert list((root / "var/cache/apt").iterdir()) == [] == list((root / "var/lib/apt/lists").iterdir())
    assert stat.S_IMODE(root.stat().st_mode) == 0o755 and (root / "etc/hostname").read_text() == "gboot\n"
    query = ["chroot", root, "dpkg-query", "-Wf", "${db:Status-Abbrev} ${Package}\n"]
    states = subprocess.run(query, capture_output=True, text=True, check=True)
    installed = states.stdout.split("\n")[:-1]
    assert "ii  netbase" in installed and "ii  systemd-sysv" in installed and [one for one in installed if not one.startswith("ii ")] == []
    boot(container)


def boot(container: paths.Container) -> None:
    [(_container, error, warnings, _was_up)] = runtime.start([container], 30, log_level="DEBUG")
    assert error is None and warnings == []
    deadline = time.monotonic() + 60
    rc, state = 1, "Failed to connect"
    while "Failed to connect" in state:  # systemd does not listen yet
        assert time.monotonic() < deadline, state
        rc, state = run_inside(container, "systemctl", "is-system-running", "--wait")
    assert (rc, state) == (0, "running\n"), run_inside(container, "systemctl", "--failed", "--no-legend")[1]
    assert run_inside(container, "hostname")[1] == "gboot\n"
    machine_id = Path(container.rootfs, "etc/machine-id").read_text()
    assert run_inside(container, "systemd-id128", "machine-id")[1] == machine_id
    assert stop.stop(container, 30).how == "signal"
    destroy.destroy(container)
    assert not Path(container.directory).exists()


def test_a_release_that_another_key_has_signed_is_refused(
    container: paths.Container, host: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a keyring that lacks Debian's keys nothing is downloaded but the Release file, and nothing is left."""
    keyring = host / "empty.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "_KEYRING", str(keyring))
    lines: list[str] = []
    wanted = create.CreateRequest(container, "debian", {"mirror": mirror})
    with pytest.raises(StepError, match="debootstrap") as caught:
        create.create(wanted, lines.append)
    said = "\n".join([*lines, *caught.value.log])
    assert "signed by unknown key" in said or "Invalid Release signature" in said, said
    assert not any("Retrieving" in line and "InRelease" not in line and "Release" not in line for line in lines)
    assert list((host / "lxc").iterdir()) == [] and not any("new-" in path.name for path in (host / "cache/hostkit").iterdir())
